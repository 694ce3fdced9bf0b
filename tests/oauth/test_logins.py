"""Logins of mailbox users: what the token endpoint is asked, how often, and what is known without it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.config import Secret
from relay.oauth import TokenError
from relay.oauth.access_token import Granted
from relay.oauth.gate import Gate
from relay.oauth.logins import REFUSED, REMEMBERED, Answer, MailboxLogins, Verdict
from relay.oauth.pacing import PAUSE
from relay.oauth.request import Grant, TokenRequest
from relay.oauth.store import CONSENT_NEEDED, ConsentStore
from tests.support import stored
from tests.support.clock import FakeClock
from tests.support.stored import Wrapped

ANN, BOB = "ann@contoso.com", "bob@contoso.com"
ENDPOINT = "https://login.example.com/token"
PASSWORD = b"the password"


def refusal(error: str = "invalid_grant", *codes: int, temporary: bool = False) -> TokenError:
    return TokenError(f"people: refused: {error}", error=error, temporary=temporary, codes=codes, hint="Do this.")


class Case:
    """The logins of one account at an endpoint that notes what it is shown."""

    def __init__(self, database: Wrapped, folder: Path) -> None:
        self.clock = FakeClock()
        self.database = database
        self.store: ConsentStore = stored.store(database, folder)
        self.forms: list[dict[str, str]] = []
        self.refusals: list[TokenError] = []
        self.refresh_token = "refresh-1"
        self.go = asyncio.Event()
        self.go.set()
        self.redeemed: list[tuple[str, str]] = []
        self.running = self.most_running = 0
        self.logins = MailboxLogins(
            "people",
            self.store,
            Gate(self.ask, self.clock).ask,
            client_id=Secret("the client"),
            token_endpoint=ENDPOINT,
            scopes=("SMTP.Send", "offline_access"),
            scope_delimiter=" ",
            clock=self.clock,
            redeemed=lambda mailbox, granted: self.redeemed.append((mailbox, granted.value)),
        )

    async def ask(self, grant: Grant) -> Granted:
        request = await grant.add_to(TokenRequest(ENDPOINT, {}))
        self.forms.append(dict(request.form))
        assert request.form["password"] in request.secrets, "no error may show it"
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        await self.go.wait()
        self.running -= 1
        if self.refusals:
            raise self.refusals.pop(0)
        return Granted(f"access-{len(self.forms)}", 3600.0, refresh_token=self.refresh_token)

    async def check(self, mailbox: str = ANN, password: bytes = PASSWORD, login: str = "") -> Answer:
        return await self.logins.check(mailbox, login or mailbox, password)

    async def verdict(self, mailbox: str = ANN, password: bytes = PASSWORD) -> Verdict:
        return (await self.check(mailbox, password)).verdict


@pytest.fixture
async def case(tmp_path: Path) -> AsyncIterator[Case]:
    async with stored.database(tmp_path) as database:
        found = Case(database, tmp_path)
        yield found
        await found.logins.close()


async def test_one_exchange_brings_a_sealed_sign_in(case: Case) -> None:
    assert (await case.check(login="Ann@Contoso.com")).verdict is Verdict.RIGHT
    assert case.forms == [
        {
            "grant_type": "password",
            "username": "Ann@Contoso.com",
            "password": "the password",
            "scope": "SMTP.Send offline_access",
        }
    ]
    kept = await case.store.find("people", ANN)
    assert kept is not None
    assert case.store.token_of(kept) == "refresh-1"
    assert (kept.token_endpoint, kept.client_id, kept.scope) == (ENDPOINT, "the client", "SMTP.Send offline_access")
    assert await case.store.find("people") is None, "it is that mailbox's and not the account's"
    assert case.redeemed == [(ANN, "access-1")]


async def test_a_right_password_is_known_for_a_while(case: Case) -> None:
    assert await case.verdict() is Verdict.RIGHT
    assert await case.verdict() is Verdict.RIGHT
    assert len(case.forms) == 1
    assert await case.verdict(BOB) is Verdict.RIGHT
    assert len(case.forms) == 2, "another user's password is another question"
    await case.clock.advance(REMEMBERED + 1)
    assert await case.verdict() is Verdict.RIGHT
    assert len(case.forms) == 3


async def test_a_sign_in_that_has_ended_is_asked_for_anew(case: Case) -> None:
    assert await case.verdict() is Verdict.RIGHT
    kept = await case.store.find("people", ANN)
    assert kept is not None
    await case.store.refused(kept, "", "revoked", state=CONSENT_NEEDED)
    case.refusals.append(refusal())
    assert await case.verdict() is Verdict.WRONG, "the old password is not right because it once was"


async def test_a_refusal_is_remembered_and_another_password_is_not_refused_with_it(case: Case) -> None:
    case.refusals.append(refusal("invalid_grant", 50126))
    assert await case.check() == Answer(Verdict.WRONG, "people: refused: invalid_grant — Do this.", "")
    assert await case.verdict() is Verdict.WRONG
    assert len(case.forms) == 1
    assert await case.verdict(password=b"another") is Verdict.RIGHT
    await case.clock.advance(REFUSED + 1)
    assert await case.verdict() is Verdict.RIGHT


@pytest.mark.parametrize(
    ("code", "advice"), [(50126, ""), (50034, ""), (50076, "AADSTS50076: Do this."), (50055, "AADSTS50055: Do this.")]
)
async def test_advice_only_for_who_knows_the_password(case: Case, code: int, advice: str) -> None:
    case.refusals.append(refusal("invalid_grant", code))
    assert (await case.check()).advice == advice


async def test_no_password_is_no_question(case: Case) -> None:
    assert await case.verdict(password=b"") is Verdict.WRONG
    assert case.forms == []


@pytest.mark.parametrize(
    ("password", "sent"), [("pässwörd".encode(), "pässwörd"), (b"p\xe4ss", "päss"), (b" x ", " x ")]
)
async def test_passwords_as_devices_write_them(case: Case, password: bytes, sent: str) -> None:
    assert await case.verdict(password=password) is Verdict.RIGHT
    assert case.forms[0]["password"] == sent


async def test_an_endpoint_in_trouble_is_left_alone_by_all_together(case: Case) -> None:
    case.refusals.append(refusal("unreachable", temporary=True))
    for mailbox in (ANN, BOB, ANN):
        assert await case.verdict(mailbox) is Verdict.LATER
    assert len(case.forms) == 1
    await case.clock.advance(PAUSE - 1)
    assert await case.verdict(BOB) is Verdict.LATER
    await case.clock.advance(2)
    assert await case.verdict(BOB) is Verdict.RIGHT
    assert len(case.forms) == 2


async def test_a_locked_user_is_told_to_come_later_and_asks_for_nobody_else(case: Case) -> None:
    case.refusals.append(refusal("invalid_grant", 50053, temporary=True))
    assert await case.verdict() is Verdict.LATER
    assert await case.verdict() is Verdict.LATER
    assert await case.verdict(BOB) is Verdict.RIGHT
    assert len(case.forms) == 2


async def test_one_exchange_in_flight_for_a_login(case: Case) -> None:
    case.go.clear()
    same = [asyncio.create_task(case.check()) for _ in range(5)]
    other = asyncio.create_task(case.check(password=b"another"))
    await case.clock.settle()
    assert len(case.forms) == 1
    case.go.set()
    assert {(await task).verdict for task in (*same, other)} == {Verdict.RIGHT}
    assert (len(case.forms), case.most_running) == (2, 1)


async def test_who_hangs_up_does_not_cost_the_refresh_token(case: Case) -> None:
    case.go.clear()
    waiting = asyncio.create_task(case.check())
    await case.clock.settle()
    waiting.cancel()
    await asyncio.wait({waiting})
    case.go.set()
    assert await case.verdict() is Verdict.RIGHT
    assert len(case.forms) == 1


async def test_a_stop_ends_what_waits(case: Case) -> None:
    case.go.clear()
    waiting = asyncio.create_task(case.check())
    await case.clock.settle()
    await case.logins.close()
    assert (await waiting).verdict is Verdict.LATER


async def test_without_a_refresh_token_nothing_is_kept(case: Case) -> None:
    case.refresh_token = ""
    answer = await case.check()
    assert answer.verdict is Verdict.LATER
    assert "accounts.people.oauth.scopes" in answer.reason
    assert await case.store.find("people", ANN) is None


async def test_what_cannot_be_stored_is_no_login(case: Case) -> None:
    case.database.before = 1
    assert await case.verdict() is Verdict.LATER
    assert case.redeemed == []
    assert await case.verdict() is Verdict.RIGHT
