"""The device code (RFC 8628): the user types a code in a browser anywhere, and the relay asks until it is done."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from relay.config.secret import SecretError
from relay.http import HttpClient, HttpError, HttpResponse
from relay.http.hostile_json import as_number, as_text, read_object
from relay.log import clean
from relay.model import Clock
from relay.oauth import errors
from relay.oauth.access_token import Granted
from relay.oauth.consent.errors import ConsentError
from relay.oauth.errors import Refused, TokenError
from relay.oauth.proofs import Proofs
from relay.oauth.request import ClientAuthentication, Grant, TokenRequest

DEFAULT_INTERVAL = 5.0
SLOWER = 5.0
"""Seconds that `slow_down` adds for good (RFC 8628 3.5)."""
_LONGEST_INTERVAL = 120.0
_LONGEST_LIFE = 3600.0
_DECLINED = frozenset({"access_denied", "authorization_declined"})
_TOO_LATE = frozenset({"expired_token", "bad_verification_code"})


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What the user is told, and what the relay asks with. Times are in seconds."""

    code: str = field(repr=False)
    user_code: str
    place: str
    whole_place: str
    """The address with the code in it, where the provider has one."""
    lifetime: float
    interval: float


class DeviceGrant:
    """The grant of RFC 8628 3.4."""

    name = "device_code"
    pause_after_refusal = 0.0

    def __init__(self, code: str) -> None:
        self._code = code

    async def add_to(self, request: TokenRequest) -> TokenRequest:
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": self._code}
        return request.adding(form=form, secrets=(self._code,))


async def begin(
    account: str,
    endpoint: str,
    scope: str,
    authentication: Proofs,
    http: HttpClient,
    *,
    token_endpoint: str = "",
    extra_parameters: Mapping[str, str] | None = None,
) -> DeviceCode:
    """Ask for a code. Raises ConsentError, or TokenError when the client cannot prove who it is.

    `token_endpoint` is what an assertion that proves the client is made out to; `extra_parameters` go with the rest.
    """
    form = {**(extra_parameters or {}), "scope": scope}
    begun = TokenRequest(endpoint, form, {"accept": "application/json"}, token_endpoint=token_endpoint)

    async def once(proof: ClientAuthentication) -> DeviceCode:
        try:
            request = proof.add_to(begun)
            answer = await http.request("POST", endpoint, headers=request.headers, form=request.form)
        except SecretError as error:
            raise errors.secret_unreadable(account, error) from None
        except HttpError as error:
            raise ConsentError(f"{account}: no device code: {clean(error.text)}. {error.hint}") from None
        return _read(account, endpoint, request, answer)

    return await authentication.tried(once)


def _read(account: str, endpoint: str, request: TokenRequest, answer: HttpResponse) -> DeviceCode:
    """Raises ConsentError, or TokenError when the client was not recognised."""
    told = read_object(answer.body) or {}
    if told.get("error") == "invalid_client":
        refused = Refused("invalid_client", as_text(told.get("error_description")), temporary=False)
        host = urlsplit(endpoint).hostname or endpoint
        raise errors.refused(account, host, refused.without(request.secrets), answer.retry_after)
    place = as_text(told.get("verification_uri")) or as_text(told.get("verification_url"))
    code, user_code = as_text(told.get("device_code")), as_text(told.get("user_code"), 100)
    if not (200 <= answer.status < 300 and code and user_code and place):
        said = clean(as_text(told.get("error_description"), 500) or as_text(told.get("error"), 100))
        raise ConsentError(
            f"{account}: no device code: {said or f'status {answer.status} without one'}. "
            f"Check accounts.{account}.oauth, and that the application allows this flow (at Microsoft: "
            "Authentication > Allow public client flows)"
        )
    return DeviceCode(
        code,
        clean(user_code),
        clean(place),
        clean(as_text(told.get("verification_uri_complete"))),
        min(as_number(told.get("expires_in")) or 900.0, _LONGEST_LIFE),
        min(max(1.0, as_number(told.get("interval")) or DEFAULT_INTERVAL), _LONGEST_INTERVAL),
    )


async def wait(
    account: str,
    device: DeviceCode,
    ask: Callable[[Grant], Awaitable[Granted]],
    clock: Clock,
    countdown: Callable[[float], None],
) -> Granted:
    """Ask until the user has answered; `countdown` hears each second how many are left. Raises ConsentError."""
    until = clock.monotonic() + device.lifetime
    interval = device.interval
    while True:
        await _pause(min(clock.monotonic() + interval, until), until, clock, countdown)
        if clock.monotonic() >= until:
            raise _too_late(account)
        try:
            return await ask(DeviceGrant(device.code))
        except TokenError as error:
            interval = min(_interval(account, error, interval), _LONGEST_INTERVAL)


def _interval(account: str, error: TokenError, interval: float) -> float:
    """Seconds to the next request, after `error`. Raises ConsentError when there is to be none."""
    if error.error == "authorization_pending":
        return interval
    if error.error == "slow_down":
        return interval + SLOWER
    if error.error in _DECLINED:
        raise ConsentError(f"{account}: the sign-in was declined. To try again: relay authorize {account}") from None
    if error.error in _TOO_LATE:
        raise _too_late(account) from None
    if error.temporary:
        return interval * 2
    raise ConsentError(str(error)) from None


def _too_late(account: str) -> ConsentError:
    return ConsentError(f"{account}: the code has expired before the sign-in. Start over: relay authorize {account}")


async def _pause(end: float, until: float, clock: Clock, countdown: Callable[[float], None]) -> None:
    while (left := end - clock.monotonic()) > 0:
        countdown(until - clock.monotonic())
        await clock.sleep(min(1.0, left))
