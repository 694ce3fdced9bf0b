"""The OpenAPI document (3.1), made of the operations themselves."""

import re
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from relay import __version__
from relay.web.admin.operation import ROOT, Operation


def document_route(operations: Sequence[Operation], base_path: str) -> Route:
    """Where the document is."""

    async def show(_request: Request) -> Response:
        return JSONResponse(document(operations, base_path))

    return Route(f"{ROOT}/openapi.json", show, methods=["GET"])


def document(operations: Sequence[Operation], base_path: str) -> dict[str, Any]:
    """The document as JSON."""
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(f"{ROOT}{one.path}", {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "smtp-oauth-relay administration",
            "version": __version__,
            "description": "Times are RFC 3339 in UTC, sizes octets. A refusal is an object with an `error`.",
        },
        "servers": [{"url": base_path or "/"}],
        "security": [{"password": []}, {"session": []}],
        "components": {
            "securitySchemes": {
                "password": {"type": "http", "scheme": "basic", "description": "Any user name."},
                "session": {"type": "apiKey", "in": "cookie", "name": "relay_session"},
            },
            "schemas": {
                "Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
            },
        },
        "paths": paths,
    }


def _operation(one: Operation) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", one.path)
    ]
    parameters += [
        {"name": name, "in": "query", "description": meaning, "schema": {"type": "string"}}
        for name, meaning in one.query.items()
    ]
    error = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
    told: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{one.method.lower()}{one.path}").strip("_"),
        "summary": one.summary,
        "parameters": parameters,
        "responses": {
            str(one.status): {"description": one.answer},
            "401": {"description": "Without a login.", **error},
            "default": {"description": "It was refused, and why.", **error},
        },
    }
    if one.body is not None:
        schema = {"type": "object", "properties": dict(one.body), "required": list(one.required)}
        told["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return told
