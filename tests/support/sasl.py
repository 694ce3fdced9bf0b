"""What clients say in AUTH: initial responses in base64."""

import base64


def plain(user: str, password: str) -> str:
    """RFC 4616, without an identity to act as."""
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


def xoauth2(user: str, token: str) -> str:
    """XOAUTH2, as Microsoft and Google have it."""
    return base64.b64encode(f"user={user}\x01auth=Bearer {token}\x01\x01".encode()).decode()
