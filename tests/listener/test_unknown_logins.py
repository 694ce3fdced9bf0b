"""A login that nobody has costs what a wrong password costs: the same kind of hash, of the same cost."""

import re
from pathlib import Path

import argon2
import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config import unusable_hash
from relay.listener import hashes
from relay.listener.authentication import PasswordChecker
from tests.support.clock import FakeClock
from tests.support.door import QUICK_HASH, Door, door
from tests.support.sasl import plain

DEARER = argon2.PasswordHasher(time_cost=2, memory_cost=16, parallelism=1, hash_len=24, salt_len=12)
OLDER = QUICK_HASH.hash("x").replace("argon2id", "argon2i")


def bcrypted(password: str, cost: int, prefix: str = "2b") -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode().replace("$2b$", f"${prefix}$")


def cost(hashed: str) -> str:
    """What a comparison with `hashed` costs: all of it but salt and digest, whose lengths stay."""
    if hashed.startswith("$2"):
        return f"{hashed[:7]} {len(hashed)}"
    *parameters, salt, digest = hashed.split("$")
    return f"{'$'.join(parameters)} {len(salt)} {len(digest)}"


class Seen:
    """Compares as the relay does, and notes what each comparison cost. Its clock stands, and nobody waits for it."""

    def __init__(self) -> None:
        self.costs: list[str] = []
        self.checker = PasswordChecker(Hurried(), QUICK_HASH, self._verify)

    def _verify(self, hasher: argon2.PasswordHasher, hashed: str, password: bytes) -> bool:
        self.costs.append(cost(hashed))
        return hashes.verify(hasher, hashed, password)

    async def cost_of(self, at: Door, user: str) -> list[str]:
        self.costs.clear()
        line = await at.knock()
        await line.say("EHLO c")
        reply = await line.say(f"AUTH PLAIN {plain(user, 'wrong')}")
        assert reply.startswith("535"), reply
        return list(self.costs)


class Hurried(FakeClock):
    async def sleep(self, seconds: float) -> None:
        await self.advance(seconds)


@pytest.mark.parametrize(
    "model", [QUICK_HASH.hash("x"), DEARER.hash("x"), OLDER, bcrypted("x", 4), bcrypted("x", 5, "2y")], ids=cost
)
def test_a_hash_of_nothing_is_compared_like_any_other(model: str) -> None:
    made = hashes.nobodys(model)
    assert cost(made) == cost(model)
    assert made != model
    assert not unusable_hash(made)
    # Not refused at once for its form: the work is done, and its result is another.
    if made.startswith("$2"):
        assert bcrypt.checkpw(b"x", made.encode()) is False
    else:
        with pytest.raises(argon2.exceptions.VerifyMismatchError):
            QUICK_HASH.verify(made, "x")


def test_without_a_model_it_is_what_hash_password_makes() -> None:
    assert cost(hashes.nobodys_default(QUICK_HASH)) == cost(QUICK_HASH.hash("x"))
    assert cost(hashes.nobodys_default(DEARER)) == cost(DEARER.hash("x"))


@given(st.binary(min_size=8, max_size=48), st.binary(min_size=12, max_size=64))
def test_salts_and_digests_of_any_length(salt: bytes, digest: bytes) -> None:
    model = f"$argon2id$v=19$m=8,t=1,p=1${hashes._encoded(salt)}${hashes._encoded(digest)}"
    assert cost(hashes.nobodys(model)) == cost(model)


CLIENTS = {
    "argon2": f"password_hash = '{DEARER.hash('secret')}'",
    "bcrypt": f"password_hash = '{bcrypted('secret', 5)}'",
    "htpasswd": 'htpasswd_file = "{file}"\nlogin = "known"',
}


@pytest.mark.parametrize("kind", CLIENTS)
async def test_a_stranger_costs_what_the_clients_cost(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "htpasswd"
    file.write_text(f"known:{bcrypted('secret', 4, '2y')}\n")
    table = CLIENTS[kind].replace("{file}", str(file))
    clients = f'[clients.known]\n{table}\nsenders = ["*"]\n[clients.plain]\npassword = "secret"\nsenders = ["*"]\n'
    seen = Seen()
    async with door(tmp_path, clients=clients, checker=seen.checker) as at:
        known = await seen.cost_of(at, "known")
        assert len(known) == 1
        for user in ("nobody", "admin", "", "plain"):
            assert await seen.cost_of(at, user) == known, user


async def test_where_hashes_differ_a_stranger_always_costs_what_one_of_them_does(tmp_path: Path) -> None:
    file = tmp_path / "htpasswd"
    file.write_text(f"one:{bcrypted('secret', 4)}\ntwo:{bcrypted('secret', 5)}\n")
    clients = (
        f'[clients.file]\nhtpasswd_file = "{file}"\nsenders = ["*"]\n'
        f"[clients.three]\npassword_hash = '{DEARER.hash('secret')}'\nsenders = [\"*\"]\n"
    )
    seen = Seen()
    async with door(tmp_path, clients=clients, checker=seen.checker) as at:
        known = {tuple(await seen.cost_of(at, user)) for user in ("one", "two", "three")}
        assert len(known) == 3
        strangers = {user: tuple(await seen.cost_of(at, user)) for user in (f"user{n}" for n in range(12))}
        assert set(strangers.values()) <= known
        assert len(set(strangers.values())) > 1, "one kind alone would tell who has another"
        for user, before in strangers.items():
            assert tuple(await seen.cost_of(at, user)) == before, "or asking twice would tell"


async def test_a_file_that_cannot_be_read_does_not_stop_who_needs_it_not(tmp_path: Path) -> None:
    secret = tmp_path / "hash"
    secret.write_text(DEARER.hash("secret"))
    clients = (
        f'[clients.a]\npassword_hash_file = "{secret}"\nsenders = ["*"]\n'
        f"[clients.b]\npassword_hash = '{bcrypted('secret', 4)}'\nsenders = [\"*\"]\n"
    )
    seen = Seen()
    async with door(tmp_path, clients=clients, checker=seen.checker) as at:
        secret.unlink()
        assert all(re.match(r"\$2b\$04", each) for each in await seen.cost_of(at, "nobody"))
