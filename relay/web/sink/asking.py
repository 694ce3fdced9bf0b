"""What a request asks for, read with limits: numbers, bodies, names whose case does not matter."""

import json
from collections.abc import Sequence
from typing import Any, TypeVar, cast

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from relay.sink import Query, QueryError, parse

T = TypeVar("T")

LARGEST_BODY = 5 * 1024 * 1024
LONGEST_WAIT = 300.0
_LARGEST_NUMBER = 1_000_000_000


class Refused(Exception):  # noqa: N818 (carries an answer)
    """The request cannot be served: `status` and the text say why."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def number(request: Request, name: str, default: int) -> int:
    """A whole number of the query, `default` for anything else."""
    text = request.query_params.get(name, "")
    return min(int(text), _LARGEST_NUMBER) if text.isascii() and text.isdigit() and len(text) < 20 else default


def query(request: Request, text: str | None = None) -> Query:
    """The search that the request asks for, in `query` and `tz`. Raises Refused."""
    try:
        return parse(
            request.query_params.get("query", "") if text is None else text, request.query_params.get("tz", "")
        )
    except QueryError as error:
        raise Refused(400, str(error)) from error


async def body(request: Request, limit: int = LARGEST_BODY) -> bytes:
    """The body, at most `limit` octets of it. Raises Refused."""
    octets = bytearray()
    try:
        async for chunk in request.stream():
            octets += chunk
            if len(octets) > limit:
                raise Refused(413, f"the request is larger than {limit:,} octets")
    except ClientDisconnect:
        raise Refused(400, "the client has gone") from None
    return bytes(octets)


async def fields(request: Request, limit: int = LARGEST_BODY) -> dict[str, Any]:
    """The body as a JSON object with its names in lower case; empty without a body. Raises Refused."""
    octets = await body(request, limit)
    if not octets.strip():
        return {}
    try:
        found = await run_in_threadpool(json.loads, octets)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"the body is not JSON: {error}") from None
    return lowered(found)


def lowered(found: Any) -> dict[str, Any]:
    """An object with its own names in lower case; the values stay. Raises Refused for anything else."""
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Refused(400, "a JSON object is needed")
    return {str(name).lower(): value for name, value in found.items()}


def of(found: dict[str, Any], name: str, kind: type[T], default: T) -> T:
    """A value of that type by its name, `default` when it is missing or null. Raises Refused for another type."""
    value = found.get(name.lower())
    if value is None:
        return default
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise Refused(400, f"{name} must be {_CALLED[kind]}")
    if kind is str and not str(value).isascii():
        value = cast("T", str(value).encode("utf-8", "replace").decode("utf-8"))
    return value


_CALLED: dict[type[Any], str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    dict: "an object",
    list: "a list",
    object: "a number",
}


def texts(found: dict[str, Any], name: str) -> list[str]:
    """A list of texts by its name. Raises Refused."""
    value = of(found, name, list, [])
    if not all(isinstance(one, str) for one in cast("Sequence[Any]", value)):
        raise Refused(400, f"{name} must be a list of texts")
    return [one.encode("utf-8", "replace").decode("utf-8") for one in value]
