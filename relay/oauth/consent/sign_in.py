"""The whole of a sign-in: ask, be answered, see who it was, keep it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from relay.config.secret import SecretError
from relay.http import HttpClient
from relay.model import Clock
from relay.oauth import choices
from relay.oauth.access_token import Granted
from relay.oauth.consent import device
from relay.oauth.consent.browser import AuthorizationCode, BrowserSignIn, NotTheAnswerError
from relay.oauth.consent.errors import ConsentError
from relay.oauth.consent.id_token import user_of
from relay.oauth.consent.loopback import Loopback
from relay.oauth.consent.settings import ConsentSettings, scopes_of, useless_scopes
from relay.oauth.errors import TokenError
from relay.oauth.proofs import Proofs
from relay.oauth.request import Grant
from relay.oauth.store import ConsentStore, SignIn

PATIENCE = 900.0
"""Seconds that a browser is waited for."""
_PASTES = 3
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Person(Protocol):
    """Who signs in, or sits beside it."""

    def say(self, text: str) -> None: ...
    def countdown(self, seconds: float) -> None:
        """So many seconds are left."""
        ...

    async def open(self, link: str) -> bool:
        """Open `link` in a browser; False when there is none here, and a link is to be carried elsewhere."""
        ...

    async def paste(self) -> str:
        """The address at which the browser ended up."""
        ...

    async def confirm(self, question: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What a sign-in works with. `mailbox` is the configured one, "" when there is none."""

    account: str
    mailbox: str
    oauth: ConsentSettings
    ask: Callable[[Grant], Awaitable[Granted]]
    authentication: Proofs
    http: HttpClient
    clock: Clock
    store: ConsentStore


async def sign_in(parts: Parts, person: Person) -> str:
    """Have `person` sign in for the account, and keep it; returns who it was, "" when the provider does not say.

    Raises ConsentError; then what was stored before is as it was. StorageError and SealError pass through.
    """
    for scope in useless_scopes(parts.oauth):
        person.say(
            f"warning: {scope} is left out: Google refuses it. Remove it from accounts.{parts.account}.oauth.scopes"
        )
    try:
        client_id = choices.client_id(parts.oauth).read()
        by_device = parts.oauth.grant == "device_code"
        granted, nonce = await (_by_device(parts, person) if by_device else _by_browser(parts, person, client_id))
    except SecretError as error:
        raise ConsentError(f"{parts.account}: {error}") from None
    except TokenError as error:
        raise ConsentError(str(error)) from None
    if not granted.refresh_token:
        raise ConsentError(
            f"{parts.account}: the provider gave no refresh token, so the sign-in would end with the first token. "
            f"Ask for it in accounts.{parts.account}.oauth.scopes (most providers call it offline_access)"
        )
    user = await _user(parts, granted, client_id, nonce)
    await _confirmed(parts, user, person)
    scope = " ".join(scopes_of(parts.oauth))
    given = SignIn(parts.account, granted.refresh_token, client_id, choices.token_endpoint(parts.oauth), scope, user)
    await parts.store.keep(given)
    return user


async def _by_browser(parts: Parts, person: Person, client_id: str) -> tuple[Granted, str | None]:
    wanted = parts.oauth.redirect_uri or ("http://localhost" if parts.oauth.entra else "http://127.0.0.1")
    if urlsplit(wanted).scheme != "http" or urlsplit(wanted).hostname not in _LOOPBACK:
        request = BrowserSignIn(parts.account, parts.oauth, client_id, wanted, parts.mailbox)
        code = await _pasted(request, person)
    else:
        request, code = await _caught(parts, person, client_id, Loopback(wanted))
    return await parts.ask(AuthorizationCode(code, request)), request.nonce


async def _caught(parts: Parts, person: Person, client_id: str, loopback: Loopback) -> tuple[BrowserSignIn, str]:
    """The code that the browser brings to the listener; or, with no browser here, that is pasted."""
    caught: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    request: BrowserSignIn | None = None

    def answered(address: str) -> None:
        if request is None or caught.done():
            raise LookupError
        try:
            caught.set_result(request.code(address))
        except NotTheAnswerError:
            raise LookupError from None
        except ConsentError as error:
            caught.set_exception(error)
            raise

    try:
        async with loopback.waiting(answered):
            request = BrowserSignIn(parts.account, parts.oauth, client_id, loopback.redirect_uri, parts.mailbox)
            _tell_redirect(loopback.redirect_uri, person)
            if not await person.open(request.link):
                return request, await _pasted(request, person)
            person.say("waiting for the browser (Ctrl-C gives up)")
            async with asyncio.timeout(PATIENCE):
                code = await caught
            return request, code
    except TimeoutError:
        raise ConsentError(f"{parts.account}: no answer came. Start over: relay authorize {parts.account}") from None
    except OSError as error:
        raise ConsentError(
            f"{parts.account}: cannot listen at {loopback.redirect_uri}: {error.strerror or error}. "
            f"Stop what uses the port, or write another accounts.{parts.account}.oauth.redirect_uri"
        ) from None


def _tell_redirect(redirect_uri: str, person: Person) -> None:
    place = urlsplit(redirect_uri)
    bare = f"{place.scheme}://{place.hostname}{place.path}"
    person.say(
        f"the application must have the redirect URI {bare} (at Microsoft under Mobile and desktop applications)"
    )


async def _pasted(request: BrowserSignIn, person: Person) -> str:
    person.say(f"open this address in a browser on any machine:\n\n{request.link}\n")
    person.say("it ends at an address that may not open: copy that address")
    for _ in range(_PASTES):
        try:
            return request.code(await person.paste())
        except NotTheAnswerError:
            person.say("that is not the answer to this sign-in: copy the whole address, from http to its end")
    raise ConsentError("no answer to this sign-in was given: start over")


async def _by_device(parts: Parts, person: Person) -> tuple[Granted, str | None]:
    scope = parts.oauth.scope_delimiter.join(scopes_of(parts.oauth))
    endpoint = parts.oauth.device_authorization_endpoint or ""
    begun = await device.begin(
        parts.account,
        endpoint,
        scope,
        parts.authentication,
        parts.http,
        token_endpoint=choices.token_endpoint(parts.oauth),
        extra_parameters=parts.oauth.extra_parameters,
    )
    person.say(f"open {begun.place} in a browser on any machine and enter the code {begun.user_code}")
    if begun.whole_place:
        person.say(f"or open {begun.whole_place}")
    return await device.wait(parts.account, begun, parts.ask, parts.clock, person.countdown), None


async def _user(parts: Parts, granted: Granted, client_id: str, nonce: str | None) -> str:
    if not granted.id_token or not parts.oauth.issuer:
        return ""
    return await user_of(
        granted.id_token,
        issuer=parts.oauth.issuer,
        client_id=client_id,
        nonce=nonce,
        entra=parts.oauth.entra,
        http=parts.http,
        now=parts.clock.time(),
    )


async def _confirmed(parts: Parts, user: str, person: Person) -> None:
    """Whoever has signed in is shown; another than the configured mailbox is a question."""
    if not user:
        person.say("the provider does not say who has signed in")
        return
    person.say(f"signed in: {user}")
    if not parts.mailbox or user.lower() == parts.mailbox.lower():
        return
    question = (
        f"The account's mailbox is {parts.mailbox}, and {user} has signed in: right only if {user} may send from that "
        "mailbox. Keep this sign-in?"
    )
    if not await person.confirm(question):
        raise ConsentError(
            f"{parts.account}: nothing was kept. Sign in as {parts.mailbox}: relay authorize {parts.account}"
        )
