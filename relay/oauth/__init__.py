"""OAuth: the tokens that upstreams send with (RFC 6749).

One `TokenSource` for each account keeps its token and renews it. What a token is asked for with is put together here
from a grant and a client authentication; `claims` reads what a token says about itself.
"""

from relay.http import HttpClient
from relay.model import Clock
from relay.oauth import choices
from relay.oauth.access_token import Token
from relay.oauth.errors import TokenError
from relay.oauth.jwt import claims
from relay.oauth.request import TokenEndpoint
from relay.oauth.settings import OAuthSettings
from relay.oauth.token_source import TokenSource

__all__ = ["OAuthSettings", "Token", "TokenError", "TokenSource", "claims", "source"]


def source(name: str, oauth: OAuthSettings, http: HttpClient, clock: Clock) -> TokenSource:
    """The tokens of account `name`. Raises ValueError for settings that a checked configuration cannot have."""
    endpoint = TokenEndpoint(
        name,
        oauth.token_endpoint,
        grant=choices.grant(oauth, clock),
        authentication=choices.authentication(oauth, clock),
        extra_parameters=oauth.extra_parameters,
        http=http,
        clock=clock,
    )
    return TokenSource(name, endpoint.fetch, clock, refresh_margin=oauth.refresh_margin)
