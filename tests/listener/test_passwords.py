"""Passwords that are taken over from elsewhere: bcrypt hashes and htpasswd files."""

from pathlib import Path

import bcrypt
import pytest

from tests.support.door import QUICK_HASH, door
from tests.support.sasl import plain


def made(password: str, prefix: bytes = b"2b") -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode().replace("$2b$", f"${prefix.decode()}$")


async def login(at: object, user: str, password: str) -> str:
    line = await at.knock()  # type: ignore[attr-defined]
    await line.say("EHLO c")
    return str(await line.say(f"AUTH PLAIN {plain(user, password)}"))[:3]


@pytest.mark.parametrize("prefix", [b"2a", b"2b", b"2y"])
async def test_a_bcrypt_hash(tmp_path: Path, prefix: bytes) -> None:
    clients = f"[clients.printer]\npassword_hash = '{made('secret', prefix)}'\nsenders = [\"*\"]\n"
    async with door(tmp_path, clients=clients) as at:
        assert await login(at, "printer", "secret") == "235"
        assert await login(at, "printer", "Secret") == "535"


async def test_a_bcrypt_hash_sees_72_octets_like_everywhere(tmp_path: Path) -> None:
    clients = f"[clients.printer]\npassword_hash = '{made('x' * 72)}'\nsenders = [\"*\"]\n"
    async with door(tmp_path, clients=clients) as at:
        assert await login(at, "printer", "x" * 80) == "235"
        assert await login(at, "printer", "x" * 71) == "535"


async def test_the_users_of_a_file_are_one_client(tmp_path: Path) -> None:
    file = tmp_path / "htpasswd"
    file.write_text(f"# scanners\n\nlobby:{made('one')}\nattic:{QUICK_HASH.hash('two')}\nold:$apr1$x$y\n")
    file.chmod(0o600)
    clients = f'[clients.scanners]\nhtpasswd_file = "{file}"\nsenders = ["*"]\n[clients.app]\npassword = "three"\n'
    async with door(tmp_path, clients=clients) as at:
        assert await login(at, "lobby", "one") == "235"
        assert await login(at, "attic", "two") == "235"
        assert await login(at, "app", "three") == "235"
        for user, password in (("lobby", "two"), ("old", "x"), ("scanners", "one"), ("nobody", "one")):
            assert await login(at, user, password) == "535", user
        file.write_text(f"lobby:{made('new')}\n")
        assert await login(at, "lobby", "one") == "535"
        assert await login(at, "lobby", "new") == "235"
        file.unlink()
        assert await login(at, "lobby", "newer") == "454"


async def test_with_a_login_only_that_one_counts(tmp_path: Path) -> None:
    file = tmp_path / "htpasswd"
    file.write_text(f"lobby:{made('one')}\nattic:{made('two')}\n")
    clients = f'[clients.scanners]\nhtpasswd_file = "{file}"\nlogin = "lobby"\nsenders = ["*"]\n'
    async with door(tmp_path, clients=clients) as at:
        assert await login(at, "lobby", "one") == "235"
        assert await login(at, "attic", "two") == "535"
