"""The grant `jwt-bearer` (RFC 7523 2.1), as Google has it: a service account asks for a token of a user's mailbox.

An administrator of the user's domain has allowed that ("domain-wide delegation"). There is no refresh token: each
request is signed anew. No client authentication goes with it, the assertion says who asks.
"""

from collections.abc import Sequence
from pathlib import Path

from relay.config.service_account import ServiceAccountReader
from relay.model import Clock
from relay.oauth import assertion
from relay.oauth.request import TokenRequest

_GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class JwtBearer:
    """`subject` is the mailbox. The key file is read anew at each request."""

    name = "jwt_bearer"
    pause_after_refusal = 0.0

    def __init__(self, key_file: Path, subject: str, scopes: Sequence[str], delimiter: str, clock: Clock) -> None:
        self._account = ServiceAccountReader(key_file)
        self._subject = subject
        self._scope = delimiter.join(scopes)
        self._clock = clock

    async def add_to(self, request: TokenRequest) -> TokenRequest:
        """`request` with a new assertion for its address. Raises SecretError."""
        account = self._account.read()
        claims = {"iss": account.email, "sub": self._subject, "scope": self._scope, "aud": request.url}
        alg = assertion.algorithm(account.key.private)
        header = {"kid": account.key_id}
        signed = assertion.signed(account.key, claims, self._clock.time(), alg=alg, header=header)
        return request.adding(form={"grant_type": _GRANT_TYPE, "assertion": signed}, secrets=(signed,))
