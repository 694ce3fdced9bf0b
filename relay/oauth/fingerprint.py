"""What a token was asked for with, as one hash: what was stored under other settings or secrets is not used.

It is only kept sealed, beside the token itself.
"""

import hashlib
import json

from relay.config.secret import Secret, read_octets
from relay.oauth.settings import OAuthSettings


def fingerprint(oauth: OAuthSettings, *more: str) -> str:
    """The hash of settings, secrets and keys as they are now, and of `more`. Raises SecretError."""
    secrets: tuple[Secret | None, ...] = (
        *(oauth.client_id, oauth.client_secret, oauth.client_secret_next),
        *(oauth.password, oauth.key_password),
    )
    told = [
        oauth.grant,
        oauth.token_endpoint,
        oauth.issuer,
        oauth.token_request_method,
        oauth.token_endpoint_auth_method,
        oauth.client_secret_header,
        oauth.scope_delimiter.join(oauth.scopes),
        dict(oauth.extra_parameters),
        oauth.subject,
        str(oauth.federated_token_file),
        oauth.username,
        [each.read() if each is not None else None for each in secrets],
        [
            hashlib.sha256(read_octets(file)).hexdigest() if file is not None else None
            for file in (oauth.private_key_file, oauth.certificate_file)
        ],
        *more,
    ]
    return hashlib.sha256(json.dumps(told).encode("utf-8", "surrogatepass")).hexdigest()
