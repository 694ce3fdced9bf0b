"""Mail that is stuck: whoever opens the page sees at once which mailbox it is, why, and what to do about it."""

from collections.abc import Iterator
from dataclasses import replace
from html import unescape

import pytest
from playwright.sync_api import expect

from relay.model import LaneStatus
from relay.sandbox import Fault
from relay.spool.history import Summary
from relay.web.looks import marked
from relay.web.stuck import trouble_of
from tests.support.admin import admin
from tests.support.browser import chromium, looking, needs_chromium
from tests.support.way import ANYONE, message, send, way
from tests.web.conftest import Running


@pytest.fixture(scope="module")
def stuck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A mailbox that Exchange does not let in: the first message was tried, the second waits behind it."""
    with way(tmp_path_factory.mktemp("stuck")) as at:
        at.stand_in.sandbox.faults.add(Fault(kind="auth_refused"))
        with at.relay(clients=ANYONE, queue='retry = ["1h"]') as process, admin(process) as browser:
            send(process, message("The first").as_bytes())
            process.wait_for("deferred")
            send(process, message("The second").as_bytes())
            process.wait_for("queued", 2)
            yield Running(process, at, browser)


def second(stuck: Running) -> str:
    """The id of the message that was never tried."""
    found: str = stuck.process.wait_for("queued", 2)["id"]
    return found


def test_the_overview_names_the_account_and_says_what_to_do(stuck: Running) -> None:
    text = unescape(stuck.browser.get("/overview").text)
    trouble = text[text.index("Needs attention") : text.index("Traffic")]
    assert '<a href="/accounts/office"><b>office</b></a> is paused, the next try is' in trouble
    assert '<a href="/queue?account=office">2 messages wait</a>' in trouble
    assert "535 5.7.3" in trouble
    assert "<code>relay doctor office</code>" in trouble
    assert 'href="/overview">1 trouble</a>' in text


def test_a_message_that_was_never_tried_says_why_it_waits(stuck: Running) -> None:
    row = unescape(stuck.browser.get("/queue", params={"view": "waiting"}).text)
    assert "The second" in row
    assert 'waits for <a href="/accounts/office">office</a>: 535 5.7.3' in row
    page = unescape(stuck.browser.get(f"/queue/{second(stuck)}").text)
    assert "Why it waits" in page
    assert "535 5.7.3" in page
    assert "<code>relay doctor office</code>" in page
    assert "No attempt yet" in page


def test_the_api_says_it_too(stuck: Running) -> None:
    found = {one["subject"]: one for one in stuck.browser.get("/api/admin/queue").json()["messages"]}
    assert found["The second"]["reason"] == ""
    assert found["The second"]["mailbox_trouble"].startswith("535 5.7.3")
    assert found["The first"]["mailbox_trouble"] is None
    assert found["The first"]["reason"].startswith("535 5.7.3")
    one = stuck.browser.get(f"/api/admin/queue/{second(stuck)}").json()
    assert one["mailbox_trouble"].startswith("535 5.7.3")
    assert [each["state"] for each in one["recipients"]] == ["pending"]


@needs_chromium
@pytest.mark.parametrize("width", [390, 820])
def test_what_mail_servers_say_makes_no_page_wider(stuck: Running, width: int) -> None:
    with chromium() as browser, looking(browser, width=width) as page:
        for name, value in stuck.browser.cookies.items():
            page.context.add_cookies([{"name": name, "value": value, "url": stuck.process.page}])
        for path in ("overview", "clients", "queue", f"queue/{second(stuck)}", "accounts/office"):
            page.goto(f"{stuck.process.page}{path}")
            expect(page.get_by_role("heading").first).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") == width, path
            cut = """(width) => [...document.querySelectorAll("main .card")].filter((one) => one.scrollWidth
                > one.clientWidth + 1 && getComputedStyle(one).overflowX !== "auto").map((one) => one.id)"""
            assert page.evaluate(cut, width) == [], path


def test_only_what_waits_for_that_mailbox_is_told_so() -> None:
    lane = LaneStatus("microsoft/a", ("office",), 0, 1.0, "535 no", None)
    waiting = Summary(
        *("one", "mail", "queued", "", "office", "app", "Me@Example.com", ("you@example.org",), "", "x"),
        *(1, 0, 0.0, 0.0, ""),
    )
    assert trouble_of([lane], waiting) is lane
    assert trouble_of([replace(lane, trouble="")], waiting) is None
    assert trouble_of([lane], replace(waiting, account="other")) is None
    assert trouble_of([lane], replace(waiting, reason="451 later")) is None
    assert trouble_of([lane], replace(waiting, state="held")) is None
    assert trouble_of([replace(lane, mailbox="me@example.com")], waiting) is not None
    assert trouble_of([replace(lane, mailbox="you@example.com")], waiting) is None


def test_advice_is_marked_and_stays_text() -> None:
    assert marked("run `relay doctor a` & put the *Value* in") == (
        "run <code>relay doctor a</code> &amp; put the <em>Value</em> in"
    )
    assert marked("`<b>` 2 * 3 * 4 <script>") == "<code>&lt;b&gt;</code> 2 * 3 * 4 &lt;script&gt;"
