"""What begins on the page and ends elsewhere, in a real browser: a sign-in, caught mail sent on, work on the queue."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from relay.sandbox import Fault
from tests.support.admin import link
from tests.support.browser import chromium, looking, needs_chromium
from tests.support.process import QUIET, RelayProcess, relay
from tests.support.way import Way, connect, message, send, way
from tests.web.parts import PASSWORD, hashed

pytestmark = needs_chromium
LATER = "later@example.org"
SINK = """
[accounts.catch]
provider = "sink"
[sink]
release_to = ["@example.org"]
[clients.app]
networks = ["127.0.0.0/8", "::1/128"]
account = "catch"
[clients.real]
password = "hunter2"
account = "office"
senders = ["*"]
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    with way(tmp_path_factory.mktemp("way")) as found:
        yield found


@pytest.fixture(scope="module")
def process(at: Way) -> Iterator[RelayProcess]:
    """The account `office`, for which nobody has signed in yet, is `signer`; caught mail goes through `office`."""
    secret = f'client_secret = "{at.stand_in.sandbox.settings.client_secret}"'
    user = at.stand_in.account("signer", "", "rate = []").replace(secret, 'grant = "authorization_code"')
    at.stand_in.sandbox.faults.add(Fault(kind="reply", at="rcpt", recipient=LATER, reply="451 4.7.0 Later"))
    with at.relay(clients=SINK + user, queue='retry = ["1h"]') as running:
        yield running


@pytest.fixture(scope="module")
def session(process: RelayProcess, browser: Browser) -> Iterator[list[dict[str, str]]]:
    """Whoever has opened the one-time link."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(link(process))
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    yield [{"name": one["name"], "value": one["value"], "url": process.page} for one in context.cookies()]
    context.close()


@pytest.fixture
def page(browser: Browser, session: list[dict[str, str]]) -> Iterator[Page]:
    with looking(browser) as opened:
        opened.context.add_cookies(session)  # type: ignore[arg-type]
        yield opened


def test_a_user_signs_in_at_the_provider_and_comes_back(
    process: RelayProcess, browser: Browser, session: list[dict[str, str]], at: Way
) -> None:
    context = browser.new_context(ignore_https_errors=True)  # the stand-in's certificate is nobody's
    context.add_cookies(session)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{process.page}accounts/signer")
    expect(page.get_by_role("heading", name="Nobody has signed in")).to_be_visible()
    page.get_by_role("button", name="Sign in").click()
    with context.expect_page() as opening:
        page.get_by_role("link", name="Open the provider's page").click()
    provider = opening.value
    expect(provider.locator("select[name=user]")).to_be_visible()
    assert provider.evaluate("window.opener") is None
    provider.locator("button[value=accept]").click()
    expect(provider.locator("body")).to_contain_text(re.compile("sign|close", re.IGNORECASE))
    expect(page.get_by_text("all is well").nth(1)).to_be_visible(timeout=20_000)
    page.get_by_role("link", name="signer").first.click()
    expect(page.get_by_text(at.stand_in.sandbox.settings.mailbox).first).to_be_visible()
    expect(page.get_by_text("Signed in", exact=True)).to_be_visible()
    expect(page.get_by_text("Nobody has signed in")).to_be_hidden()
    context.close()
    process.wait_for("change", what="authorize", target="signer")


def test_a_caught_message_is_sent_on_with_a_token(process: RelayProcess, page: Page, at: Way) -> None:
    send(process, message("Released by hand").as_bytes(), "customer@elsewhere.com")
    page.goto(f"{process.page}mail")
    page.get_by_role("link", name="Released by hand").click()
    page.get_by_role("link", name="Conversation").click()
    expect(page.locator("pre.source")).to_contain_text("TO:<customer@elsewhere.com>", ignore_case=True)
    page.get_by_role("link", name="Delivery").click()
    page.get_by_label("To (allowed").fill("tester@elsewhere.com")
    page.get_by_label("Through").select_option("office")
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_text("do not match the allowlist")).to_be_visible()
    page.get_by_label("To (allowed").fill("tester@example.org")
    page.get_by_label("Through").select_option("office")
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_text("It is on its way")).to_be_visible()
    expect(page.get_by_text("through office to tester@example.org")).to_be_visible()
    process.wait_for("sent", recipients="<tester@example.org>")
    page.goto(f"{process.page}changes")
    expect(page.get_by_text("release test mail")).to_be_visible()
    (arrived,) = [one for one in at.received if one.subject == "Released by hand"]
    assert (arrived.mailbox, list(arrived.recipients)) == (
        at.stand_in.sandbox.settings.mailbox,
        ["tester@example.org"],
    )


def test_the_queue_is_worked_on(process: RelayProcess, page: Page) -> None:
    with connect(process) as client:
        client.login("real", "hunter2")
        client.sendmail("app@example.com", [LATER], message("To be worked on").as_bytes())
    process.wait_for("deferred", recipients=f"<{LATER}>")
    page.goto(f"{process.page}queue?view=retrying")
    page.get_by_role("row", name="To be worked on").get_by_role("checkbox").check()
    page.get_by_role("button", name="Hold").click()
    expect(page.get_by_text("1 message is held")).to_be_visible()
    page.get_by_role("link", name=re.compile("^Held 1")).click()
    page.get_by_role("link", name="To be worked on").click()
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_text("1 message is released")).to_be_visible()
    process.wait_for("deferred", 2, recipients=f"<{LATER}>")
    page.get_by_role("button", name="Retry now").click()
    expect(page.get_by_text("1 message is due now")).to_be_visible()
    process.wait_for("deferred", 3, recipients=f"<{LATER}>")
    page.get_by_role("button", name="Drop").click()
    expect(page.get_by_role("heading", name="Drop 1 message?")).to_be_visible()
    page.get_by_role("button", name="Drop it").click()
    expect(page.get_by_text("1 message is dropped")).to_be_visible()
    page.goto(f"{process.page}changes")
    for what in ("queue hold", "queue release", "queue retry", "queue drop"):
        expect(page.get_by_text(what).first).to_be_visible()


def test_a_test_message_shows_its_steps_as_they_come(process: RelayProcess, page: Page, at: Way) -> None:
    page.goto(f"{process.page}accounts/office")
    page.get_by_label("To", exact=True).fill("steps@example.org")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_role("heading", name="Test message by office")).to_be_visible()
    for step in ("for a token", "got a token", "to <steps@example.org>", "sent: 250 2.0.0"):
        expect(page.locator("ol.lines")).to_contain_text(step)
    expect(page.locator(".head").get_by_text("all is well")).to_be_visible()
    assert any("steps@example.org" in one.recipients for one in at.received)
    assert process.wait_for("change", what="test", target="office")


def test_a_password_lets_in_and_the_way_out_is_out(tmp_path: Path, browser: Browser) -> None:
    environ = {**QUIET, "RELAY_WEB__PASSWORD_HASH": hashed(PASSWORD)}
    with relay(tmp_path, "serve", environ=environ) as running, looking(browser, hostile=True) as page:
        running.wait_for("started")
        page.goto(f"{running.page}queue?view=failed")
        page.get_by_label("Password").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_text("That is not the password")).to_be_visible()
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Queue")).to_be_visible()
        assert page.url.endswith("/queue?view=failed")
        page.get_by_role("button", name="Log out").click()
        page.goto(f"{running.page}queue")
        expect(page.get_by_label("Password")).to_be_visible()
