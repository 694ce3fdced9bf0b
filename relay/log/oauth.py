"""What the log says about tokens and sign-ins."""

import logging

from relay.log.writing import duration, event


def token_obtained(account: str, lifetime: float) -> None:
    text = f"{account}: got a token, good for {duration(lifetime)}"
    event(logging.INFO, "token", text, account=account, lifetime=round(lifetime))


def metadata_kept(account: str, reason: str) -> None:
    text = f"what the issuer said before is used on: {reason}"
    event(logging.WARNING, "metadata kept", text, account=account, reason=reason)


def token_kept(account: str, left: float, reason: str, trace: str) -> None:
    text = f"no new token, the old one is good for {duration(left)} more: {reason}{f' [{trace}]' if trace else ''}"
    event(logging.WARNING, "token kept", text, account=account, left=round(left), reason=reason, trace=trace)


def token_refused(account: str, reason: str, trace: str, *, temporary: bool) -> None:
    level = logging.WARNING if temporary else logging.ERROR
    text = f"{reason}{f' [{trace}]' if trace else ''}"
    event(level, "token refused", text, account=account, reason=reason, trace=trace)


def consent_needed(account: str, reason: str, mailbox: str = "") -> None:
    whose, what = "its sign-in", f"Sign in again: relay authorize {account}"
    if mailbox:
        whose, what = f"the sign-in of {mailbox}", "It begins anew with the next login that shows the right password"
    text = f"{account}: {whose} has ended, its mail waits: {reason}. {what}"
    event(logging.ERROR, "consent needed", text, account=account, reason=reason, mailbox=mailbox)


def secret_changed(account: str, *, refused: str, used: str) -> None:
    """One of two secrets is no longer taken, and the other is used from now on. Both are names of keys."""
    text = f"{account}: the provider takes {used} and not {refused}"
    if used == "client_secret_next":
        text += ": the first can go. Put the next into client_secret, and remove client_secret_next"
    else:
        text += ": remove client_secret_next, or put a newer secret there"
    event(logging.WARNING, "secret changed", text, account=account, refused=refused, used=used)


def consent_replaced(account: str) -> None:
    text = f"{account}: a newer sign-in was found and is kept"
    event(logging.INFO, "consent replaced", text, account=account)


def key_changed(sign_ins: int, unopened: int) -> None:
    """[store] names a previous key. `sign_ins` were sealed with it a moment ago; `unopened` neither key opens."""
    done = f"{sign_ins} stored sign-ins were sealed with the previous key and are with the new one now"
    text = done if sign_ins else "nothing is sealed with the previous key any more"
    advised = "remove key_previous from [store]"
    if unopened:
        advised = (
            f"{unopened} are sealed with yet another one: name it as key_previous_file in [store], or sign in again"
        )
    event(logging.WARNING, "key changed", f"{text}: {advised}", sign_ins=sign_ins, unopened=unopened)


def not_shared(account: str, reason: str) -> None:
    text = f"{account}: its token cannot be shared with other processes: {reason}"
    event(logging.WARNING, "token not shared", text, account=account, reason=reason)
