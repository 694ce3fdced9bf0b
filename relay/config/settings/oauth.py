"""`[accounts.NAME.oauth]`: where the tokens of an account come from."""

from typing import Annotated

from pydantic import Field

from relay.config import forms, network
from relay.config.secret import Secret
from relay.config.settings.base import Day, DurationOrZero, File, Hidden, Table, Text, Url
from relay.config.words import RESERVED_PARAMETERS, AuthMethod, Grant, RequestMethod


class OAuth(Table):
    """`[accounts.NAME.oauth]`: where the account's tokens come from."""

    grant: Annotated[Grant, forms.one_of(Grant)] = "client_credentials"
    client_id: Hidden | None = None
    client_secret: Hidden | None = None
    client_secret_next: Hidden | None = None
    """The one that is to take its place: used when the first is refused."""
    client_secret_expires: Day | None = None
    token_endpoint_auth_method: Annotated[AuthMethod, forms.one_of(AuthMethod)] = "client_secret_post"  # noqa: S105 (a name)
    client_secret_header: Annotated[str, forms.text(network.header_name)] | None = None
    private_key_file: File | None = None
    """PEM or PKCS#12; for `jwt_bearer` the JSON file of a service account."""
    key_password: Hidden | None = None
    certificate_file: File | None = None
    federated_token_file: File | None = None
    """A token that somebody else renews; it takes the place of the key."""
    managed_identity_client_id: Text | None = None
    """Which of several identities that are assigned to the machine."""
    token_endpoint: Url | None = None
    token_request_method: Annotated[RequestMethod, forms.one_of(RequestMethod, str.upper)] = "POST"  # noqa: S105 (a name)
    authorization_endpoint: Url | None = None
    device_authorization_endpoint: Url | None = None
    redirect_uri: Annotated[str, forms.text(network.redirect_uri)] | None = None
    issuer: Annotated[str, forms.text(network.issuer)] | None = None
    """Whose id_token says who has signed in (OpenID Connect). Without a user: finds the token endpoint."""
    scopes: Annotated[tuple[str, ...], forms.scopes()] = ()
    scope_delimiter: Annotated[str, forms.text()] = " "
    extra_parameters: Annotated[dict[str, str], forms.parameters(RESERVED_PARAMETERS)] = Field(default_factory=dict)
    subject: Text | None = None
    """Whom `jwt_bearer` asks for."""
    refresh_margin: DurationOrZero | None = None
    entra: bool = False
    """The tokens are Microsoft's, which wants assertions in its own form. Found by the addresses, so it has no form."""
    username: str | None = None
    """The account's, and so is the password: for the grant that sends them. Filled in, so they have no form."""
    password: Secret | None = None

    way_scopes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """What each of the account's ways asks for, where the provider presets it: set by the provider, so no form."""

    def for_way(self, way: str) -> "OAuth":
        """These settings with the scopes of one way."""
        scopes = self.way_scopes.get(way, self.scopes)
        return self if scopes == self.scopes else self.model_copy(update={"scopes": scopes})

    @property
    def origin(self) -> str:
        """Where the tokens come from, for display."""
        return self.token_endpoint or self.issuer or "this machine's managed identity"
