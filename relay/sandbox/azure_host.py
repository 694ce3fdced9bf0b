"""A stand-in machine in Azure: the services that hand out the tokens of its managed identity (docs/sources.md).

Unlike the rest of the sandbox they speak plain HTTP, as the real ones do.
"""

import secrets
from collections.abc import Mapping
from contextlib import AsyncExitStack
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from relay.model import Clock
from relay.sandbox.listen import listen
from relay.sandbox.settings import SandboxSettings
from relay.sandbox.stand_in import ServeHttp
from relay.sandbox.tokens import EXCHANGE, GRAPH, Tokens

_LIFETIME = 86_400
_NOT_FOUND = "Identity not found"
_SEVERAL = (
    "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token"
    " request"
)


class AzureHost:
    """Serves for the length of an `async with` block. `own` says whether the machine has an identity of its own,
    `assigned` names (client ids) those that were assigned to it.
    """

    def __init__(
        self,
        settings: SandboxSettings,
        tokens: Tokens,
        serve_http: ServeHttp,
        clock: Clock,
        *,
        own: bool = True,
        assigned: tuple[str, ...] = (),
    ) -> None:
        self._tokens = tokens
        self._serve_http = serve_http
        self._clock = clock
        self._own = own
        self._assigned = assigned
        self._stack = AsyncExitStack()
        self._header = secrets.token_hex(16)
        self.arc_tokens = (settings.folder / "arc-tokens").resolve()
        self.root = ""
        self.requests: list[Request] = []
        self.answers: list[Response] = []
        """What is answered next, whatever is asked."""
        self.challenge_file: Path | None = None
        """The file that Arc's challenge names; None for a right one."""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            sockets = listen(("127.0.0.1", 0))
            for sock in sockets:
                stack.callback(sock.close)
            self.root = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
            routes = [
                Route("/metadata/identity/oauth2/token", self._imds),
                Route("/msi/token", self._app_service),
                Route("/ml/token", self._ml),
                Route("/arc/token", self._arc),
            ]
            await stack.enter_async_context(self._serve_http(Starlette(routes=routes), sockets))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def environ(self, place: str) -> Mapping[str, str]:
        """The environment of a process in one of the places "imds", "app service", "ml" and "arc"."""
        return {
            "imds": {"AZURE_POD_IDENTITY_AUTHORITY_HOST": self.root},
            "app service": {"IDENTITY_ENDPOINT": f"{self.root}/msi/token", "IDENTITY_HEADER": self._header},
            "ml": {"MSI_ENDPOINT": f"{self.root}/ml/token", "MSI_SECRET": self._header},
            "arc": {"IDENTITY_ENDPOINT": f"{self.root}/arc/token", "IMDS_ENDPOINT": self.root},
        }[place]

    async def _imds(self, request: Request) -> Response:
        if (scripted := self._next(request)) is not None:
            return scripted
        if request.headers.get("metadata") != "true":
            return _refused("bad_request_102", "Required metadata header not specified")
        if request.query_params.get("api-version") != "2018-02-01":
            return _refused("invalid_request", "Invalid api-version")
        if (refused := self._identity(request, "client_id")) is not None:
            return refused
        now, resource = int(self._clock.time()), request.query_params.get("resource", "")
        if resource not in EXCHANGE + GRAPH:
            return _refused("invalid_resource", f"AADSTS500011: The resource principal named {resource} was not found.")
        times = {"expires_in": str(_LIFETIME), "expires_on": str(now + _LIFETIME), "not_before": str(now - 300)}
        return JSONResponse({**self._token(resource), "refresh_token": "", **times})

    async def _app_service(self, request: Request) -> Response:
        return self._by_secret(request, "x-identity-header", "2019-08-01", "client_id")

    async def _ml(self, request: Request) -> Response:
        return self._by_secret(request, "secret", "2017-09-01", "clientid")

    def _by_secret(self, request: Request, header: str, version: str, client_id: str) -> Response:
        if (scripted := self._next(request)) is not None:
            return scripted
        if request.headers.get(header) != self._header or request.query_params.get("api-version") != version:
            return JSONResponse({"statusCode": 401, "message": "Unauthorized"}, HTTPStatus.UNAUTHORIZED)
        if self._identity(request, client_id) is not None:
            text = "No Managed Identity found for specified ClientId/ResourceId/PrincipalId."
            return JSONResponse({"statusCode": 400, "message": text}, HTTPStatus.BAD_REQUEST)
        end = str(int(self._clock.time()) + _LIFETIME)
        return JSONResponse({**self._token(request.query_params.get("resource", "")), "expires_on": end})

    async def _arc(self, request: Request) -> Response:
        if (scripted := self._next(request)) is not None:
            return scripted
        if request.headers.get("metadata") != "true" or request.query_params.get("api-version") != "2020-06-01":
            return _refused("invalid_request", "Invalid request")
        scheme, _, password = request.headers.get("authorization", "").partition(" ")
        known = {file.read_text(): file for file in self.arc_tokens.glob("*.key")}
        if scheme.lower() != "basic" or password not in known:
            self.arc_tokens.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = self.arc_tokens / f"{secrets.token_hex(8)}.key"
            file.write_text(secrets.token_hex(32))
            challenge = {"www-authenticate": f"Basic realm={self.challenge_file or file}"}
            return JSONResponse({"error": "unauthorized_client"}, HTTPStatus.UNAUTHORIZED, challenge)
        known[password].unlink()
        end = int(self._clock.time()) + _LIFETIME
        times = {"expires_in": str(_LIFETIME), "expires_on": str(end)}
        return JSONResponse({**self._token(request.query_params.get("resource", "")), **times})

    def _next(self, request: Request) -> Response | None:
        self.requests.append(request)
        return self.answers.pop(0) if self.answers else None

    def _identity(self, request: Request, name: str) -> Response | None:
        chosen = request.query_params.get(name)
        if chosen is not None:
            return None if chosen in self._assigned else _refused("invalid_request", _NOT_FOUND)
        if self._own or len(self._assigned) == 1:
            return None
        return _refused("invalid_request", _SEVERAL if self._assigned else _NOT_FOUND)

    def _token(self, resource: str) -> dict[str, Any]:
        return {"access_token": self._tokens.issue(resource), "resource": resource, "token_type": "Bearer"}


def _refused(error: str, description: str) -> Response:
    return JSONResponse({"error": error, "error_description": description}, HTTPStatus.BAD_REQUEST)
