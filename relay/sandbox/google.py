"""Google's token endpoint, as far as a service account with domain-wide delegation asks it (docs/sources.md)."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives import serialization
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from relay.model import Clock
from relay.sandbox import jws
from relay.sandbox.http import read_body
from relay.sandbox.settings import SandboxSettings

PATH = "/google/token"
GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFETIME = 3600
_SKEW = 300
_LARGEST_BODY = 64 * 1024
_NOT_DELEGATED = (
    "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes"
    " requested."
)
_NOT_NOW = (
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp"
    " values in the JWT claim."
)


@dataclass
class GoogleError(Exception):
    """An answer that is no token."""

    error: str
    description: str
    status: int = 400


@dataclass
class Google:
    """Gives tokens to the one service account of the settings, for the users that have a mailbox."""

    settings: SandboxSettings
    clock: Clock
    issued: dict[str, str] = field(default_factory=dict)
    """The user that each token is for."""

    def routes(self) -> list[BaseRoute]:
        return [Route(PATH, self.token, methods=["POST"])]

    async def token(self, request: Request) -> Response:
        """Answer one token request."""
        body = await read_body(request, _LARGEST_BODY) or b""
        try:
            form = dict(parse_qsl(body.decode("ascii", "replace"), keep_blank_values=True))
            user = self._user(form, f"{request.url.scheme}://{request.url.netloc}{request.url.path}")
        except GoogleError as error:
            return JSONResponse({"error": error.error, "error_description": error.description}, error.status)
        except jws.MalformedError as error:
            return JSONResponse({"error": "invalid_grant", "error_description": f"Invalid JWT: {error}"}, 400)
        token = f"ya29.c.{secrets.token_urlsafe(120)}"
        self.issued[token] = user
        return JSONResponse({"access_token": token, "expires_in": _LIFETIME - 1, "token_type": "Bearer"})

    def _user(self, form: Mapping[str, str], endpoint: str) -> str:
        if form.get("grant_type") != GRANT_TYPE:
            raise GoogleError("unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type', '')}")
        signed, account = jws.read(form.get("assertion", "")), self.settings.service_account
        if account is None or signed.text("iss") != account.email:
            raise GoogleError("invalid_grant", "Invalid grant: account not found")
        key = serialization.load_pem_public_key(account.public_key)
        if signed.header.get("kid") != account.key_id or not signed.is_signed_by(key):
            raise GoogleError("invalid_grant", "Invalid JWT Signature.")
        if signed.text("aud") != endpoint:
            raise GoogleError("invalid_grant", "Invalid JWT: Failed audience check.")
        self._check_time(signed)
        wanted = signed.text("scope").split()
        if not wanted:
            raise GoogleError("invalid_scope", "Empty or missing scope not allowed.")
        if not set(wanted) & set(account.scopes):
            raise GoogleError("unauthorized_client", _NOT_DELEGATED, 401)
        return self._mailbox(signed.text("sub"))

    def _check_time(self, signed: jws.Signed) -> None:
        begin, end, now = signed.time("iat", 0), signed.time("exp", 0), self.clock.time()
        if not begin < end <= begin + _LIFETIME or not begin - _SKEW <= now <= end + _SKEW:
            raise GoogleError("invalid_grant", _NOT_NOW)

    def _mailbox(self, user: str) -> str:
        found = next((one for one in self.settings.mailboxes if one.lower() == user.lower()), None)
        if found is None:
            raise GoogleError("invalid_grant", "Invalid email or User ID")
        return found
