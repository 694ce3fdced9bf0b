"""How a login ends: the session knows who it is, or the client hears why not."""

from typing import TYPE_CHECKING

from relay import log
from relay.listener import mechanisms
from relay.listener.reception import Parts
from relay.listener.secrecy import ENCRYPT_FIRST, may_be_read
from relay.policy import ClientPolicy

if TYPE_CHECKING:
    from relay.listener.login_session import LoginSession

_MOST_FAILURES = 3
"""In one session: then it is closed."""
_LONGEST = 400
TOO_MANY = "Too many logins"


def accept(session: "LoginSession", client: ClientPolicy, login: str) -> None:
    """The session is `client` from now on."""
    session.client, session.login = client, login
    session.login_refused = session.login_later = False
    log.listener.logged_in(client.name, login, session.peer)
    session.push("235 2.7.0 Authentication successful")


def postpone(session: "LoginSession", why: str = "Temporary authentication failure") -> None:
    """Nobody can say now whether the login is right: the session goes on as nobody."""
    session.login_later = True
    session.push(f"454 4.7.0 {why}, please try again later")


def turned_away(session: "LoginSession", parts: Parts) -> bool:
    """Answer a login that nobody is to be asked about: others could read it, or too many from there were wrong."""
    if may_be_read(session):
        session.push(ENCRYPT_FIRST)
    elif parts.checker.is_barred(session.peer):
        postpone(session, TOO_MANY)
    else:
        return False
    return True


def refuse(
    session: "LoginSession", login: str, *, reason: str = "", advice: str = "", bearer: str = "", issuer: str = ""
) -> None:
    """The session goes on as nobody. `reason` is for the log, `advice` for the user.

    `bearer` is the mechanism by which an access token was shown: then the client expects one step more.
    """
    session.login_refused = True
    session.failed_logins += 1
    log.listener.login_refused(login, session.peer, reason)
    session.note_refused_login(login, reason)
    if session.failed_logins >= _MOST_FAILURES:
        session.leave("421 4.7.0 Too many failed logins, closing the connection")
        return
    text = log.clean(advice).encode("ascii", "backslashreplace").decode()[:_LONGEST]
    reply = f"535 5.7.8 {text or 'Authentication credentials invalid'}"
    if bearer:
        session.ask(mechanisms.refusal(bearer, issuer, reply))
    else:
        session.push(reply)
