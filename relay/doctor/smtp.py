"""An account's server by SMTP: reached, trusted, logged in at, and asked about each sender. Nothing is sent.

Each sender is named in a MAIL that is reset at once (RFC 5321 4.1.1.5). Exchange looks at the right to send as somebody
only when a message is there (docs/sources.md), so a sender that it takes here can still be refused.
"""

import asyncio
import socket
from collections.abc import Mapping
from typing import Any

from relay.advice import connection as advice
from relay.advice import exchange
from relay.config import Account, Client, Settings
from relay.doctor.claims import Claim, is_high_volume, is_of_user, need_of
from relay.doctor.report import Notes, State, Step
from relay.model import Clock, Result
from relay.oauth import TokenSource
from relay.upstream.replies import Stage
from relay.upstream.smtp.connection import Connection
from relay.upstream.smtp.reply import Reply
from relay.upstream.smtp.session import Sessions
from relay.upstream.smtp.tls import Certificate
from relay.upstream.smtp.wire import BrokenError
from relay.upstream.trouble import AttemptError

PATIENCE = 30.0
"""Seconds that a server has for each reply: who waits before a terminal waits less than mail may."""
_NO_REASON = (
    "Exchange gives this one answer to a wrong permission, a wrong mailbox and a bad token. The application needs "
    "its API permission with admin consent, Exchange has to know it, and both mailbox and SMTP AUTH have to be open "
    "to it. An Exchange administrator types what was not done yet; it takes up to two hours to count:"
)
_STEPS = ("auth", "sender")


class SmtpExamination:
    """Looks at the server of account `name`; `tokens` has the account's token already, where it needs one."""

    def __init__(
        self, settings: Settings, name: str, tokens: TokenSource | None, clock: Clock, claims: tuple[Claim, ...]
    ) -> None:
        account = settings.accounts[name]
        self._settings = settings
        self._name = name
        self._account = account.model_copy(update={"timeout": min(account.timeout, PATIENCE)})
        self._sessions = Sessions(name, self._account, tokens, settings.hostname, clock)
        self._claims = claims

    async def run(self, notes: Notes, raw: Mapping[str, Any], *, obstacle: str = "") -> None:
        """Make the steps; `raw` is what the token says, `obstacle` why nobody can log in."""
        if not await self._reach(notes):
            for name in _STEPS:
                notes.skip(name, "there is no connection")
            return
        if obstacle:
            for name in _STEPS:
                notes.skip(name, obstacle)
            return
        connection = await self._log_in(notes, raw)
        if connection is None:
            notes.skip("sender", "nobody is logged in")
            return
        try:
            await self._ask_senders(connection, notes, raw)
        finally:
            await connection.quit()

    async def _reach(self, notes: Notes) -> bool:
        """DNS, TCP, TLS and EHLO."""
        host, port = self._account.host or "", self._account.port
        try:
            addresses = await _addresses(host, port)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            text = f"{host}: the name cannot be resolved ({reason})"
            notes.add(Step("connection", State.FAIL, text, advice.not_found(self._name, host)))
            return False
        known = f"{host} has the address{'es' if len(addresses) > 1 else ''} {', '.join(addresses)}"
        try:
            connection = await self._sessions.connector.open(None)
        except AttemptError as error:
            notes.add(Step("connection", State.FAIL, error.result.text, error.result.hint, details=(known,)))
            return False
        offered = (f"{name} {value}".rstrip() for name, value in sorted(connection.extensions.items()))
        details = (known, *_encryption(connection), f"it offers {', '.join(offered) or 'nothing'}")
        await connection.quit()
        notes.add(Step("connection", State.OK, f"{self._sessions.connector.where} answers", details=details))
        return True

    async def _log_in(self, notes: Notes, raw: Mapping[str, Any]) -> Connection | None:
        account = self._account
        try:
            connection = await self._sessions.open(None)
        except AttemptError as error:
            notes.add(self._login_refused(error.result, raw))
            return None
        user = account.username or account.mailbox
        how = "XOAUTH2" if account.oauth is not None else "a password"
        if account.oauth is None and account.password is None:
            notes.skip("auth", "the account has no login")
        else:
            notes.add(Step("auth", State.OK, f"logged in as {user} by {how}"))
        return connection

    def _login_refused(self, result: Result, raw: Mapping[str, Any]) -> Step:
        # What the server said has its code; what is said for it, when it did not get that far, is a sentence.
        text = f"{result.code} {result.status} {result.text}" if result.code >= 500 else result.text
        causes = [f"The token says: {claim.note}" for claim in self._claims if claim.note]
        commands = login_commands(self._account, result, raw)
        unexplained = commands and result.status != "5.7.139"
        return Step("auth", State.FAIL, text, _NO_REASON if unexplained else result.hint, commands, tuple(causes))

    async def _ask_senders(self, connection: Connection, notes: Notes, raw: Mapping[str, Any]) -> None:
        addresses, patterns = senders_of(self._settings, self._name)
        try:
            for address in addresses:
                notes.add(await self._ask(connection, address, raw))
        except BrokenError as error:
            notes.add(Step("sender", State.FAIL, f"the connection broke: {error}", advice.broken_off()))
        if patterns:
            text = f"{', '.join(patterns)} cannot be tried: a pattern is no address"
            notes.skip("sender", f"{text}. One address of it: relay send-test {self._name} --from ADDRESS --to ADDRESS")
        elif not addresses:
            notes.skip("sender", "no client uses this account")

    async def _ask(self, connection: Connection, address: str, raw: Mapping[str, Any]) -> Step:
        """`MAIL`, then `RSET`. Raises BrokenError."""
        utf8 = "" if address.isascii() else " SMTPUTF8"
        reply = await connection.ask(f"MAIL FROM:<{address}>{utf8}".encode(), PATIENCE)
        if reply.code // 100 != 2:
            return self._sender_refused(address, reply, raw)
        if not await connection.reset(PATIENCE):
            raise BrokenError("the server did not take RSET")
        text = f"MAIL FROM:<{address}> is taken"
        own = (self._account.mailbox or "").lower() == address.lower()
        if own or need_of(self._account) is None:
            return Step("sender", State.OK, text)
        more = (
            f"Exchange checks the right to send as {address} only with a whole message: "
            f"relay send-test {self._name} --from {address} --to ADDRESS"
        )
        return Step("sender", State.OK, text, details=(more,))

    def _sender_refused(self, address: str, reply: Reply, raw: Mapping[str, Any]) -> Step:
        result = self._sessions.connector.judge(Stage.MAIL, reply)
        commands: tuple[str, ...] = ()
        if need_of(self._account) is not None and result.status == "5.7.60":
            commands = (exchange.CONNECT, exchange.send_as(address, _trustee(self._account, raw)))
        text = f"MAIL FROM:<{address}> is refused: {reply}"
        return Step("sender", State.FAIL, text, result.hint, commands)


