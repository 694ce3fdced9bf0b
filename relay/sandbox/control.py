"""The control endpoint: order faults and look at what was received, from another process or with curl."""

import ipaddress
import json
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from relay.sandbox.faults import KINDS, Fault, FaultError, Faults, Order
from relay.sandbox.http import read_body
from relay.sandbox.received import Received, ReceivedList

_LARGEST_ORDER = 64 * 1024


class Control:
    """`/sandbox/faults` and `/sandbox/received`."""

    def __init__(self, faults: Faults, received: ReceivedList, about: dict[str, Any]) -> None:
        self._faults = faults
        self._received = received
        self._about = about

    def routes(self) -> list[BaseRoute]:
        """What people and tests ask the sandbox: its faults and what it received."""
        table = {
            ("/sandbox", "GET"): self._overview,
            ("/sandbox/faults", "GET"): self._list_faults,
            ("/sandbox/faults", "POST"): self._add_fault,
            ("/sandbox/faults", "DELETE"): self._clear_faults,
            ("/sandbox/faults/{number:int}", "DELETE"): self._remove_fault,
            ("/sandbox/received", "GET"): self._list_received,
            ("/sandbox/received", "DELETE"): self._clear_received,
            ("/sandbox/received/{number:int}", "GET"): self._show,
            ("/sandbox/received/{number:int}/raw", "GET"): self._raw,
            ("/sandbox/received/{number:int}/delivered", "GET"): self._delivered,
        }
        return [Route(path, _local(handler), methods=[method]) for (path, method), handler in table.items()]

    async def _overview(self, _request: Request) -> Response:
        kinds = {
            name: {"what": kind.summary, "at": list(dict.fromkeys(kind.points)), "takes": list(kind.options)}
            for name, kind in KINDS.items()
        }
        return JSONResponse({**self._about, "received": self._received.total, "faults": kinds})

    async def _list_faults(self, _request: Request) -> Response:
        return JSONResponse([_order(order) for order in self._faults])

    async def _add_fault(self, request: Request) -> Response:
        body = await read_body(request, _LARGEST_ORDER)
        try:
            fault = Fault.from_json(json.loads(body or b""))
        except FaultError as error:
            return _problem(HTTPStatus.BAD_REQUEST, str(error))
        except (ValueError, RecursionError):
            return _problem(HTTPStatus.BAD_REQUEST, f'send a JSON object with a "kind", one of: {", ".join(KINDS)}')
        return JSONResponse(_order(self._faults.add(fault)), HTTPStatus.CREATED)

    async def _clear_faults(self, _request: Request) -> Response:
        self._faults.clear()
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def _remove_fault(self, request: Request) -> Response:
        number = request.path_params["number"]
        if not self._faults.remove(number):
            return _problem(HTTPStatus.NOT_FOUND, f"no fault {number} is in force; GET /sandbox/faults lists them")
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def _list_received(self, _request: Request) -> Response:
        return JSONResponse([message.as_json() for message in self._received])

    async def _clear_received(self, _request: Request) -> Response:
        self._received.clear()
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def _show(self, request: Request) -> Response:
        message = self._find(request)
        return _gone(request) if message is None else JSONResponse(message.as_json())

    async def _raw(self, request: Request) -> Response:
        message = self._find(request)
        return _gone(request) if message is None else _message(message.raw)

    async def _delivered(self, request: Request) -> Response:
        message = self._find(request)
        return _gone(request) if message is None else _message(message.delivered)

    def _find(self, request: Request) -> Received | None:
        return self._received.numbered(request.path_params["number"])


def _local(handler: Any) -> Any:
    """Refuse what a web page in somebody's browser could send here (cross-site requests, DNS rebinding)."""

    async def guarded(request: Request) -> Response:
        if "origin" in request.headers or not _is_local(request):
            text = "the control endpoint answers only to this machine's own tools, under a name such as localhost"
            return _problem(HTTPStatus.FORBIDDEN, text)
        answer: Response = await handler(request)
        return answer

    return guarded


def _is_local(request: Request) -> bool:
    host = request.url.hostname or ""
    if host == "localhost":
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _order(order: Order) -> dict[str, Any]:
    return {"number": order.number, **order.fault.as_json(), "passed": order.passed, "struck": order.struck}


def _problem(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status)


def _gone(request: Request) -> Response:
    number = request.path_params["number"]
    return _problem(HTTPStatus.NOT_FOUND, f"message {number} is not kept; GET /sandbox/received lists those that are")


def _message(raw: bytes) -> Response:
    # Not message/rfc822: a browser that shows it must not be tempted to interpret it.
    headers = {"content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff"}
    return Response(raw, headers=headers)
