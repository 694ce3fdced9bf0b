"""Client authentication with a key: an assertion that the client signs anew for each request (RFC 7523 2.2)."""

from relay.config.private_key import KeyFiles, KeyReader
from relay.config.secret import Secret, SecretError
from relay.model import Clock
from relay.oauth import assertion
from relay.oauth.client_assertion import asserting
from relay.oauth.request import TokenRequest
from relay.oauth.sendable import read_sendable


class PrivateKeyJwt:
    """Key, password and certificate are read anew at each request, like every other secret.

    `entra` chooses what Microsoft wants ("Certificate credentials"): PS256, where others take RS256 for granted. The
    audience is the exact address of the token endpoint, which every server takes.
    """

    def __init__(self, client_id: Secret, files: KeyFiles, clock: Clock, *, entra: bool = False) -> None:
        self._client_id = client_id
        self._key = KeyReader(files)
        self._files = files
        self._clock = clock
        self._entra = entra

    def add_to(self, request: TokenRequest) -> TokenRequest:
        """`request` with a new assertion for its server. Raises SecretError."""
        (client_id,) = read_sendable(self._client_id)
        key = self._key.read()
        alg = assertion.algorithm(key.private, rsa_pss=self._entra)
        if not alg:
            raise SecretError(f"{self._files.key}: no assertion is signed with a key on this curve. Use P-256 or RSA")
        claims = {"iss": client_id, "sub": client_id, "aud": request.audience}
        header = assertion.thumbprint_header(key)
        return asserting(request, client_id, assertion.signed(key, claims, self._clock.time(), alg=alg, header=header))
