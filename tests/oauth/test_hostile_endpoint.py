"""Token endpoints that answer with anything at all, through the real HTTP client: there is a token, or a reason."""

import asyncio
import gzip
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.config import Http, OAuth, Secret
from relay.http import HttpClient
from relay.oauth import TokenError, source
from tests.support.clock import FakeClock
from tests.support.web import Talk, saying, talking

GOOD = json.dumps({"access_token": "the-token", "token_type": "Bearer", "expires_in": 3600}).encode()
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SECRET = "the-client-secret"


async def asked(talk: Talk, seconds: float = 5.0) -> str | TokenError:
    """The token that one request to such a server gives, or why there is none."""
    clock = FakeClock()
    http = HttpClient(Http(timeout=seconds), clock=clock)
    async with talking(talk) as port:
        oauth = OAuth(
            client_id=Secret("the-client"),
            client_secret=Secret(SECRET),
            token_endpoint=f"http://127.0.0.1:{port}/token",
        )
        tokens = source("office", oauth, http, clock)
        try:
            return (await tokens.get()).value
        except TokenError as error:
            return error
        finally:
            await tokens.close()
            await http.close()


def sized(body: bytes, head: bytes = OK) -> bytes:
    return head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def chunked(*parts: bytes) -> bytes:
    chunks = b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts)
    return OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


@pytest.mark.parametrize(
    "octets", [sized(GOOD), OK + b"\r\n" + GOOD, chunked(GOOD[:9], GOOD[9:]), sized(GOOD) + b"more"]
)
async def test_good_answers_in_any_form(octets: bytes) -> None:
    assert await asked(saying(octets)) == "the-token"


@pytest.mark.parametrize(
    ("octets", "part"),
    [
        (OK + f"Content-Length: {len(GOOD) + 9}\r\n\r\n".encode() + GOOD, "closed the connection"),
        (OK + b"Content-Length: 9\r\n\r\n" + GOOD, "not a JSON object"),
        (OK + b"Content-Length: -1\r\n\r\n" + GOOD, "did not answer in HTTP"),
        (OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + GOOD, "did not answer in HTTP"),
        (sized(gzip.compress(GOOD), OK + b"Content-Encoding: gzip\r\n"), "compressed its answer"),
        (sized(gzip.compress(bytes(50_000_000)), OK + b"Content-Encoding: gzip\r\n"), "compressed its answer"),
        (sized(gzip.compress(GOOD)), "not a JSON object"),
        (OK + b"\r\n" + b" " * 300_000 + GOOD, "larger than 262,144 octets"),
        (chunked(*[b" " * 60_000] * 5, GOOD), "larger than 262,144 octets"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "redirect"),
        (sized(GOOD, b"HTTP/1.1 307 Temporary\r\nLocation: /other\r\n"), "307"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "not a JSON object"),
        (b"", "closed the connection"),
        (b"\x16\x03\x01\x00\x05hello", "did not answer in HTTP"),
    ],
)
async def test_answers_that_hold_no_token(octets: bytes, part: str) -> None:
    error = await asked(saying(octets))
    assert isinstance(error, TokenError)
    assert part in str(error)
    assert SECRET not in f"{error}{error.description}"


def dripping(body: bytes) -> Talk:
    """One octet after the other, for ever in the end."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for octet in body:
            writer.write(bytes([octet]))
            await writer.drain()
            await asyncio.sleep(0.002)
        await reader.read()
        await asyncio.sleep(30)

    return talk


@pytest.mark.parametrize("octets", [b"", OK, OK + b"Content-Length: 900\r\n\r\n" + GOOD, OK + b"X-Long: " + b"y" * 900])
async def test_a_slow_server_ends_at_the_deadline(octets: bytes) -> None:
    error = await asked(dripping(octets), seconds=0.3)
    assert isinstance(error, TokenError)
    assert (error.error, error.temporary) == ("unreachable", True)
    assert "did not answer within 0.3 s" in str(error)


lines = st.sampled_from(
    [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 400 No\r\n", b"HTTP/1.0 500 \r\n", b"HTTP/1.1 99 x\r\n", b"\r\n", b"{", b"}"]
)
fields = st.sampled_from(
    [
        *(
            b"Content-Length: 20\r\n",
            b"Content-Length: 0\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Retry-After: -5\r\n",
        ),
        *(
            b"Content-Encoding: br\r\n",
            b"Connection: close\r\n",
            b"Retry-After: 99999999999999999999\r\n",
            b"5\r\nhello",
        ),
    ]
)
bodies = st.just(GOOD) | st.binary(max_size=40) | st.text(max_size=20).map(lambda text: json.dumps(text).encode())
answers = st.tuples(lines, st.lists(fields, max_size=3), st.sampled_from([b"\r\n", b""]), bodies)


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(answers.map(lambda made: made[0] + b"".join(made[1]) + made[2] + made[3]) | st.binary(max_size=200))
def test_any_octets_are_a_token_or_a_reason(octets: bytes) -> None:
    found = asyncio.run(asked(saying(octets)))
    if isinstance(found, TokenError):
        assert found.error not in ("internal", "stopping"), "nothing that a server says is a mistake of ours"
        assert found.retry_after is not None
        assert 30 <= found.retry_after <= 86400
        assert SECRET not in f"{found}{found.description}{found.trace}"
    else:
        assert found == "the-token"
