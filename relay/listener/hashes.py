"""Comparing a password with its hash: Argon2 or bcrypt. Slow on purpose, so never on the event loop."""

import base64
import secrets

import argon2
import bcrypt

from relay.config import is_bcrypt

_SEEN_BY_BCRYPT = 72
"""Octets of a password that count: every program that made such hashes cut it there."""
_BCRYPT_LETTERS = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def verify(hasher: argon2.PasswordHasher, hashed: str, password: bytes) -> bool:
    """Whether `password` is the one of `hashed`; what is no hash fits nothing."""
    try:
        if is_bcrypt(hashed):
            return bcrypt.checkpw(password[:_SEEN_BY_BCRYPT], hashed.encode())
        return hasher.verify(hashed, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError, ValueError):
        return False


def nobodys(model: str) -> str:
    """A hash of no password, which costs exactly as much to compare as `model` does: its kind, its cost, its lengths.

    Nothing is computed for it: salt and digest are drawn, so that the first stranger waits no longer than the next.
    """
    if is_bcrypt(model):
        drawn = "".join(secrets.choice(_BCRYPT_LETTERS) for _ in range(52))
        # 22 letters are 132 bits for a salt of 128: only these can stand last.
        return f"{model[:7]}{drawn[:21]}{secrets.choice('.Oeu')}{drawn[21:]}"
    *parameters, salt, digest = model.split("$")
    return "$".join([*parameters, _drawn(salt), _drawn(digest)])


def nobodys_default(hasher: argon2.PasswordHasher) -> str:
    """As `nobodys`, where no hash is in use that could be the model: of the cost that `hasher` has."""
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    salt, digest = (_encoded(secrets.token_bytes(size)) for size in (hasher.salt_len, hasher.hash_len))
    return f"$argon2id$v={argon2.low_level.ARGON2_VERSION}${cost}${salt}${digest}"


def _drawn(encoded: str) -> str:
    return _encoded(secrets.token_bytes(len(encoded) * 3 // 4))


def _encoded(octets: bytes) -> str:
    return base64.b64encode(octets).decode().rstrip("=")
