"""The whole of a sign-in: ask, be answered, see who it was, keep it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, Protocol
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
from relay.oauth.consent.places import Places, places
from relay.oauth.consent.settings import ConsentSettings, is_google, scopes_of, useless_scopes
from relay.oauth.discovery import Discovery
from relay.oauth.errors import TokenError
from relay.oauth.proofs import Proofs
from relay.oauth.request import Grant
from relay.oauth.store import ConsentStore, SignIn

PATIENCE = 900.0
"""Seconds that a browser is waited for."""
_PASTES = 3
_ASKED = 3
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
    async def ask(self, question: str) -> str:
        """What the person types."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What a sign-in works with. `mailbox` is the configured one, "" when there is none.

    `discovery` finds what is not written, where the settings name an issuer.
    """

    account: str
    mailbox: str
    oauth: ConsentSettings
    ask: Callable[[Grant], Awaitable[Granted]]
    authentication: Proofs
    http: HttpClient
    clock: Clock
    store: ConsentStore
    discovery: Discovery | None = None


async def sign_in(parts: Parts, person: Person) -> str:
    """Have `person` sign in for the account, and keep it; returns who it was, "" when nobody can say.

    Where no mailbox is configured, mail will be sent as who has signed in: `person` is asked who that was if the
    provider does not say. Raises ConsentError; then what was stored before is as it was. StorageError and SealError
    pass through.
    """
    parts = replace(parts, discovery=parts.discovery or _discovery(parts))
    for scope in useless_scopes(parts.oauth):
        person.say(
            f"warning: {scope} is left out: Google refuses it. Remove it from accounts.{parts.account}.oauth.scopes"
        )
    try:
        client_id = choices.client_id(parts.oauth).read()
        at = await places(parts.account, parts.oauth, parts.discovery)
        by_device = parts.oauth.grant == "device_code"
        granted, nonce = await (
            _by_device(parts, person, at) if by_device else _by_browser(parts, person, at, client_id)
        )
        _check_renewable(parts, granted)
        user = await _user(parts, granted, client_id, nonce)
    except SecretError as error:
        raise ConsentError(f"{parts.account}: {error}") from None
    except TokenError as error:
        raise ConsentError(str(error)) from None
    user = await _confirmed(parts, user, person)
    scope = " ".join(scopes_of(parts.oauth))
    await parts.store.keep(SignIn(parts.account, granted.refresh_token, client_id, at.token_endpoint, scope, user))
    return user


def _discovery(parts: Parts) -> Discovery | None:
    issuer = parts.oauth.issuer
    return Discovery(parts.account, issuer, parts.http, parts.clock, entra=parts.oauth.entra) if issuer else None


def _check_renewable(parts: Parts, granted: Granted) -> None:
    if not granted.refresh_token:
        raise ConsentError(
            f"{parts.account}: the provider gave no refresh token, so the sign-in would end with the first token. "
            f"Ask for it in accounts.{parts.account}.oauth.scopes (most providers call it offline_access)"
        )


async def _by_browser(parts: Parts, person: Person, at: Places, client_id: str) -> tuple[Granted, str | None]:
    wanted = parts.oauth.redirect_uri or ("http://localhost" if parts.oauth.entra else "http://127.0.0.1")
    person.say(_registered(parts.oauth, wanted))
    if _is_loopback(wanted):
        request, code = await _caught(parts, person, at, client_id, Loopback(wanted))
    else:
        request = _request(parts, at, client_id, wanted)
        code = await _pasted(request, person)
    return await parts.ask(AuthorizationCode(code, request)), request.nonce


def _request(parts: Parts, at: Places, client_id: str, redirect_uri: str) -> BrowserSignIn:
    return BrowserSignIn(
        parts.account, parts.oauth, at.begin, client_id=client_id, redirect_uri=redirect_uri, hint=parts.mailbox
    )


async def _caught(
    parts: Parts, person: Person, at: Places, client_id: str, loopback: Loopback
) -> tuple[BrowserSignIn, str]:
    """The code that the browser brings to the listener; or, where none was opened here, the one that is pasted."""
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
            request = _request(parts, at, client_id, loopback.redirect_uri)
            opened = await person.open(request.link)
            async with asyncio.timeout(PATIENCE):
                if not opened:
                    return request, await _first(caught, _pasted(request, person))
                person.say(f"if no browser shows up, open this address in one on this machine:\n\n{request.link}\n")
                person.say("waiting for the browser (Ctrl-C gives up)")
                return request, await caught
    except TimeoutError:
        raise ConsentError(f"{parts.account}: no answer came. Start over: relay authorize {parts.account}") from None
    except OSError as error:
        raise ConsentError(
            f"{parts.account}: cannot listen at {loopback.redirect_uri}: {error.strerror or error}. "
            f"Stop what uses the port, or write another accounts.{parts.account}.oauth.redirect_uri"
        ) from None


async def _first(caught: "asyncio.Future[str]", pasted: Coroutine[Any, Any, str]) -> str:
    """The code that the browser brings or the one that is pasted: nobody knows on which machine a link is opened."""
    pasting = asyncio.create_task(pasted, name="the address of a sign-in")
    try:
        await asyncio.wait({caught, pasting}, return_when=asyncio.FIRST_COMPLETED)
        return await (caught if caught.done() else pasting)
    finally:
        pasting.cancel()
        await asyncio.wait({pasting})


def _registered(oauth: ConsentSettings, redirect_uri: str) -> str:
    """What the provider has to know, and where it stands there. On loopback a port counts only if it is written."""
    loopback = _is_loopback(redirect_uri)
    told = f"the application must have the redirect URI {redirect_uri}"
    if oauth.entra:
        return f"{told} (at Microsoft under {'Mobile and desktop applications' if loopback else 'Web'})"
    if is_google(oauth):
        needs = "Desktop app, which has it by itself" if loopback else "Web application, among its authorised ones"
        return f"{told} (at Google: an OAuth client of the type {needs})"
    if loopback and urlsplit(redirect_uri).port is None:
        return f"{told}, with any port (if the provider wants one port, write redirect_uri with it)"
    return told


def _is_loopback(redirect_uri: str) -> bool:
    place = urlsplit(redirect_uri)
    return place.scheme == "http" and place.hostname in _LOOPBACK


async def _pasted(request: BrowserSignIn, person: Person) -> str:
    person.say(f"open this address in a browser on any machine:\n\n{request.link}\n")
    person.say("it ends at an address that may not open: copy that address")
    for _ in range(_PASTES):
        try:
            return request.code(await person.paste())
        except NotTheAnswerError:
            person.say("that is not the answer to this sign-in: copy the whole address, from http to its end")
    raise ConsentError("no answer to this sign-in was given: start over")


async def _by_device(parts: Parts, person: Person, at: Places) -> tuple[Granted, str | None]:
    scope = parts.oauth.scope_delimiter.join(scopes_of(parts.oauth))
    begun = await device.begin(
        parts.account,
        at.begin,
        scope,
        parts.authentication,
        parts.http,
        token_endpoint=at.token_endpoint,
        extra_parameters=parts.oauth.extra_parameters,
    )
    person.say(f"open {begun.place} in a browser on any machine and enter the code {begun.user_code}")
    if begun.whole_place:
        person.say(f"or open {begun.whole_place}")
    return await device.wait(parts.account, begun, parts.ask, parts.clock, person.countdown), None


async def _user(parts: Parts, granted: Granted, client_id: str, nonce: str | None) -> str:
    if not granted.id_token or parts.discovery is None:
        return ""
    return await user_of(
        granted.id_token,
        said=await parts.discovery.metadata(),
        client_id=client_id,
        nonce=nonce,
        http=parts.http,
        now=parts.clock.time(),
    )


async def _confirmed(parts: Parts, user: str, person: Person) -> str:
    """Whoever has signed in is shown; another than the configured mailbox is a question. Returns the user's name."""
    if not user:
        person.say("the provider does not say who has signed in")
        return "" if parts.mailbox else await _named(parts, person)
    person.say(f"signed in: {user}")
    if not parts.mailbox or user.lower() == parts.mailbox.lower():
        return user
    question = (
        f"The account's mailbox is {parts.mailbox}, and {user} has signed in: right only if {user} may send from that "
        "mailbox. Keep this sign-in?"
    )
    if not await person.confirm(question):
        raise ConsentError(
            f"{parts.account}: nothing was kept. Sign in as {parts.mailbox}: relay authorize {parts.account}"
        )
    return user


async def _named(parts: Parts, person: Person) -> str:
    """The user's name as the person types it: without one, nothing can be sent."""
    for _ in range(_ASKED):
        name = (await person.ask("The user name (most often the address) that has signed in")).strip()
        if name and name.isprintable() and " " not in name:
            return name
    raise ConsentError(
        f"{parts.account}: nothing was kept, as nobody says who has signed in. Write accounts.{parts.account}.username"
    )