def login_commands(account: Account, result: Result, raw: Mapping[str, Any]) -> tuple[str, ...]:
    """What an Exchange administrator types after a refused login, with the ids that the token holds."""
    mailbox, words = account.mailbox or "", result.text.lower()
    if need_of(account) is None or account.oauth is None or result.code != 535:
        return ()
    if result.status == "5.7.139":
        switched_off = "smtpclientauthentication is disabled" in words
        return (exchange.CONNECT, exchange.allow_smtp_auth(mailbox)) if switched_off else ()
    trustee = _trustee(account, raw)
    if is_of_user(account):
        login = account.username or mailbox
        # The user's own mailbox needs no permission.
        if trustee.lower() == login.lower():
            return (exchange.CONNECT, exchange.allow_smtp_auth(login))
        return (exchange.CONNECT, exchange.open_mailbox(login, trustee), exchange.send_as(login, trustee))
    ids = exchange.Ids.of(raw)
    if is_high_volume(account):
        return (exchange.CONNECT, exchange.allow_high_volume(mailbox, ids))
    register = exchange.register(ids)
    return (exchange.CONNECT, register, exchange.open_mailbox(mailbox, trustee), exchange.allow_smtp_auth(mailbox))


def senders_of(settings: Settings, name: str) -> tuple[list[str], list[str]]:
    """The addresses that the clients of account `name` send as, and the patterns among them."""
    found: dict[str, None] = {}
    account = settings.accounts[name]
    for client in settings.clients.values():
        if name in client.uses:
            found |= dict.fromkeys(_senders(client, account))
    addresses = [one for one in found if _is_address(one)]
    return addresses, [one for one in found if not _is_address(one)]


def _senders(client: Client, account: Account) -> list[str]:
    """What stands in MAIL of a client's messages."""
    own = [account.own_address] if account.own_address else []
    if client.sender == "force":
        return own
    return [*own, *client.senders] if client.sender == "if_not_allowed" else [*client.senders]


def _is_address(pattern: str) -> bool:
    return not pattern.startswith("@") and "*" not in pattern


def _trustee(account: Account, raw: Mapping[str, Any]) -> str:
    """Whom the right is given to: the user of the token, or the application's principal."""
    if is_of_user(account):
        return str(raw.get("upn") or raw.get("preferred_username") or account.username or account.mailbox or "")
    return exchange.Ids.of(raw).principal


async def _addresses(host: str, port: int) -> list[str]:
    """The addresses of `host`, each once. Raises OSError and UnicodeError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _encryption(connection: Connection) -> tuple[str, ...]:
    session = connection.wire.tls
    if session is None:
        return ("without TLS",)
    shown = [f"{session.version() or 'TLS'}, {(session.cipher() or ('no cipher',))[0]}"]
    der = session.getpeercert(binary_form=True)
    if der:
        try:
            shown.append(f"certificate: {Certificate.parse(der)}")
        except ValueError:
            shown.append("certificate: not readable")
    return tuple(shown)
