"""Authlib's grants and endpoints, tied to `Records`: which requests are right is decided by Authlib alone."""

from collections.abc import Callable
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint, DeviceCodeGrant
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from joserfc import jwk

from tests.oauth.foreign.records import Client, Code, Device, Issued, Records

ASSERTION = JWTBearerClientAssertion.CLIENT_AUTH_METHOD
DEVICE = DeviceCodeGrant.GRANT_TYPE
METHODS = ["client_secret_basic", "client_secret_post", ASSERTION, "none"]


def register(server: AuthorizationServer, records: Records, issuer: str, key: jwk.RSAKey) -> None:
    """Teach `server` everything that the relay may ask for."""
    server.register_grant(_client_credentials())
    challenge = CodeChallenge(required=True)
    # RFC 9700 2.1.1: "plain" protects nothing.
    challenge.SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]
    server.register_grant(_authorization_code(records), [challenge, _open_id(records, issuer, key)])
    server.register_grant(_refresh_token(records))
    server.register_grant(_device_code(records))
    server.register_endpoint(_device_endpoint(records, issuer))
    server.register_client_auth_method(ASSERTION, _assertion(records, issuer))


def _client_credentials() -> type:
    class ClientCredentials(grants.ClientCredentialsGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = METHODS[:3]
        TOKEN_ENDPOINT_HTTP_METHODS = ("POST", "GET")

    return ClientCredentials


def _authorization_code(records: Records) -> type:
    class AuthorizationCode(grants.AuthorizationCodeGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = METHODS

        def save_authorization_code(self, code: str, request: Any) -> None:
            asked = request.payload.data
            place = (request.payload.redirect_uri, request.payload.scope, request.user, asked.get("nonce", ""))
            challenge = (asked.get("code_challenge", ""), asked.get("code_challenge_method", ""))
            records.nonces.add(asked.get("nonce", ""))
            records.codes[code] = Code(code, request.client.client_id, *place, *challenge)

        def query_authorization_code(self, code: str, client: Client) -> Code | None:
            found = records.codes.get(code)
            return found if found and found.client_id == client.client_id else None

        def delete_authorization_code(self, authorization_code: Code) -> None:
            del records.codes[authorization_code.code]

        def authenticate_user(self, authorization_code: Code) -> str:
            return authorization_code.user

    return AuthorizationCode


def _open_id(records: Records, issuer: str, key: jwk.RSAKey) -> Any:
    class OpenId(OpenIDCode):
        def exists_nonce(self, nonce: str, request: Any) -> bool:
            return nonce in records.nonces

        def resolve_client_private_key(self, client: Client) -> jwk.RSAKey:
            return key

        def get_client_claims(self, client: Client) -> dict[str, Any]:
            return {"iss": issuer, "aud": [client.client_id]}

        def generate_user_info(self, user: str, scope: str) -> UserInfo:
            more = {"email": user} if "email" in scope.split() else {}
            return UserInfo(sub=user.partition("@")[0], **more)

    return OpenId(require_nonce=True)


def _refresh_token(records: Records) -> type:
    class RefreshToken(grants.RefreshTokenGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = METHODS
        INCLUDE_NEW_REFRESH_TOKEN = True

        def authenticate_refresh_token(self, refresh_token: str) -> Issued | None:
            return records.issued_for(refresh_token)

        def authenticate_user(self, credential: Issued) -> str:
            return credential.user

        def revoke_old_credential(self, credential: Issued) -> None:
            credential.revoked = True

    return RefreshToken


def _device_code(records: Records) -> type:
    class Devices(DeviceCodeGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = METHODS

        def query_device_credential(self, device_code: str) -> Device | None:
            return records.devices.get(device_code)

        def query_user_grant(self, user_code: str) -> tuple[str, bool] | None:
            device = records.device_of(user_code)
            return device.answer if device else None

        def should_slow_down(self, credential: Device) -> bool:
            credential.impatient -= 1
            return credential.impatient >= 0

    return Devices


def _device_endpoint(records: Records, issuer: str) -> type:
    class DeviceEndpoint(DeviceAuthorizationEndpoint):
        CLIENT_AUTH_METHODS = METHODS
        INTERVAL = 1

        def get_verification_uri(self) -> str:
            return f"{issuer}/activate"

        def save_device_credential(self, client_id: str, scope: str, data: dict[str, Any]) -> None:
            codes = (data["device_code"], data["user_code"])
            records.devices[codes[0]] = Device(client_id, scope, *codes, impatient=records.impatient)

    return DeviceEndpoint


def _assertion(records: Records, issuer: str) -> Callable[..., Any]:
    class Assertion(JWTBearerClientAssertion):
        def get_audiences(self) -> list[str]:
            # RFC 7523 3: the authorization server, by its token endpoint or its issuer.
            return [f"{issuer}/token", issuer]

        def validate_jti(self, claims: dict[str, Any], jti: str) -> bool:
            seen = jti in records.assertions
            records.assertions.add(jti)
            return not seen

        def resolve_client_public_key(self, client: Client) -> jwk.RSAKey:
            return jwk.RSAKey.import_key(client.public_key)

    return Assertion()
