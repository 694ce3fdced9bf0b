"""What an access token says about itself."""

import base64
from typing import Any

from relay.http.hostile_json import read_object
from relay.oauth.access_token import Token

_LONGEST = 64 * 1024


def claims(token: Token | str) -> dict[str, Any]:
    """The claims of a JWT (RFC 7519 3), {} when `token` is opaque.

    The signature is not checked: this is for people who look for a missing permission, and decides nothing.
    """
    value = token.value if isinstance(token, Token) else token
    parts = value[: _LONGEST + 1].split(".")
    if len(value) > _LONGEST or len(parts) != 3:
        return {}
    payload = parts[1]
    try:
        octets = base64.b64decode(payload + "=" * (-len(payload) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return {}
    return read_object(octets) or {}
