"""Comparing a password with its hash: Argon2 or bcrypt. Slow on purpose, so never on the event loop."""

import argon2
import bcrypt

from relay.config import is_bcrypt

_SEEN_BY_BCRYPT = 72
"""Octets of a password that count: every program that made such hashes cut it there."""


def verify(hasher: argon2.PasswordHasher, hashed: str, password: bytes) -> bool:
    """Whether `password` is the one of `hashed`; what is no hash fits nothing."""
    try:
        if is_bcrypt(hashed):
            return bcrypt.checkpw(password[:_SEEN_BY_BCRYPT], hashed.encode())
        return hasher.verify(hashed, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError, ValueError):
        return False
