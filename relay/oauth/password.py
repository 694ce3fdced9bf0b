"""The grant `password` (RFC 6749 4.3): the client shows the user's own password.

Only for providers that offer nothing better: it cannot do a second factor, and OAuth 2.1 has dropped it.
"""

from collections.abc import Sequence

from relay.config.secret import Secret
from relay.oauth.request import TokenRequest
from relay.oauth.sendable import read_sendable


class Password:
    """The password is read anew at each request, and sent again at each: no refresh token is kept for it."""

    name = "password"
    pause_after_refusal = 900.0
    """A wrong password is not tried again sooner: a few tries in a row lock the user out."""

    def __init__(self, username: str, password: Secret, scopes: Sequence[str], delimiter: str) -> None:
        self._username = username
        self._password = password
        self._scope = delimiter.join(scopes)

    async def add_to(self, request: TokenRequest) -> TokenRequest:
        """`request` with user name and password. Raises SecretError."""
        (password,) = read_sendable(self._password)
        form = {"grant_type": "password", "username": self._username, "password": password}
        scope = {"scope": self._scope} if self._scope else {}
        return request.adding(form={**form, **scope}, secrets=(password,))
