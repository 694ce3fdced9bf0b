"""The token endpoint of Entra ID: `POST /{tenant}/oauth2/v2.0/token` (docs/sources.md).

Users' passwords are in `users.py`, what users consent to in `sign_in.py`, their pages in `sign_in_pages.py`; another
grant is one more entry in `_grants`.
"""

import base64
import binascii
import hmac
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from relay.model import Clock
from relay.sandbox.aadsts import EntraError
from relay.sandbox.client_assertion import ClientAssertions
from relay.sandbox.faults import Fault, Faults
from relay.sandbox.http import general_fault, json_bytes, read_body, retry_after, truncated
from relay.sandbox.settings import SandboxSettings
from relay.sandbox.sign_in import SignIns
from relay.sandbox.sign_in_pages import SignInPages
from relay.sandbox.tokens import EXCHANGE, GRAPH, Tokens
from relay.sandbox.users import Users

_LARGEST_BODY = 64 * 1024
_DEFAULT = "/.default"
_FORM = "application/x-www-form-urlencoded"
_SHARED_TENANTS = ("common", "organizations", "consumers")
_TENANT = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")


_Grant = Callable[[Mapping[str, str], Fault | None, str], dict[str, Any]]
_SignInGrant = Callable[[Mapping[str, str], Fault | None], dict[str, Any]]


