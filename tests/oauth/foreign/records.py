"""What the foreign authorization server remembers: clients, codes, tokens, devices. All in memory."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, TokenMixin
from authlib.oauth2.rfc8628 import DeviceCredentialMixin

LIFETIME = 600.0


@dataclass
class Client(ClientMixin):
    """An application that is registered. `methods` are the ways in which it may prove itself."""

    client_id: str
    methods: Sequence[str]
    grants: Sequence[str]
    secrets: set[str] = field(default_factory=set)
    public_key: str = ""

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return ""

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        # RFC 8252 7.3: any port of the loopback address.
        return redirect_uri.startswith("http://127.0.0.1:")

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret in self.secrets

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in self.methods

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.grants


@dataclass
class Code(AuthorizationCodeMixin):
    """An authorization code that waits to be redeemed."""

    code: str
    client_id: str
    redirect_uri: str
    scope: str
    user: str
    nonce: str
    code_challenge: str
    code_challenge_method: str

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str:
        return self.nonce

    def get_auth_time(self) -> None:
        return None

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


@dataclass
class Issued(TokenMixin):
    """Tokens that were issued together."""

    client_id: str
    user: str
    scope: str
    access_token: str
    refresh_token: str
    revoked: bool = False

    def check_client(self, client: Client) -> bool:
        return client.client_id == self.client_id

    def get_scope(self) -> str:
        return self.scope


@dataclass
class Device(DeviceCredentialMixin):
    """A device that waits for its user. `answer` is None until then; it is told to slow down `impatient` times."""

    client_id: str
    scope: str
    device_code: str
    user_code: str
    impatient: int = 0
    answer: tuple[str, bool] | None = None
    until: float = field(default_factory=lambda: time.time() + LIFETIME)

    def get_client_id(self) -> str:
        return self.client_id

    def get_scope(self) -> str:
        return self.scope

    def get_user_code(self) -> str:
        return self.user_code

    def is_expired(self) -> bool:
        return time.time() >= self.until


@dataclass
class Records:
    """Everything together, and each request to the token endpoint as it came."""

    clients: dict[str, Client] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    issued: list[Issued] = field(default_factory=list)
    devices: dict[str, Device] = field(default_factory=dict)
    assertions: set[str] = field(default_factory=set)
    nonces: set[str] = field(default_factory=set)
    asked: list[dict[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    impatient: int = 0
    looked: list[str] = field(default_factory=list)
    """Each request for metadata or keys."""
    broken: bool = False
    """Whether these are answered with 503."""

    def add(self, *clients: Client) -> None:
        self.clients |= {client.client_id: client for client in clients}

    def device_of(self, user_code: str) -> Device | None:
        return next((each for each in self.devices.values() if each.user_code == user_code), None)

    def issued_for(self, refresh_token: str) -> Issued | None:
        found = (each for each in self.issued if each.refresh_token == refresh_token and not each.revoked)
        return next(found, None) if refresh_token else None

    def revoke_all(self) -> None:
        """As when an administrator ends every session."""
        for each in self.issued:
            each.revoked = True
