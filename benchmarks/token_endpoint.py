"""A token endpoint for `client_credentials` (RFC 6749 4.4) over HTTPS, as small as it can be and still refuse."""

import asyncio
import base64
import json
import secrets
from typing import cast
from urllib.parse import parse_qs, unquote_plus

# As long as the tokens of Microsoft are: AUTH then needs more than one short line.
_TOKEN_OCTETS = 1350
_MAX_REQUEST = 65536


class Tokens:
    """The client that may ask, the tokens it was given, and how often it asked."""

    def __init__(self) -> None:
        self.client_id = "bench"
        self.client_secret = secrets.token_urlsafe(24)
        self.requests = 0
        self._issued: set[bytes] = set()

    def is_token(self, token: bytes) -> bool:
        """Tell whether `token` was issued here."""
        return token in self._issued

    def answer(self, head: str, body: str) -> tuple[int, dict[str, object]]:
        """Answer one token request: HTTP status and JSON."""
        self.requests += 1
        form = {name: values[0] for name, values in parse_qs(body).items()}
        if form.get("grant_type") != "client_credentials":
            return 400, {"error": "unsupported_grant_type"}
        if (self.client_id, self.client_secret) != self._credentials(head, form):
            return 401, {"error": "invalid_client", "error_description": "The benchmark did not make this secret."}
        token = secrets.token_urlsafe(_TOKEN_OCTETS)
        self._issued.add(token.encode("ascii"))
        return 200, {"token_type": "Bearer", "access_token": token, "expires_in": 3600}

    @staticmethod
    def _credentials(head: str, form: dict[str, str]) -> tuple[str, str]:
        """`client_secret_basic` or `client_secret_post` (RFC 6749 2.3.1)."""
        for line in head.split("\r\n"):
            name, _, value = line.partition(":")
            scheme, _, encoded = value.strip().partition(" ")
            if name.lower() == "authorization" and scheme.lower() == "basic":
                login, _, password = base64.b64decode(encoded).decode("ascii").partition(":")
                return unquote_plus(login), unquote_plus(password)
        return form.get("client_id", ""), form.get("client_secret", "")


class TokenEndpoint(asyncio.Protocol):
    """One HTTP/1.1 connection."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._transport: asyncio.Transport
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not isinstance(): uvloop's transports have the methods of asyncio.Transport, but not its name.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if len(self._received) > _MAX_REQUEST:
            self._transport.abort()
            return
        length = _content_length(head)
        if not end or len(rest) < length:
            return
        self._received = rest[length:]
        status, answer = self._tokens.answer(head.decode("latin-1"), rest[:length].decode("ascii"))
        body = json.dumps(answer).encode("ascii")
        self._transport.write(
            b"HTTP/1.1 %d Answer\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
            + body
        )


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
