"""What a sign-in needs to know of the configuration, and what is asked for."""

from typing import Protocol
from urllib.parse import urlsplit

from relay import providers
from relay.oauth.settings import OAuthSettings


class ConsentSettings(OAuthSettings, Protocol):
    """`[accounts.NAME.oauth]`. `entra` says that the provider is Microsoft."""

    @property
    def authorization_endpoint(self) -> str | None: ...
    @property
    def device_authorization_endpoint(self) -> str | None: ...
    @property
    def redirect_uri(self) -> str | None: ...
    @property
    def entra(self) -> bool: ...


def is_google(oauth: ConsentSettings) -> bool:
    """Whether the provider is Google, which has rules of its own."""
    place = oauth.authorization_endpoint or oauth.token_endpoint or oauth.issuer or ""
    return urlsplit(place).hostname in providers.GOOGLE_OAUTH_HOSTS


def scopes_of(oauth: ConsentSettings) -> tuple[str, ...]:
    """What the user is asked for: the configured scopes, and what brings a refresh token and a name."""
    scopes = tuple(oauth.scopes)
    if oauth.entra:
        wanted: tuple[str, ...] = ("openid", "email", "offline_access")
    elif is_google(oauth):
        scopes = tuple(scope for scope in scopes if scope != "offline_access")
        wanted = ("openid", "email")
    else:
        wanted = ("openid", "email") if oauth.issuer else ()
    return (*scopes, *(scope for scope in wanted if scope not in scopes))


def useless_scopes(oauth: ConsentSettings) -> tuple[str, ...]:
    """What is configured and left out: Google refuses it, and gives a refresh token for `access_type=offline`."""
    return ("offline_access",) if is_google(oauth) and "offline_access" in oauth.scopes else ()
