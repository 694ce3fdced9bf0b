"""Workload identity federation: an assertion that another issuer has signed and keeps in a file (RFC 7523 2.2).

Kubernetes, for one, writes a token of its own for each pod and renews it; the provider has been told to trust it.
"""

import re
from pathlib import Path

from relay.config.secret import Secret, SecretError
from relay.oauth.client_assertion import asserting
from relay.oauth.request import TokenRequest
from relay.oauth.sendable import read_sendable

_COMPACT_JWS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


class FederatedToken:
    """The file is read at each request: its token lives an hour or so, and whoever put it there renews it."""

    def __init__(self, client_id: Secret, file: Path) -> None:
        self._client_id = client_id
        self._token = Secret(file=file)

    def add_to(self, request: TokenRequest) -> TokenRequest:
        """`request` with the token as it is now. Raises SecretError."""
        client_id, token = read_sendable(self._client_id, self._token)
        return asserting(request, client_id, _checked(token.strip(), self._token.origin))


def _checked(token: str, origin: str) -> str:
    if not _COMPACT_JWS.fullmatch(token):
        raise SecretError(f"{origin}: holds no JSON Web Token. Name the file that the platform writes the token into")
    return token
