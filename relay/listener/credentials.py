"""Whom a login names, and what its password is compared with."""

import contextlib
from typing import NamedTuple

from relay.config import SecretError, unusable_hash
from relay.listener.reception import Parts
from relay.policy import ClientPolicy


class Known(NamedTuple):
    """A client, None for a login that nobody has, with its hash or its plain password."""

    client: ClientPolicy | None
    hashed: str | None = None
    plain: str | None = None


def find(parts: Parts, login: str, peer: str) -> Known:
    """What is known of `login`, from there. A client's own login goes before one in a file. Raises SecretError."""
    client = parts.policy.client_for_login(parts.name, login, peer)
    if client is None or client.authenticate is not None:
        for other in parts.policy.clients_with_users(parts.name, peer):
            hashed = other.htpasswd.hash_of(login) if other.htpasswd else None
            if hashed is not None:
                return Known(other, hashed)
        return Known(client)
    if client.htpasswd is not None:
        return Known(client, client.htpasswd.hash_of(login))
    hashed = client.password_hash.read() if client.password_hash else None
    return Known(client, hashed, client.password.read() if client.password else None)


def everybodys(parts: Parts) -> list[str]:
    """Every hash that a login is compared with at this listener."""
    found: list[str] = []
    for client in parts.policy.clients_with_login(parts.name):
        with contextlib.suppress(SecretError):  # whose file cannot be read hears of it when he logs in
            if client.htpasswd is not None:
                found += client.htpasswd.hashes()
            elif client.password_hash is not None:
                found.append(client.password_hash.read())
    return [one for one in found if not unusable_hash(one)]
