"""The examination of one account, step by step: the way that its mail goes, with nothing sent."""

import contextlib
from collections.abc import Iterator

from relay.alerts import Deadline, Deadlines, signed_in_until
from relay.config import Account, Secret, SecretError, Settings, read_together
from relay.config.private_key import KeyFiles, KeyReader
from relay.config.secret import read_octets
from relay.config.service_account import ServiceAccountReader
from relay.config.units import show_day
from relay.database import StorageError
from relay.doctor import gmail, graph, stored
from relay.doctor.claims import Claim
from relay.doctor.report import Notes, Report, State, Step, Tell, worst
from relay.doctor.smtp import SmtpExamination
from relay.doctor.tokens import TokenFacts, facts, lasting, sign_ins, source_of, try_a_mailbox
from relay.http import HttpClient
from relay.log import duration
from relay.model import Clock
from relay.oauth import ConsentStore, TokenSource

_DAY = 86400.0
_SOON = 30 * _DAY
_UNASKED = frozenset({"secret_unreadable", "insecure_endpoint", "consent_needed", "storage", "sealed", "busy"})
"""Errors that come before the token endpoint is asked."""


async def diagnose(settings: Settings, name: str, tell: Tell | None = None, clock: Clock | None = None) -> Report:
    """Examine account `name`; `tell` hears of each step as it ends. What is wrong is in the report, not raised."""
    notes = Notes(tell)
    notes.add(_configuration(settings, name))
    if settings.accounts[name].is_real:
        await _Examination(settings, name, notes, clock or Clock()).run()
    else:
        provider = settings.accounts[name].provider
        for step in ("secret", "connection", "auth", "sender"):
            notes.skip(step, f"{provider}: nothing leaves this machine")
    notes.add((await stored.last_trouble(settings, name)).step())
    return Report(name, tuple(notes.steps))


def diagnose_relay(settings: Settings, tell: Tell | None = None, clock: Clock | None = None) -> Report:
    """What belongs to no account: the configuration as a whole, and the certificates of listeners and page."""
    notes = Notes(tell)
    others = tuple(text for text in settings.warnings if not any(_is_about(text, name) for name in settings.accounts))
    notes.add(_warned(settings, others))
    notes.add(_expiry(list(Deadlines(settings).of_doors()), (clock or Clock()).time()))
    return Report("", tuple(notes.steps))


def narrowed(settings: Settings, name: str, account: Account, way: str) -> Settings:
    """The settings with one of the ways of `account`, and what that one asks for."""
    asked = account.oauth.for_way(way) if account.oauth is not None else None
    one = account.model_copy(update={"via": (way,), "oauth": asked})
    return settings.model_copy(update={"accounts": {**settings.accounts, name: one}})


class _Examination:
    """What is under way for one account whose mail leaves this machine."""

    def __init__(self, settings: Settings, name: str, notes: Notes, clock: Clock) -> None:
        self._settings = settings
        self._name = name
        self._account = settings.accounts[name]
        self._notes = notes
        self._clock = clock

    async def run(self) -> None:
        account, notes = self._account, self._notes
        notes.add(_secret(account))
        async with contextlib.AsyncExitStack() as stack:
            http = HttpClient(self._settings.http, clock=self._clock)
            stack.push_async_callback(http.close)
            try:
                store = await stack.enter_async_context(sign_ins(self._settings, account))
            except StorageError as error:
                notes.add(Step("sign_in", State.FAIL, f"the stored sign-ins cannot be read: {error}"))
                return
            for way in account.via:
                self._settings = narrowed(self._settings, self._name, account, way)
                self._account = self._settings.accounts[self._name]
                await self._way(way, stack, http, store, first=way == account.via[0])

    async def _way(
        self, way: str, stack: contextlib.AsyncExitStack, http: HttpClient, store: ConsentStore | None, *, first: bool
    ) -> None:
        source = source_of(self._name, self._account, http, self._clock, store)
        if source is not None:
            stack.push_async_callback(source.close)
        found = await self._token(source, store)
        if first:
            await self._expiry(store)
        if way == "smtp":
            await self._server(source, found)
            return
        api = graph if way == "graph" else gmail
        self._notes.add(await api.examine(self._name, self._account, found.token if found else None, http))

    async def _token(self, source: TokenSource | None, store: ConsentStore | None) -> TokenFacts | None:
        if source is None:
            if self._account.oauth is not None:
                text = "each mailbox has a token of its own, the account has none"
                self._notes.add(Step("token", State.SKIPPED, text, try_a_mailbox(self._name)))
            return None
        found = await facts(self._name, self._account, source, store, self._clock)
        for step in _token_steps(found):
            self._notes.add(step)
        return found

    async def _expiry(self, store: ConsentStore | None) -> None:
        deadlines = list(Deadlines(self._settings).of_account(self._name))
        if store is not None:
            with contextlib.suppress(StorageError):  # the step `sign_in` has told of it
                consent = await store.find(self._name)
                ending = signed_in_until(self._name, self._account, consent) if consent is not None else None
                deadlines += [ending] if ending is not None else []
        oauth = self._account.oauth
        unknown = oauth is not None and oauth.client_secret is not None and oauth.client_secret_expires is None
        key = f"accounts.{self._name}.oauth.client_secret_expires"
        note = f"; write the client secret's end into {key} to be warned in time" if unknown else ""
        self._notes.add(_expiry(deadlines, self._clock.time(), note))

    async def _server(self, source: TokenSource | None, found: TokenFacts | None) -> None:
        claims: tuple[Claim, ...] = found.claims if found is not None else ()
        lacking = found.token is None if found is not None else self._account.oauth is not None
        obstacle = "there is no token" if lacking else ""
        examination = SmtpExamination(self._settings, self._name, source, self._clock, claims)
        await examination.run(self._notes, found.raw if found is not None else {}, obstacle=obstacle)


