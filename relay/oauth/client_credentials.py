"""The grant `client_credentials` (RFC 6749 4.4): the client asks for a token of its own."""

from collections.abc import Sequence

from relay.oauth.request import TokenRequest


class ClientCredentials:
    """Without scopes the provider's default is asked for (RFC 6749 3.3)."""

    name = "client_credentials"
    pause_after_refusal = 0.0

    def __init__(self, scopes: Sequence[str], delimiter: str) -> None:
        self._scope = delimiter.join(scopes)

    async def add_to(self, request: TokenRequest) -> TokenRequest:
        scope = {"scope": self._scope} if self._scope else {}
        return request.adding(form={"grant_type": "client_credentials", **scope})
