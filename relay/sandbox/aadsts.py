"""Entra's errors: number, HTTP status, RFC 6749's name and the text as Entra words it (docs/sources.md)."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Known:
    """One kind of error; the text's braces are filled with the facts of the case."""

    status: int
    error: str
    text: str


_NOT_INSTALLED = (
    " This can happen if the application has not been installed by the administrator of the tenant or consented to by"
    " any user in the tenant. You {modal} have sent your authentication request to the wrong tenant."
)

_CERTIFICATE_PAGE = (
    " Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials ."
)
_CONFIGURED_KEYS = (
    " Thumbprint of key used by client: '{thumbprint}', Please visit the Azure Portal, Graph Explorer or directly use"
    " MS Graph to see configured keys for app Id '{client_id}'.]"
)

_NO_FEDERATION = Known(
    401,
    "invalid_client",
    "No matching federated identity record found for presented assertion {what} '{value}'. Check your federated"
    " identity credential Subject, Audience and Issuer against the presented assertion."
    " https://learn.microsoft.com/entra/workload-id/workload-identity-federation",
)

KNOWN: Mapping[int, Known] = {
    50011: Known(
        400,
        "invalid_request",
        "The redirect URI '{sent}' specified in the request does not match the redirect URIs configured for the"
        " application '{client_id}'. Make sure the redirect URI sent in the request matches one added to your"
        " application in the Azure portal. Navigate to https://aka.ms/redirectUriMismatchError to learn more about how"
        " to troubleshoot this error.",
    ),
    50013: Known(401, "invalid_client", "Assertion failed signature validation. [Reason - The key was not found.]"),
    50027: Known(401, "invalid_client", "Invalid JWT token. {reason}"),
    50034: Known(
        400,
        "invalid_grant",
        "The user account does not exist in the {tenant} directory. To sign into this application, the account must be"
        " added to the directory.",
    ),
    50076: Known(
        400,
        "invalid_grant",
        "Due to a configuration change made by your administrator, or because you moved to a new location, you must use"
        " multi-factor authentication to access '{resource}'.",
    ),
    50126: Known(400, "invalid_grant", "Error validating credentials due to invalid username or password."),
    65001: Known(
        400,
        "invalid_grant",
        "The user or administrator has not consented to use the application with ID '{client_id}'. Send an interactive"
        " authorization request for this user and resource.",
    ),
    50048: Known(401, "invalid_client", "Subject must match Issuer claim in the client assertion."),
    50059: Known(
        400,
        "invalid_request",
        "No tenant-identifying information found in either the request or implied by any provided credentials.",
    ),
    50173: Known(
        400,
        "invalid_grant",
        "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have"
        " changed or reset their password.",
    ),
    54005: Known(
        400,
        "invalid_grant",
        "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh"
        " token.",
    ),
    65004: Known(400, "access_denied", "User declined to consent to access the app."),
    70008: Known(
        400,
        "invalid_grant",
        "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive"
        " authorization request for this user and resource.",
    ),
    70003: Known(400, "unsupported_grant_type", "The app requested an unsupported grant type '{grant_type}'."),
    70011: Known(
        400,
        "invalid_scope",
        "The provided request must include a 'scope' input parameter. The provided value for the input parameter"
        " 'scope' is not valid. The scope {scope} is not valid.",
    ),
    70016: Known(
        400,
        "authorization_pending",
        "OAuth 2.0 device flow error. Authorization is pending. Continue polling.",
    ),
    70018: Known(400, "bad_verification_code", "Bad verification code supplied."),
    70019: Known(400, "expired_token", "Verification code expired. Have the user retry the sign-in."),
    70043: Known(
        400,
        "invalid_grant",
        "The refresh token has expired or is invalid due to sign-in frequency checks by Conditional Access.",
    ),
    90002: Known(
        400,
        "invalid_request",
        "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the"
        " correct cloud. Check with your subscription administrator, this may happen if there are no active"
        " subscriptions for the tenant.",
    ),
    90055: Known(429, "temporarily_unavailable", "Tenant throttled: there are too many incoming requests."),
    500112: Known(
        400,
        "invalid_client",
        "The reply address '{sent}' does not match the reply address '{asked}' provided when requesting Authorization"
        " code.",
    ),
    501481: Known(
        400,
        "invalid_grant",
        "The Code_Verifier does not match the code_challenge supplied in the authorization request.",
    ),
    500011: Known(
        400,
        "invalid_resource",
        "The resource principal named {resource} was not found in the tenant named {tenant}."
        + _NOT_INSTALLED.format(modal="might"),
    ),
    700021: Known(
        401,
        "invalid_client",
        "Client assertion application identifier doesn't match 'client_id' parameter." + _CERTIFICATE_PAGE,
    ),
    700023: Known(
        401,
        "invalid_client",
        "Client assertion audience claim does not match Realm issuer." + _CERTIFICATE_PAGE,
    ),
    700024: Known(
        401,
        "invalid_client",
        "Client assertion is not within its valid time range. Current time: {now}, assertion valid from {begin}, expiry"
        " time of assertion {end}." + _CERTIFICATE_PAGE,
    ),
    700027: Known(401, "invalid_client", "{what} [Reason - {reason}," + _CONFIGURED_KEYS),
    700082: Known(
        400,
        "invalid_grant",
        "The refresh token has expired due to inactivity. The token was issued some time ago and was inactive for"
        " 90.00:00:00.",
    ),
    700016: Known(
        400,
        "unauthorized_client",
        "Application with identifier '{client_id}' was not found in the directory '{tenant}'."
        + _NOT_INSTALLED.format(modal="may"),
    ),
    700211: _NO_FEDERATION,
    700212: _NO_FEDERATION,
    700213: _NO_FEDERATION,
    900023: Known(
        400,
        "invalid_request",
        "Specified tenant identifier '{tenant}' is neither a valid DNS name, nor a valid external domain.",
    ),
    900144: Known(400, "invalid_request", "The request body must contain the following parameter: '{parameter}'."),
    900561: Known(400, "invalid_request", "The endpoint only accepts POST requests. Received a {method} request."),
    1002012: Known(
        400,
        "invalid_scope",
        "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with"
        " /.default suffixed to the resource identifier (application ID URI).",
    ),
    7000215: Known(
        401,
        "invalid_client",
        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not"
        " the client secret ID, for a secret added to app '{client_id}'.",
    ),
    7000216: Known(
        401,
        "invalid_client",
        "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
    ),
    7000218: Known(
        401,
        "invalid_client",
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
    ),
    7000222: Known(
        401,
        "invalid_client",
        "The provided client secret keys for app '{client_id}' are expired. Visit the Azure portal to create new keys"
        " for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security:"
        " https://aka.ms/certCreds.",
    ),
    9001023: Known(
        400,
        "invalid_request",
        "The grant type is not supported over the /common or /consumers endpoints. Please use the /organizations or"
        " tenant-specific endpoint.",
    ),
    9000411: Known(
        400, "invalid_request", "The request is not properly formatted. The parameter '{parameter}' is duplicated."
    ),
    9002313: Known(400, "invalid_request", "Invalid request. Request is malformed or invalid."),
}


class EntraError(Exception):
    """An answer that is no token."""

    def __init__(self, number: int, *, error: str = "", **facts: str) -> None:
        """`error` stands for the one that the number usually has."""
        known = KNOWN[number]
        self.number = number
        self.status = known.status
        self.error = error or known.error
        self.text = known.text.format(**facts)
        super().__init__(self.text)
