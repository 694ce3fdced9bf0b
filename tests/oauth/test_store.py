"""The table of sign-ins: sealed, leased to one at a time, and never poorer after an answer."""

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.config import Secret, Store
from relay.oauth.store import CONSENT_NEEDED, OK, Consent, ConsentStore, LeasedError
from relay.seal import Sealer, SealError
from tests.support import stored
from tests.support.stored import SIGN_IN, Wrapped


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Wrapped]:
    async with stored.database(tmp_path) as opened:
        yield opened


@pytest.fixture
def store(database: Wrapped, tmp_path: Path) -> ConsentStore:
    return stored.store(database, tmp_path)


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def leased(store: ConsentStore, owner: str = "one") -> Consent:
    found = await store.lease("office", "", owner, 60)
    assert found is not None
    return found


async def kept(store: ConsentStore) -> Consent:
    found = await store.find("office")
    assert found is not None
    return found


async def test_a_sign_in_is_kept_sealed(store: ConsentStore, tmp_path: Path) -> None:
    await store.keep(SIGN_IN)
    found = await kept(store)
    assert store.token_of(found) == "refresh-1"
    assert (found.user, found.client_id, found.token_endpoint) == (
        "noreply@contoso.com",
        "the client",
        found.token_endpoint,
    )
    assert (found.scope, found.state, found.error) == ("SMTP.Send offline_access", OK, "")
    assert 1_700_000_000 < found.obtained_at == found.used_at
    octets = on_disk(tmp_path)
    assert b"refresh-1" not in octets
    assert b"the client" in octets
    assert found.sealed not in repr(found)


async def test_there_is_none(store: ConsentStore) -> None:
    assert await store.find("office") is None
    assert await store.lease("office", "", "one", 60) is None
    assert await store.all() == []


async def test_each_mailbox_of_an_account_has_its_own(store: ConsentStore) -> None:
    for mailbox in ("b@contoso.com", "", "a@contoso.com"):
        await store.keep(dataclasses.replace(SIGN_IN, mailbox=mailbox, refresh_token=f"of {mailbox}"))
    assert [(one.mailbox, store.token_of(one)) for one in await store.all()] == [
        ("", "of "),
        ("a@contoso.com", "of a@contoso.com"),
        ("b@contoso.com", "of b@contoso.com"),
    ]


async def test_one_row_cannot_stand_in_for_another(store: ConsentStore) -> None:
    await store.keep(SIGN_IN)
    with pytest.raises(SealError):
        store.token_of(dataclasses.replace(await kept(store), account="other"))


async def test_one_owner_at_a_time_by_the_database_s_clock(store: ConsentStore, database: Wrapped) -> None:
    await store.keep(SIGN_IN)
    database.now = "1800000000.0"
    await leased(store)
    await leased(store)  # its own lease is in nobody's way
    with pytest.raises(LeasedError) as caught:
        await leased(store, "two")
    assert caught.value.seconds == 60
    database.now = "1800000061.0"
    await leased(store, "two")


async def test_use_ends_the_lease_and_keeps_what_came(store: ConsentStore) -> None:
    await store.keep(SIGN_IN)
    assert await store.used(await leased(store), "one", "refresh-2")
    assert store.token_of(await leased(store, "two")) == "refresh-2"


async def test_without_a_new_token_the_old_one_stays(store: ConsentStore) -> None:
    """Google sends none."""
    await store.keep(SIGN_IN)
    assert await store.used(await leased(store), "one", "")
    assert store.token_of(await kept(store)) == "refresh-1"


async def test_a_refusal_takes_nothing_away(store: ConsentStore) -> None:
    await store.keep(SIGN_IN)
    assert await store.refused(await leased(store), "one", "AADSTS70008: expired", state=CONSENT_NEEDED)
    found = await leased(store, "two")
    assert (found.state, found.error) == (CONSENT_NEEDED, "AADSTS70008: expired")
    assert store.token_of(found) == "refresh-1"
    assert await store.used(found, "two", "")
    assert ((await kept(store)).state, (await kept(store)).error) == (OK, "")


