"""From an account's settings to the grant and the client authentication that it wants.

What signs is loaded where it is needed: a relay whose accounts have no key starts faster without it.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from relay.config.secret import Secret
from relay.model import Clock
from relay.oauth.client_credentials import ClientCredentials
from relay.oauth.client_secret import (
    ClientSecretBasic,
    ClientSecretHeader,
    ClientSecretPost,
    NoAuthentication,
    PublicClient,
)
from relay.oauth.federated import FederatedToken
from relay.oauth.password import Password
from relay.oauth.proofs import Proofs
from relay.oauth.request import ClientAuthentication, Grant
from relay.oauth.settings import OAuthSettings

Value = TypeVar("Value")


def grant(oauth: OAuthSettings, clock: Clock) -> Grant:
    """The grant of `oauth`. Raises ValueError for settings that a checked configuration cannot have."""
    return _chosen(_GRANTS, oauth.grant, "grant")(oauth, clock)


def proofs(account: str, oauth: OAuthSettings, clock: Clock) -> Proofs:
    """How the client of `account` proves who it is. Raises ValueError as `grant`."""
    if oauth.grant == "jwt_bearer":
        return Proofs(account, NoAuthentication())
    method = oauth.token_endpoint_auth_method
    if method in _WITH_SECRET:
        make = _WITH_SECRET[method]
        following = oauth.client_secret_next
        return Proofs(account, make(oauth, _secret(oauth)), make(oauth, following) if following else None)
    return Proofs(account, _chosen(_AUTHENTICATIONS, method, "token_endpoint_auth_method")(oauth, clock))


def only_scope(oauth: OAuthSettings) -> str:
    """The scope, where there can be one only. Raises ValueError as `grant`."""
    if len(oauth.scopes) != 1:
        raise ValueError("scopes: exactly one is needed")
    return oauth.scopes[0]


def _chosen(table: Mapping[str, Value], word: str, key: str) -> Value:
    if word not in table:
        raise ValueError(f"{key}: there is no {word}")
    return table[word]


def _need(value: Value | None, key: str) -> Value:
    if value is None:
        raise ValueError(f"{key} is missing")
    return value


def renewable(oauth: OAuthSettings) -> tuple[str, ...]:
    """The scopes with what brings a refresh token, where the provider is known to want that."""
    scopes = tuple(oauth.scopes)
    return (*scopes, "offline_access") if oauth.entra and "offline_access" not in scopes else scopes


def client_id(oauth: OAuthSettings) -> Secret:
    """The client id, which is there. Raises ValueError as `grant`."""
    return _need(oauth.client_id, "client_id")


def token_endpoint(oauth: OAuthSettings) -> str:
    """The address that is written or preset. Raises ValueError as `grant`."""
    return _need(oauth.token_endpoint, "token_endpoint")


def _secret(oauth: OAuthSettings) -> Secret:
    return _need(oauth.client_secret, "client_secret")


def _secret_header(oauth: OAuthSettings, secret: Secret) -> ClientAuthentication:
    header = _need(oauth.client_secret_header, "client_secret_header")
    return ClientSecretHeader(client_id(oauth), secret, header)


def _jwt_bearer(oauth: OAuthSettings, clock: Clock) -> Grant:
    from relay.oauth.jwt_bearer import JwtBearer  # noqa: PLC0415

    file, subject = _need(oauth.private_key_file, "private_key_file"), _need(oauth.subject, "subject")
    return JwtBearer(file, subject, oauth.scopes, oauth.scope_delimiter, clock)


def _password(oauth: OAuthSettings, _: Clock) -> Grant:
    username, password = _need(oauth.username, "username"), _need(oauth.password, "password")
    return Password(username, password, oauth.scopes, oauth.scope_delimiter)


def _private_key_jwt(oauth: OAuthSettings, clock: Clock) -> ClientAuthentication:
    if oauth.federated_token_file is not None:
        return FederatedToken(client_id(oauth), oauth.federated_token_file)
    from relay.config.private_key import KeyFiles  # noqa: PLC0415
    from relay.oauth.private_key_jwt import PrivateKeyJwt  # noqa: PLC0415

    files = KeyFiles(_need(oauth.private_key_file, "private_key_file"), oauth.key_password, oauth.certificate_file)
    return PrivateKeyJwt(client_id(oauth), files, clock, entra=oauth.entra)


_GRANTS: dict[str, Callable[[OAuthSettings, Clock], Grant]] = {
    "client_credentials": lambda oauth, _: ClientCredentials(oauth.scopes, oauth.scope_delimiter),
    "password": _password,
    "jwt_bearer": _jwt_bearer,
}
_WITH_SECRET: dict[str, Callable[[OAuthSettings, Secret], ClientAuthentication]] = {
    "client_secret_post": lambda oauth, secret: ClientSecretPost(client_id(oauth), secret),
    "client_secret_basic": lambda oauth, secret: ClientSecretBasic(client_id(oauth), secret),
    "client_secret_header": _secret_header,
}
_AUTHENTICATIONS: dict[str, Callable[[OAuthSettings, Clock], ClientAuthentication]] = {
    "private_key_jwt": _private_key_jwt,
    "none": lambda oauth, _: PublicClient(client_id(oauth)),
}
