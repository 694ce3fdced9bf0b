"""Where a sign-in goes: the addresses that are written or preset, and those that the issuer names."""

from dataclasses import dataclass

from relay.log import clean
from relay.oauth.consent.errors import ConsentError
from relay.oauth.consent.settings import ConsentSettings
from relay.oauth.discovery import Discovery, Metadata
from relay.oauth.request import is_private


@dataclass(frozen=True, slots=True)
class Places:
    """The addresses of one sign-in; `begin` is where it begins, in a browser or for a device."""

    begin: str
    token_endpoint: str


async def places(account: str, oauth: ConsentSettings, discovery: Discovery | None) -> Places:
    """The addresses that `oauth` leads to. The provider is asked only for what nobody has written.

    Raises ConsentError when there is none, and TokenError when the provider cannot be asked.
    """
    key = "device_authorization_endpoint" if oauth.grant == "device_code" else "authorization_endpoint"
    begin = oauth.device_authorization_endpoint if oauth.grant == "device_code" else oauth.authorization_endpoint
    token_endpoint = oauth.token_endpoint
    if discovery is not None and not (begin and token_endpoint):
        said = await discovery.metadata()
        begin, token_endpoint = begin or _begin(said, oauth), token_endpoint or said.token_endpoint
    if not begin or not token_endpoint:
        missing = "token_endpoint" if begin else key
        raise ConsentError(
            f"{account}: nobody says where to sign in: the provider names no {missing}. Write "
            f"accounts.{account}.oauth.{missing}, or another grant"
        )
    if not is_private(begin):
        raise ConsentError(f"{account}: the provider's {key} is no https address: {clean(begin)[:200]}")
    return Places(begin, token_endpoint)


def _begin(said: Metadata, oauth: ConsentSettings) -> str:
    return said.device_authorization_endpoint if oauth.grant == "device_code" else said.authorization_endpoint
