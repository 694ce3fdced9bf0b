"""A new sign-in ends the wait of its mailbox's mail, whoever kept it."""

import asyncio
from pathlib import Path

import pytest

from relay.config import Secret, Store
from relay.database.sqlite import SqliteDatabase
from relay.model import Clock
from relay.oauth import ConsentStore, Mailboxes, MailboxTokens, TokenSource
from relay.oauth.access_token import Granted
from relay.oauth.errors import TokenError, consent_missing
from relay.oauth.store import SignIn
from relay.seal import Sealer
from relay.service.sign_ins import SignIns, take_over_key
from relay.service.tokens import Tokens
from relay.spool import Queue
from tests.support import stored
from tests.support.clock import FakeClock
from tests.support.process import PATIENCE

ANN = "ann@x.org"


class Provider:
    """Gives a token once somebody has signed in."""

    def __init__(self) -> None:
        self.asked = 0
        self.signed_in = False

    async def fetch(self) -> Granted:
        self.asked += 1
        if not self.signed_in:
            raise consent_missing("office")
        return Granted("token", 3600.0)


async def refused(source: TokenSource) -> None:
    try:
        await source.get()
    except TokenError:
        return
    raise AssertionError("a token was given")


async def test_a_sign_in_beside_this_process_is_used_within_a_second(tmp_path: Path) -> None:
    clock, office, ann = FakeClock(), Provider(), Provider()
    database = SqliteDatabase(tmp_path / "relay.db")
    store = stored.store(database, tmp_path)
    source = TokenSource("office", office.fetch, clock)
    mailboxes = MailboxTokens(lambda mailbox: TokenSource(mailbox, ann.fetch, clock))
    tokens = Tokens({"office": {"smtp": source, "graph": source}}, {"people": Mailboxes(mailboxes)})
    resumed: list[Queue] = []
    given = SignIn("office", "r", "id", "https://login/token", "scope")
    await store.keep(SignIn("office", "old", "id", "https://login/token", "scope", mailbox="before"))
    sign_ins = SignIns(store, clock, tokens, resumed.append)
    await sign_ins.look()
    work = asyncio.create_task(sign_ins.run())
    await refused(source)
    await refused(mailboxes.of(ANN))
    await refused(source)
    assert (office.asked, resumed) == (1, []), "the endpoint is left alone after a refusal"
    office.signed_in = ann.signed_in = True
    await store.keep(given)
    await store.keep(SignIn("people", "r", "id", "https://login/token", "scope", mailbox=ANN))
    async with asyncio.timeout(PATIENCE):
        while len(set(resumed)) < 2:
            await clock.advance(1)
            await asyncio.sleep(0.01)  # a look reads in a thread
    assert set(resumed) == {Queue("office"), Queue("people", ANN)}
    assert (await source.get()).value == "token"
    assert (await mailboxes.of(ANN).get()).value == "token"
    await clock.advance(5)
    assert len(set(resumed)) == 2
    work.cancel()
    await asyncio.wait([work])
    await tokens.close()
    await database.close()


async def test_a_login_ends_the_wait_at_once(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "relay.db")
    mailboxes = MailboxTokens(lambda mailbox: TokenSource(mailbox, Provider().fetch, Clock()))
    resumed: list[Queue] = []
    tokens = Tokens({}, {"people": Mailboxes(mailboxes)})
    SignIns(stored.store(database, tmp_path), Clock(), tokens, resumed.append)
    mailboxes.redeemed(ANN, Granted("token", 3600.0))
    assert resumed == [Queue("people", ANN)]
    assert (await mailboxes.of(ANN).get()).value == "token"
    await database.close()


async def test_a_changed_key_takes_everything_over_and_says_that_the_old_one_can_go(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with stored.database(tmp_path) as database:
        await stored.store(database, tmp_path).keep(stored.SIGN_IN)
        old, new = Secret(file=tmp_path / "store.key"), Secret("0f" * 32)
        plain = Store(key=new)
        both = Store(key=new, key_previous=old)
        for settings, told in (
            (plain, []),
            (both, ["1 stored sign-ins were sealed"]),
            (both, ["nothing is sealed with the previous key any more: remove key_previous from [store]"]),
        ):
            caplog.clear()
            await take_over_key(settings, ConsentStore(database, Sealer(settings, tmp_path / "unused")))
            assert [record.getMessage()[: len(text)] for record, text in zip(caplog.records, told, strict=True)] == told
        alone = ConsentStore(database, Sealer(plain, tmp_path / "unused"))
        kept = await alone.find("office")
        assert kept is not None
        assert alone.token_of(kept) == "refresh-1"