def _configuration(settings: Settings, name: str) -> Step:
    """What `relay check` says of the account."""
    return _warned(settings, tuple(text for text in settings.warnings if _is_about(text, name)))


def _is_about(text: str, name: str) -> bool:
    return f"accounts.{name}." in text or f"accounts.{name}:" in text


def _warned(settings: Settings, about: tuple[str, ...]) -> Step:
    where = str(settings.source or "the built-in defaults")
    if about:
        return Step(
            "configuration",
            State.WARN,
            f"{where}: {len(about)} {'warning' if len(about) == 1 else 'warnings'}",
            "Read what they say",
            (),
            about,
        )
    return Step("configuration", State.OK, where)


def _secret(account: Account) -> Step:
    """Whether what the relay proves itself with can be read. Never what it is."""
    try:
        read = list(_read(account))
    except SecretError as error:
        return Step("secret", State.FAIL, str(error))
    if not read:
        return Step("secret", State.SKIPPED, "the account needs none")
    return Step("secret", State.OK, f"readable: {', '.join(read)}")


def _read(account: Account) -> Iterator[str]:
    """Where each secret is, once it has been read. Raises SecretError."""
    oauth = account.oauth
    secrets: dict[str, Secret | None] = {"password": account.password}
    if oauth is not None:
        secrets |= {
            "client_id": oauth.client_id,
            "client_secret": oauth.client_secret,
            "client_secret_next": oauth.client_secret_next,
        }
    there = {key: secret for key, secret in secrets.items() if secret is not None}
    read_together(*there.values())
    yield from (f"{key} ({secret.origin})" for key, secret in there.items())
    if oauth is None:
        return
    if oauth.federated_token_file is not None:
        read_octets(oauth.federated_token_file)
        yield f"federated_token_file ({oauth.federated_token_file})"
    elif oauth.private_key_file is not None:
        if oauth.grant == "jwt_bearer":
            ServiceAccountReader(oauth.private_key_file).read()
        else:
            KeyReader(KeyFiles(oauth.private_key_file, oauth.key_password, oauth.certificate_file)).read()
        yield f"private_key_file ({oauth.private_key_file})"


def _token_steps(found: TokenFacts) -> Iterator[Step]:
    """Sign-in, endpoint, token and claims."""
    if found.sign_in is not None:
        yield found.sign_in
    error = found.error
    if error is not None:
        if error.error == "unreachable":
            yield Step("token_endpoint", State.FAIL, error.text, error.hint)
        elif error.error in _UNASKED:
            yield Step("token_endpoint", State.SKIPPED, f"{found.origin} was not asked")
        else:
            yield Step("token_endpoint", State.OK, f"{found.origin} answers")
        text = "there is none" if error.error == "unreachable" else error.text
        trace = (f"for the provider's support: {error.trace}",) if error.trace else ()
        yield Step("token", State.FAIL, text, error.hint, details=trace)
        yield Step("claims", State.SKIPPED, "there is no token")
        return
    assert found.token is not None  # noqa: S101 (one of the two is always there)
    yield Step("token_endpoint", State.OK, f"{found.origin} answers")
    yield Step("token", State.OK, f"by {found.grant}, {lasting(found.token, found.at)}")
    yield _claims(found.claims)


def _claims(claims: tuple[Claim, ...]) -> Step:
    """All claims as one step: the finding that counts most is its text."""
    state = worst([claim.state for claim in claims])
    first = next((claim for claim in claims if claim.state is state and claim.note), None)
    details = tuple(f"{claim.name}: {claim.value}" for claim in claims if claim.value)
    more = tuple(f"{claim.name}: {claim.note}. {claim.action}" for claim in claims if claim.note and claim is not first)
    if first is None:
        return Step("claims", state, "the token holds what this way needs", details=details)
    text = f"{first.name}: {first.note}" if state is not State.OK else first.note
    return Step("claims", state, text, first.action, first.commands, (*more, *details))


def _expiry(deadlines: list[Deadline], now: float, note: str = "") -> Step:
    """What runs out, the first one first; `note` tells of what nobody knows."""
    found = sorted(deadlines, key=lambda deadline: deadline.until)
    details = tuple(f"{one.subject}: {show_day(one.until)} ({_left(one.until - now)})" for one in found)
    if not found:
        return Step("expiry", State.OK, f"nothing is known to run out{note}")
    first = found[0]
    if first.until <= now:
        return Step("expiry", State.FAIL, f"{first.subject} has run out", first.action, details=details)
    if first.until - now <= _SOON:
        text = f"{first.subject} runs out soon: {_left(first.until - now)}"
        return Step("expiry", State.WARN, text, first.action, details=details)
    return Step("expiry", State.OK, f"nothing runs out within {int(_SOON // _DAY)} days{note}", details=details)


def _left(seconds: float) -> str:
    if seconds <= 0:
        return "over"
    return f"{int(seconds // _DAY)} days left" if seconds >= 2 * _DAY else f"{duration(seconds)} left"
