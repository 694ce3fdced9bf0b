"""One token of an account: where it came from, how long it lasts, what it says; or why there is none."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from relay import oauth
from relay.config import Account, Settings
from relay.config.user_grants import USER_GRANTS
from relay.database import StorageError
from relay.doctor import stored
from relay.doctor.claims import Claim, judged
from relay.doctor.report import State, Step
from relay.doctor.stored import Trouble
from relay.http import HttpClient
from relay.log import clean, duration, moment
from relay.model import Clock
from relay.oauth import ConsentStore, Token, TokenError, TokenSource
from relay.oauth.opening import opened
from relay.oauth.store import CONSENT_NEEDED, Consent


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """What is known of an account's token. `at` is when, in seconds since the epoch; `error` is why there is none."""

    account: str
    grant: str
    origin: str
    at: float
    token: Token | None = field(default=None, repr=False)
    claims: tuple[Claim, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """All that the token says, as it says it."""
    sign_in: Step | None = None
    error: TokenError | None = None
    trouble: Trouble | None = None

    @property
    def good(self) -> bool:
        """Whether there is a token, and nothing in it has to be mended."""
        return self.token is not None and all(claim.state is not State.FAIL for claim in self.claims)

    def lines(self) -> list[str]:
        """Where the token came from and how long it is good, or why there is none, in words."""
        told = []
        if self.sign_in is not None:
            step = self.sign_in
            told += [f"sign-in: {step.text}", *(f"  {line}" for line in step.details)]
        how = f"the stored sign-in ({self.grant})" if self.sign_in is not None else f"a new request ({self.grant})"
        if self.token is not None:
            return [*told, f"{self.account}: token from {self.origin}, by {how}", lasting(self.token, self.at)]
        return [*told, clean(f"no token: {self.error.reason if self.error is not None else ''}")]

    def as_json(self, *, show: bool = False) -> dict[str, Any]:
        """The facts as JSON has them; the token itself only with `show`."""
        token, error = self.token, self.error
        found: dict[str, Any] = {"account": self.account, "good": self.good, "grant": self.grant, "origin": self.origin}
        if self.sign_in is not None:
            found["sign_in"] = self.sign_in.as_json()
        if token is not None:
            found |= {"expires_at": _stamp(token.expires_at), "lifetime_left": round(token.expires_at - self.at)}
            found |= {
                "claims": dict(self.raw),
                "scope": token.scope,
                "checked": [_claim(claim) for claim in self.claims],
            }
        if error is not None:
            found["error"] = {
                "error": error.error,
                "text": clean(str(error)),
                "codes": list(error.codes),
                "temporary": error.temporary,
                "trace": error.trace,
            }
        if self.trouble is not None:
            found["last_error"] = self.trouble.as_json()
        return found | ({"token": token.value} if show and token is not None else {})


async def examine_token(settings: Settings, name: str, clock: Clock | None = None) -> TokenFacts:
    """Get a token for account `name`, as sending would, and look at it. Raises StorageError.

    A sign-in's refresh token is used for it, as everything does that wants a token; a new one that comes back is kept.
    """
    account = settings.accounts[name]
    clock = clock or Clock()
    async with contextlib.AsyncExitStack() as stack:
        http = HttpClient(settings.http, clock=clock)
        stack.push_async_callback(http.close)
        store = await stack.enter_async_context(sign_ins(settings, account))
        source = source_of(name, account, http, clock, store)
        if source is not None:
            stack.push_async_callback(source.close)
        trouble = await stored.last_trouble(settings, name)
        return await facts(name, account, source, store, clock, trouble)


@contextlib.asynccontextmanager
async def sign_ins(settings: Settings, account: Account) -> AsyncIterator[ConsentStore | None]:
    """The store of sign-ins, where the account needs it; None otherwise. Raises StorageError."""
    if account.oauth is None or account.oauth.grant not in USER_GRANTS:
        yield None
        return
    async with opened(settings) as store:
        yield store


def has_token_of_its_own(account: Account) -> bool:
    """Whether one token serves the account; False where each mailbox has one, or none is needed."""
    return account.oauth is not None and not (
        account.acts_as_sender and account.oauth.grant in ("password", "jwt_bearer")
    )


def try_a_mailbox(name: str) -> str:
    """What to do for an account whose mailboxes each have a token."""
    return f"Try one of its mailboxes: relay send-test {name} --from MAILBOX --to MAILBOX"


def source_of(
    name: str, account: Account, http: HttpClient, clock: Clock, store: ConsentStore | None
) -> TokenSource | None:
    """What the account's tokens come from; None where it needs none, or has none of its own.

    What others have fetched proves nothing.
    """
    if account.oauth is None or not has_token_of_its_own(account):
        return None
    return oauth.source(name, account.oauth, http, clock, store, share=False)


async def facts(
    name: str,
    account: Account,
    source: TokenSource | None,
    store: ConsentStore | None,
    clock: Clock,
    trouble: Trouble | None = None,
) -> TokenFacts:
    """What there is to know of a token that `source` gives now."""
    if source is None or account.oauth is None:
        raise ValueError(f"accounts.{name} uses no token")
    grant, where, token, error = account.oauth.grant, account.oauth.origin, None, None
    try:
        token = await source.get()
    except TokenError as refused:
        error = refused
    # Asked after the token: a refusal has just been noted there.
    sign_in = await _sign_in(name, store)
    raw = oauth.claims(token) if token is not None else {}
    now = clock.time()
    return TokenFacts(
        account=name,
        grant=grant,
        origin=where,
        at=now,
        token=token,
        claims=tuple(judged(account, token, raw, now)) if token is not None else (),
        raw=raw,
        sign_in=sign_in,
        error=error,
        trouble=trouble,
    )


async def _sign_in(name: str, store: ConsentStore | None) -> Step | None:
    if store is None:
        return None
    try:
        consent = await store.find(name)
    except StorageError as error:
        return Step("sign_in", State.FAIL, f"the stored sign-in cannot be read: {error}")
    return told(name, consent)


def told(name: str, consent: Consent | None) -> Step:
    """How a stored sign-in stands."""
    again = f"relay authorize {name}"
    if consent is None:
        return Step("sign_in", State.FAIL, "nobody has signed in for this account yet", "Sign in:", (again,))
    ended = consent.state == CONSENT_NEEDED
    facts = (
        f"user: {consent.user or 'the provider did not say who'}",
        f"signed in: {moment(consent.obtained_at)}",
        f"{'last refused' if ended else 'last used'}: {moment(consent.used_at)}",
    )
    if ended:
        text = f"the sign-in has ended{f': {consent.error}' if consent.error else ''}"
        return Step("sign_in", State.FAIL, text, "The user signs in again; the mail waits until then:", (again,), facts)
    if consent.error:
        text = f"the sign-in is kept, but the last request with it failed: {consent.error}"
        return Step("sign_in", State.WARN, text, "The next step says more", (), facts)
    return Step("sign_in", State.OK, f"{consent.user or 'a user'} is signed in", details=facts)


def lasting(token: Token, now: float) -> str:
    """How long a token is good."""
    return f"good for {duration(token.expires_at - now)}, until {moment(token.expires_at)}"


def _claim(claim: Claim) -> dict[str, Any]:
    return {
        "name": claim.name,
        "value": claim.value,
        "state": claim.state.value,
        "note": claim.note,
        "action": claim.action,
        "commands": list(claim.commands),
    }


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