async def test_only_an_answer_is_a_use(store: ConsentStore, database: Wrapped) -> None:
    """A provider ends what nobody uses, and trouble on the way to it is no use."""
    database.now = "1000.0"
    await store.keep(SIGN_IN)
    database.now = "2000.0"
    assert await store.refused(await leased(store), "one", "no connection", state=OK)
    assert (await kept(store)).used_at == 1000.0
    assert await store.used(await leased(store), "one", "")
    assert (await kept(store)).used_at == 2000.0
    database.now = "3000.0"
    assert await store.refused(await leased(store), "one", "AADSTS70008: expired", state=CONSENT_NEEDED)
    assert (await kept(store)).used_at == 3000.0, "from when on it is left alone"


async def test_a_new_sign_in_goes_before_the_answer_to_an_old_one(store: ConsentStore) -> None:
    await store.keep(SIGN_IN)
    old = await leased(store)
    await store.keep(dataclasses.replace(SIGN_IN, refresh_token="new"))
    assert not await store.used(old, "one", "rotated from the old one")
    assert not await store.refused(old, "one", "revoked", state=CONSENT_NEEDED)
    found = await leased(store, "two")
    assert (store.token_of(found), found.state) == ("new", OK)


async def test_a_changed_key_takes_over_with_the_next_use(database: Wrapped, tmp_path: Path) -> None:
    await stored.store(database, tmp_path).keep(SIGN_IN)
    old, new = Secret(file=tmp_path / "store.key"), Secret("0f" * 32)
    store = ConsentStore(database, Sealer(Store(key=new, key_previous=old), tmp_path / "unused"))
    assert await store.used(await leased(store), "one", "")
    alone = ConsentStore(database, Sealer(Store(key=new), tmp_path / "unused"))
    assert alone.token_of(await kept(alone)) == "refresh-1"


async def test_all_that_the_old_key_opens_is_sealed_with_the_new_one(database: Wrapped, tmp_path: Path) -> None:
    before = stored.store(database, tmp_path)
    for mailbox in ("", "a@contoso.com"):
        await before.keep(dataclasses.replace(SIGN_IN, mailbox=mailbox))
    foreign = ConsentStore(database, Sealer(Store(key=Secret("aa" * 32)), tmp_path / "unused"))
    await foreign.keep(dataclasses.replace(SIGN_IN, mailbox="b@contoso.com"))
    old, new = Secret(file=tmp_path / "store.key"), Secret("0f" * 32)
    store = ConsentStore(database, Sealer(Store(key=new, key_previous=old), tmp_path / "unused"))
    held = await leased(store)
    assert await store.seal_anew() == (2, 1)
    alone = ConsentStore(database, Sealer(Store(key=new), tmp_path / "unused"))
    assert [alone.token_of(one) for one in await alone.all() if one.mailbox != "b@contoso.com"] == ["refresh-1"] * 2
    assert await alone.used(held, "one", "refresh-2"), "a request that was under way is none the poorer"
    assert alone.token_of(await kept(alone)) == "refresh-2"
    assert await store.seal_anew() == (0, 1)
    other = await foreign.find("office", "b@contoso.com")
    assert other is not None
    assert foreign.token_of(other) == "refresh-1", "what neither key opens stays as it is"


async def test_with_the_wrong_key_nothing_is_overwritten(database: Wrapped, tmp_path: Path) -> None:
    right = stored.store(database, tmp_path)
    await right.keep(SIGN_IN)
    wrong = ConsentStore(database, Sealer(Store(key=Secret("0f" * 32)), tmp_path / "unused"))
    consent = await leased(wrong)
    with pytest.raises(SealError):
        wrong.token_of(consent)
    with pytest.raises(SealError):
        await wrong.used(consent, "one", "")
    assert right.token_of(await kept(right)) == "refresh-1"
