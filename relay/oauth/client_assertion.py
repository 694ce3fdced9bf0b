"""Where a client's assertion stands in a request (RFC 7521 4.2), whoever signed it."""

from relay.oauth.request import TokenRequest

_JWT = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def asserting(request: TokenRequest, client_id: str, assertion: str) -> TokenRequest:
    """`request` with the proof. Microsoft wants the client id beside it, which the RFC leaves open."""
    form = {"client_id": client_id, "client_assertion_type": _JWT, "client_assertion": assertion}
    return request.adding(form=form, secrets=(assertion,))