class Entra:
    """Issues tokens to the one application that the tenant knows."""

    def __init__(self, settings: SandboxSettings, tokens: Tokens, faults: Faults, clock: Clock) -> None:
        self._settings = settings
        self._tokens = tokens
        self._faults = faults
        self._clock = clock
        self._assertions = ClientAssertions(settings, clock)
        self._users = Users(settings)
        self.sign_ins = SignIns(settings, tokens, clock)
        self._pages = SignInPages(settings, self.sign_ins, tokens, faults)
        self._grants: Mapping[str, _Grant] = {
            "client_credentials": self._client_credentials,
            "authorization_code": self._of_user(self.sign_ins.authorization_code),
            "refresh_token": self._of_user(self.sign_ins.refresh_token),
            "urn:ietf:params:oauth:grant-type:device_code": self._of_user(self.sign_ins.device_code),
            "password": self._password,
        }
        self.requests = 0
        """Token requests so far, whatever became of them."""

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/{tenant}/oauth2/v2.0/token", self.token, methods=["GET", "POST", "PUT", "DELETE", "OPTIONS"]),
            Route("/{tenant}/oauth2/v2.0/devicecode", self.devicecode, methods=["POST"]),
            *self._pages.routes(),
        ]

    async def token(self, request: Request) -> Response:
        """Answer one token request."""
        self.requests += 1
        fault = await self._faults.at("token")
        if fault is not None and (answer := await general_fault(request, fault)) is not None:
            return answer
        try:
            answer = self._answer(await self._checked(request, fault), fault, _address(request))
        except EntraError as error:
            answer = self._error(request, error)
        if fault is not None and fault.kind == "throttled":
            answer.headers.update(retry_after(fault))
        return truncated(answer) if fault is not None and fault.kind == "truncated_json" else answer

    async def devicecode(self, request: Request) -> Response:
        """Begin the sign-in of a device."""
        fault = await self._faults.at("devicecode")
        if fault is not None and (answer := await general_fault(request, fault)) is not None:
            return answer
        try:
            self._check_tenant(request.path_params["tenant"])
            return _json(HTTPStatus.OK, self._pages.device_answer(await _form(request), request))
        except EntraError as error:
            return self._error(request, error)

    async def _checked(self, request: Request, fault: Fault | None) -> Mapping[str, str]:
        """The request's parameters, the client's own among them wherever they came."""
        if request.method != "POST":
            raise EntraError(900561, method=request.method)
        if fault is not None and fault.kind == "throttled":
            raise EntraError(90055)
        parameters, basic = await _form(request), _basic(request.headers.get("authorization", ""))
        self._check_tenant(request.path_params["tenant"], user=parameters.get("grant_type") == "password")
        client_id = basic.get("client_id")
        if basic and ("client_secret" in parameters or parameters.get("client_id", client_id) != client_id):
            # RFC 6749 section 2.3: one way of client authentication in a request.
            raise EntraError(9002313)
        return {**parameters, **basic}

    def _check_tenant(self, tenant: str, *, user: bool = False) -> None:
        if user and tenant.lower() == "organizations":
            return
        if user and tenant.lower() in _SHARED_TENANTS:
            raise EntraError(9001023)
        if tenant.lower() in _SHARED_TENANTS:
            raise EntraError(50059)
        if not _TENANT.fullmatch(tenant):
            raise EntraError(900023, tenant=tenant)
        if tenant.lower() not in (self._settings.tenant.lower(), self._settings.tenant_id):
            raise EntraError(90002, tenant=tenant)

    def _answer(self, parameters: Mapping[str, str], fault: Fault | None, endpoint: str) -> Response:
        grant_type = parameters.get("grant_type")
        if not grant_type:
            raise EntraError(900144, parameter="grant_type")
        if grant_type not in self._grants:
            raise EntraError(70003, grant_type=grant_type)
        body = self._grants[grant_type](parameters, fault, endpoint)
        if fault is not None and fault.kind == "token_fields":
            body = {name: value for name, value in {**body, **fault.fields}.items() if value is not None}
        return _json(HTTPStatus.OK, body)

    def _client_credentials(self, parameters: Mapping[str, str], fault: Fault | None, endpoint: str) -> dict[str, Any]:
        """RFC 6749 section 4.4."""
        for name in ("client_id", "scope"):
            if not parameters.get(name):
                raise EntraError(900144, parameter=name)
        resource = self._resource(parameters["scope"])
        self._check_client(parameters, fault.kind if fault else "", endpoint)
        token = self._tokens.issue(resource, with_roles=fault is None or fault.kind != "no_roles")
        # Entra says one second less than it grants.
        left = int(self._settings.token_lifetime) - 1
        return {"token_type": "Bearer", "expires_in": left, "ext_expires_in": left, "access_token": token}

    def _of_user(self, grant: _SignInGrant) -> _Grant:
        """A grant that stands on a user's sign-in: the application itself may be a public one."""

        def checked(parameters: Mapping[str, str], fault: Fault | None, endpoint: str) -> dict[str, Any]:
            if not parameters.get("client_id"):
                raise EntraError(900144, parameter="client_id")
            self._check_client(parameters, fault.kind if fault else "", endpoint, public=self._settings.public_client)
            return grant(parameters, fault)

        return checked

    def _password(self, parameters: Mapping[str, str], fault: Fault | None, endpoint: str) -> dict[str, Any]:
        """RFC 6749 section 4.3. The application may be a public client: then it sends only its id."""
        for name in ("client_id", "scope", "username", "password"):
            if not parameters.get(name):
                raise EntraError(900144, parameter=name)
        resource, permission = self._users.permission(parameters["scope"])
        self._check_client(parameters, fault.kind if fault else "", endpoint, public=self._settings.public_client)
        user = self._users.signed_in(parameters["username"], parameters["password"])
        token = self._tokens.issue_for_user(resource, user, (permission,))
        left = int(self._settings.token_lifetime) - 1
        granted = {"scope": f"{resource}/{permission}", "token_type": "Bearer", "expires_in": left}
        issuer = f"{endpoint.removesuffix('/oauth2/v2.0/token')}/v2.0"
        renewal = self.sign_ins.renewal(user, parameters["scope"], issuer)
        return {**granted, **renewal, "ext_expires_in": left, "access_token": token}

    def _resource(self, scope: str) -> str:
        if " " in scope.strip():
            raise EntraError(70011, scope=scope)
        resource = scope.removesuffix(_DEFAULT)
        if resource == scope:
            raise EntraError(1002012, scope=scope)
        if resource not in EXCHANGE + GRAPH:
            raise EntraError(500011, resource=resource, tenant=self._settings.tenant)
        return resource

    def _check_client(self, parameters: Mapping[str, str], fault: str, endpoint: str, *, public: bool = False) -> None:
        client_id, secret = parameters["client_id"], parameters.get("client_secret", "")
        if client_id.lower() != self._settings.client_id.lower():
            raise EntraError(700016, client_id=client_id, tenant=self._settings.tenant)
        if "client_assertion" in parameters:
            if secret:
                raise EntraError(9002313)
            self._assertions.check(parameters, endpoint)
            return
        if not secret and public:
            return
        if not secret:
            raise EntraError(7000216 if parameters["grant_type"] == "client_credentials" else 7000218)
        right = hmac.compare_digest(secret.encode(), self._settings.client_secret.encode())
        if not right or fault == "wrong_secret":
            raise EntraError(7000215, client_id=client_id)
        if fault == "expired_secret":
            raise EntraError(7000222, client_id=client_id)

    def _error(self, request: Request, error: EntraError) -> Response:
        stamp = datetime.fromtimestamp(self._clock.time(), UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        trace, correlation = str(uuid.uuid4()), request.headers.get("client-request-id") or str(uuid.uuid4())
        ids = f"Trace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: {stamp}"
        body = {
            "error": error.error,
            "error_description": f"AADSTS{error.number}: {error.text}\r\n{ids}",
            "error_codes": [error.number],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"https://login.microsoftonline.com/error?code={error.number}",
        }
        answer = _json(error.status, body)
        if error.error == "invalid_client" and "authorization" in request.headers:
            answer.headers["www-authenticate"] = "Basic"
        return answer


def _address(request: Request) -> str:
    """Where the request was posted to, as its client wrote it: the audience of an assertion."""
    return f"{request.url.scheme}://{request.url.netloc}{request.url.path}"


async def _form(request: Request) -> dict[str, str]:
    """The form in the body; a body of another type holds no parameters, as at Entra."""
    body = await read_body(request, _LARGEST_BODY)
    if body is None:
        raise EntraError(9002313)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        return {}
    parameters: dict[str, str] = {}
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise EntraError(9002313) from None
    for name, value in pairs:
        if name in parameters:
            raise EntraError(9000411, parameter=name)
        parameters[name] = value
    return parameters


def _basic(header: str) -> dict[str, str]:
    """Client id and secret from `Authorization: Basic`, each form-decoded (RFC 6749 section 2.3.1)."""
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() != "basic":
        return {}
    try:
        client_id, colon, secret = base64.b64decode(credentials.strip(), validate=True).decode().partition(":")
        if not colon:
            raise EntraError(9002313)
        return {
            "client_id": unquote_plus(client_id, errors="strict"),
            "client_secret": unquote_plus(secret, errors="strict"),
        }
    except (binascii.Error, UnicodeDecodeError):
        raise EntraError(9002313) from None


def _json(status: int, body: Mapping[str, Any]) -> Response:
    headers = {
        "cache-control": "no-store, no-cache",
        "pragma": "no-cache",
        "expires": "-1",
        "content-type": "application/json; charset=utf-8",
        "strict-transport-security": "max-age=31536000; includeSubDomains",
        "x-content-type-options": "nosniff",
        "x-ms-request-id": str(uuid.uuid4()),
        "x-ms-ests-server": "2.1.20465.4 - WEULR1 ProdSlices",
    }
    return Response(json_bytes(body), status, headers)
