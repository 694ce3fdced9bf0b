"""The user name and password that a request shows. Both doors of the page go by them."""

import base64
import binascii

from starlette.datastructures import Headers


def credentials(headers: Headers) -> tuple[str, str] | None:
    """User name and password of HTTP Basic (RFC 7617); None without."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic" or len(token) > 4096:
        return None
    try:
        user, colon, password = base64.b64decode(token, validate=True).decode("utf-8", "replace").partition(":")
    except (binascii.Error, ValueError):
        return None
    return (user, password) if colon else None
