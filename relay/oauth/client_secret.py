"""Client authentication with a secret (RFC 6749 2.3.1).

Id and secret are read as one snapshot at each request: a secret that is exchanged on disk is used from then on, and
never with the id of another one.
"""

import base64
from urllib.parse import quote_plus

from relay.config.secret import Secret, SecretError, read_together
from relay.oauth.request import TokenRequest


class ClientSecretPost:
    """Id and secret are fields of the form."""

    def __init__(self, client_id: Secret, client_secret: Secret) -> None:
        self._secrets = (client_id, client_secret)

    def add_to(self, request: TokenRequest) -> TokenRequest:
        client_id, secret = _read(*self._secrets)
        return request.adding(form={"client_id": client_id, "client_secret": secret}, secrets=(secret,))


class ClientSecretBasic:
    """Id and secret are user and password of HTTP Basic, each form-encoded before they are joined."""

    def __init__(self, client_id: Secret, client_secret: Secret) -> None:
        self._secrets = (client_id, client_secret)

    def add_to(self, request: TokenRequest) -> TokenRequest:
        client_id, secret = _read(*self._secrets)
        # Without the encoding (RFC 6749 appendix B) a colon in the id would end it, and "%" or "+" become others.
        pair = base64.b64encode(f"{quote_plus(client_id)}:{quote_plus(secret)}".encode("ascii")).decode("ascii")
        return request.adding(headers={"authorization": f"Basic {pair}"}, secrets=(secret, pair))


class PublicClient:
    """Only the id: the client cannot keep a secret, and what the grant shows is proof enough (RFC 6749 2.1)."""

    def __init__(self, client_id: Secret) -> None:
        self._client_id = client_id

    def add_to(self, request: TokenRequest) -> TokenRequest:
        return request.adding(form={"client_id": self._client_id.read()})


def _read(client_id: Secret, client_secret: Secret) -> tuple[str, str]:
    values = read_together(client_id, client_secret)
    for secret, value in zip((client_id, client_secret), values, strict=True):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            # JSON can hold half a surrogate pair.
            raise SecretError(f"{secret.origin}: is not text that can be sent. Write it as UTF-8") from None
    return values[0], values[1]
