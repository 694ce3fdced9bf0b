"""What clients asked to be told, passed on to servers that offer DSN (RFC 3461 5.2.1), and to no others."""

from dataclasses import replace

import pytest

from relay.model import DsnWishes, Outcome, Result
from tests.support.certificates import Authority
from tests.support.smtp_script import EXTENSIONS, QUIT, ScriptedServer, session
from tests.upstream.parts import account, message, sending

WISHES = DsnWishes(
    "HDRS", "job+2B7", {"a@x": "NEVER", "b@x": "SUCCESS,DELAY"}, {"b@x": "rfc822;B@x", "c@x": "utf-8;ü@x"}
)
REPLIES = "S: 250 ok\n250 ok\n250 ok\n550 5.1.1 no\n354 go"


async def sent(authority: Authority, script: list[str], wishes: DsnWishes | None) -> dict[str, Result]:
    given = message("a@x", "b@x", "c@x")
    given = replace(given, envelope=replace(given.envelope, dsn=wishes))
    async with (
        ScriptedServer(script, tls=authority.server()) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        return await upstream.send(given)


async def test_they_go_on_unchanged_and_are_the_servers_business_then(authority: Authority) -> None:
    script = session(
        "C: MAIL FROM:<office@contoso.com> SIZE=* RET=HDRS ENVID=job+2B7",
        "C: RCPT TO:<a@x> NOTIFY=NEVER",
        "C: RCPT TO:<b@x> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;B@x",
        "C: RCPT TO:<c@x>",
        "C: DATA",
        REPLIES,
        "CONTENT",
        "S: 250 2.0.0 OK",
        *QUIT,
        extensions=(*EXTENSIONS, "DSN"),
    )
    results = await sent(authority, script, WISHES)
    assert {address: result.passed_on for address, result in results.items()} == {
        "a@x": True,
        "b@x": True,
        "c@x": False,
    }
    assert results["c@x"].outcome is Outcome.FAILED


@pytest.mark.parametrize(("wishes", "offers"), [(WISHES, EXTENSIONS), (None, (*EXTENSIONS, "DSN"))])
async def test_nothing_is_said_where_nothing_is_offered_or_asked(
    authority: Authority, wishes: DsnWishes | None, offers: tuple[str, ...]
) -> None:
    commands = ["C: MAIL FROM:<office@contoso.com> SIZE=*", "C: RCPT TO:<a@x>", "C: RCPT TO:<b@x>", "C: RCPT TO:<c@x>"]
    script = session(*commands, "C: DATA", REPLIES, "CONTENT", "S: 250 2.0.0 OK", *QUIT, extensions=offers)
    results = await sent(authority, script, wishes)
    assert not any(result.passed_on for result in results.values())
