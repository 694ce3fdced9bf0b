"""Client authentication with a secret (RFC 6749 2.3.1), and that of a public client, which has none.

Id and secret are read as one snapshot at each request: a secret that is exchanged on disk is used from then on, and
never with the id of another one.
"""

import base64
import re
from urllib.parse import quote

from relay.config.secret import Secret, SecretError
from relay.oauth.request import TokenRequest
from relay.oauth.sendable import read_sendable

# RFC 9110 5.5, without the octets whose meaning nobody agrees on.
_FIELD_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


class ClientSecretPost:
    """Id and secret are fields of the form."""

    def __init__(self, client_id: Secret, client_secret: Secret) -> None:
        self._secrets = (client_id, client_secret)

    def add_to(self, request: TokenRequest) -> TokenRequest:
        client_id, secret = read_sendable(*self._secrets)
        return request.adding(form={"client_id": client_id, "client_secret": secret}, secrets=(secret,))


class ClientSecretBasic:
    """Id and secret are user and password of HTTP Basic, each form-encoded before they are joined."""

    def __init__(self, client_id: Secret, client_secret: Secret) -> None:
        self._secrets = (client_id, client_secret)

    def add_to(self, request: TokenRequest) -> TokenRequest:
        """`request` with the header field. Raises SecretError."""
        client_id, secret = read_sendable(*self._secrets)
        # Without the encoding (RFC 6749 appendix B) a colon in the id would end it, and "%" or "+" become others. A
        # space is sent as %20, which also the servers understand that do not know it as "+" (Authlib is one).
        encoded = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
        pair = base64.b64encode(encoded.encode("ascii")).decode("ascii")
        return request.adding(headers={"authorization": f"Basic {pair}"}, secrets=(secret, pair))


class ClientSecretHeader:
    """The secret is a header field of its own, as some gateways want it; the id is in the form. No standard has it."""

    def __init__(self, client_id: Secret, client_secret: Secret, header: str) -> None:
        self._secrets = (client_id, client_secret)
        self._header = header

    def add_to(self, request: TokenRequest) -> TokenRequest:
        client_id, secret = read_sendable(*self._secrets)
        if not _FIELD_VALUE.fullmatch(secret):
            origin = self._secrets[1].origin
            raise SecretError(f"{origin}: holds a character that no HTTP header can. Correct client_secret")
        return request.adding(form={"client_id": client_id}, headers={self._header.lower(): secret}, secrets=(secret,))


class PublicClient:
    """Only the id: the client cannot keep a secret, or what the grant shows is proof enough (RFC 6749 2.1)."""

    def __init__(self, client_id: Secret) -> None:
        self._client_id = client_id

    def add_to(self, request: TokenRequest) -> TokenRequest:
        return request.adding(form={"client_id": read_sendable(self._client_id)[0]})


class NoAuthentication:
    """For grants that say themselves who asks."""

    def add_to(self, request: TokenRequest) -> TokenRequest:
        """`request` as it is."""
        return request
