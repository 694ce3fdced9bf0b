"""Password hashes that a login can be checked against: Argon2 and bcrypt. Everything else is refused by name.

MD5, SHA-1 and crypt hashes are broken in minutes once a file has leaked, and no library that is kept well offers them
any more; so they are named when they are met, with what makes a better one of the same password.
"""

import re

# The encoded form of the Argon2 reference implementation (RFC 9106 leaves it open): PHC string format.
_ARGON2 = re.compile(r"\$argon2(?:id|i|d)\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+")
_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_DEAREST_BCRYPT = 16
"""The cost from which one check takes seconds; each step doubles it."""

_REFUSED = (
    ("$apr1$", "an MD5 hash of Apache (apr1)"),
    ("{SHA}", "an unsalted SHA-1 hash"),
    ("{SSHA}", "a SHA-1 hash"),
    ("$1$", "an MD5 hash of crypt"),
    ("$5$", "a SHA-256 hash of crypt"),
    ("$6$", "a SHA-512 hash of crypt"),
    ("$y$", "a yescrypt hash"),
    ("$2x$", "a hash of a faulty bcrypt"),
)


def is_bcrypt(text: str) -> bool:
    """Whether a hash that is usable is bcrypt's."""
    return text.startswith("$2")


def unusable(text: str) -> str:
    """Why `text` cannot be used as a hash; "" if it can. It quotes nothing of it."""
    if _ARGON2.fullmatch(text):
        return ""
    if bcrypt := _BCRYPT.fullmatch(text):
        if 4 <= int(bcrypt[1]) <= _DEAREST_BCRYPT:
            return ""
        return f"is a bcrypt hash with cost {int(bcrypt[1])}; possible are 4 to {_DEAREST_BCRYPT}"
    for start, what in _REFUSED:
        if text.startswith(start):
            return f"is {what}, which is not accepted"
    return "is no Argon2 hash ($argon2id$...) and no bcrypt hash ($2b$... or $2y$...)"
