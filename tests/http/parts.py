"""What the tests of the client ask for, and what a failure must never show."""

from urllib.parse import parse_qsl

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from relay.http import HttpClient, HttpError

SECRET = "s3cr3t-value"


async def echo(request: Request) -> Response:
    fields = dict(parse_qsl((await request.body()).decode("ascii"), strict_parsing=True))
    return JSONResponse({"method": request.method, "headers": dict(request.headers), "form": fields})


async def hello(request: Request) -> Response:
    return PlainTextResponse("hello")


async def failing(client: HttpClient, url: str, **options: float) -> HttpError:
    """The error of a POST with a secret in form and header, which the error must not show."""
    headers = {"authorization": f"Bearer {SECRET}"}
    with pytest.raises(HttpError) as caught:
        await client.request("POST", url, headers=headers, form={"client_secret": SECRET}, **options)  # type: ignore[arg-type]
    error = caught.value
    assert SECRET not in f"{error} {error!r} {error.text} {error.hint}"
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__, (
        "a traceback in the log would show the library's words"
    )
    assert error.text
    assert error.hint
    return error
