"""The page in a real browser: each view clicked through, news, keys, no script, narrow windows, and hostile mail."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, Route, expect

from tests.support.admin import link
from tests.support.browser import Tracker, chromium, looking, needs_chromium
from tests.support.process import QUIET, RelayProcess, relay
from tests.support.way import message
from tests.support.way import send as send_mail
from tests.web.conftest import Running
from tests.web.parts import mail, send

pytestmark = needs_chromium

# What mail has been seen to try. AT is the tracker's address.
HOSTILE = """<html><head><base href="AT/base/"><meta http-equiv="refresh" content="0; url=AT/refresh">
<link rel="stylesheet" href="AT/style.css"><link rel="prefetch" href="AT/prefetch"><link rel="dns-prefetch" href="AT">
<link rel="preload" as="image" href="AT/preload"><style>@import "AT/import.css"; @font-face { font-family: x;
src: url(AT/font) } p { font-family: x; background: url(AT/background) }</style></head>
<body onload="fetch('AT/onload')" background="AT/body"><p>Harmless text</p>
<script>new Image().src = 'AT/script'; top.location = 'AT/top'; alert(1)</script><script src="AT/script.js"></script>
<img src="AT/pixel.gif" srcset="AT/srcset 2x"><img src="x" onerror="fetch('AT/onerror')">
<svg xmlns="http://www.w3.org/2000/svg" onload="fetch('AT/svg')"><image href="AT/svgimage" width="9" height="9"/>
<script>fetch('AT/svgscript')</script><animate onbegin="fetch('AT/animate')" attributeName="x" dur="1s"/></svg>
<iframe src="AT/iframe"></iframe><iframe srcdoc="<script>fetch('AT/srcdoc')</script>"></iframe>
<object data="AT/object"></object><embed src="AT/embed"><video src="AT/video" poster="AT/poster" autoplay></video>
<audio src="AT/audio" autoplay></audio><form action="AT/form"><input autofocus onfocus="this.form.submit()">
<button id="send">Send</button></form><details open ontoggle="fetch('AT/toggle')"><summary>x</summary></details>
<a href="javascript:fetch('AT/href')" id="js">script link</a></body></html>"""


_WIDEST = """(width) => [...document.querySelectorAll("main *")]
    .filter((one) => one.getBoundingClientRect().right > width).map((one) => one.outerHTML.slice(0, 150)).slice(0, 9)"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[RelayProcess]:
    with relay(tmp_path, "serve", environ=QUIET) as process:
        process.wait_for("started")
        yield process


@pytest.fixture(scope="module")
def session(running: Running) -> list[dict[str, str]]:
    """The cookie of who is logged in, for a browser."""
    return [
        {"name": one, "value": value, "url": running.process.page} for one, value in running.browser.cookies.items()
    ]


def test_hostile_mail_runs_nothing_and_fetches_nothing(sink: RelayProcess, browser: Browser) -> None:
    with Tracker() as tracker, looking(browser, hostile=True) as page:
        send(sink, mail("Hostile", HOSTILE.replace("AT", tracker.address)))
        page.goto(sink.page)
        page.get_by_role("link", name="Hostile").click()
        frame = page.frame_locator("iframe.body")
        expect(frame.get_by_text("Harmless text")).to_be_visible()
        frame.locator("#send").click()
        frame.locator("#js").click(modifiers=["Control"])
        page.wait_for_timeout(500)  # what would come, comes at once
        assert tracker.hits == []
        assert page.url.startswith(sink.page)
        page.get_by_role("link", name="Load remote content").click()
        expect(frame.get_by_text("Harmless text")).to_be_visible()
        page.wait_for_timeout(500)
        asked = {hit.split("?")[0] for hit in tracker.hits}
        assert "/pixel.gif" in asked or "/srcset" in asked
        images = {"/pixel.gif", "/srcset", "/background", "/body", "/svgimage", "/poster"}
        assert asked <= images | {"/style.css", "/import.css", "/font"}


def test_hostile_mail_opened_by_its_own_address_does_nothing_either(sink: RelayProcess, browser: Browser) -> None:
    with Tracker() as tracker:
        hostile = HOSTILE.replace("AT", tracker.address)
        made = mail("Hostile", hostile)
        picture = f'<svg xmlns="http://www.w3.org/2000/svg"><script>fetch("{tracker.address}")</script></svg>'
        made.add_attachment(picture.encode(), maintype="image", subtype="svg+xml", filename="a.svg")
        made.add_attachment(hostile.encode(), maintype="text", subtype="html", filename="a.html")
        send(sink, made)
        api = f"{sink.page}api/v1/message/latest"
        told = httpx2.get(api).json()
        parts = [f"{api}/part/{each['PartID']}" for each in told["Attachments"]]
        assert len(parts) == 3
        for address in (f"{sink.page}view/latest.html", f"{sink.page}view/latest.html?embed=1", *parts):
            with looking(browser, hostile=True) as page:
                page.goto(address)
                page.wait_for_timeout(300)  # what would come, comes at once
                assert page.url == address
        assert httpx2.get(f"{sink.page}view/latest.html").headers["x-dns-prefetch-control"] == "off"
        assert tracker.hits == []


def test_hostile_fields_are_text_everywhere(sink: RelayProcess, browser: Browser) -> None:
    bad = '"><img src=x onerror="document.title=1"><script>document.title=1</script>'
    with looking(browser) as page:
        made = mail("x")
        del made["From"], made["Subject"]
        made["From"], made["Subject"] = f'"{bad[2:40]}" <a@example.com>', bad
        made.add_attachment(b"x", maintype="text", subtype="plain", filename=bad)
        send(sink, made)
        page.goto(link(sink))
        for view in ("text", "source", "headers", "parts", "delivery"):
            page.goto(f"{sink.page}mail")
            page.locator("[data-open]").first.click()
            page.locator(".preview .tabs").get_by_role("link", name=re.compile(view, re.IGNORECASE)).first.click()
            assert page.locator("main img").count() == 0
            assert "smtp-oauth-relay" in page.title()
        page.goto(f"{sink.page}queue")
        assert page.locator("main img").count() == 0


def test_mail_shows_up_by_itself_and_is_read_with_keys(sink: RelayProcess, browser: Browser) -> None:
    with looking(browser) as page:
        page.goto(sink.page)
        expect(page.get_by_text("No mail yet")).to_be_visible()
        send(sink, mail("By itself"))
        expect(page.get_by_role("link", name="By itself")).to_be_visible()
        send(sink, mail("The second"))
        expect(page.get_by_text("2 unread of 2")).to_be_visible()
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="By itself")).to_be_visible()
        assert "/mail/" in page.url
        page.go_back()
        expect(page.get_by_role("heading", name="By itself")).to_be_hidden()
        page.keyboard.press("/")
        page.keyboard.type("subject:second")
        page.keyboard.press("Enter")
        expect(page.get_by_text("1 found")).to_be_visible()


def test_all_of_it_works_without_script(sink: RelayProcess, browser: Browser) -> None:
    send(sink, mail("Plain"))
    with looking(browser, script=False) as page:
        page.goto(sink.page)
        page.get_by_role("link", name="Plain").click()
        expect(page.get_by_role("heading", name="Plain")).to_be_visible()
        page.get_by_role("link", name="Source").click()
        expect(page.locator("pre.source")).to_contain_text("Subject: Plain")
        page.get_by_role("button", name="Delete", exact=True).last.click()
        expect(page.get_by_text("1 message deleted")).to_be_visible()
        page.goto(link(sink))
        page.get_by_role("link", name="Queue").click()
        expect(page.get_by_role("heading", name="Queue")).to_be_visible()


def test_the_administration_is_clicked_through(
    running: Running, browser: Browser, session: list[dict[str, str]]
) -> None:
    with looking(browser) as page:
        page.context.add_cookies(session)  # type: ignore[arg-type]
        page.goto(f"{running.process.page}overview")
        page.get_by_role("link", name="Queue").first.click()
        page.get_by_role("link", name=re.compile("^Failed")).last.click()
        page.get_by_role("link", name="For nobody").click()
        expect(page.get_by_text("550 5.1.1").first).to_be_visible()
        page.keyboard.press("u")
        expect(page.get_by_role("heading", name="Queue")).to_be_visible()
        page.get_by_role("link", name="Accounts").click()
        page.get_by_role("link", name="office").first.click()
        page.get_by_role("button", name="Examine").click()
        expect(page.get_by_text("something has to be done").or_(page.get_by_text("all is well").nth(1))).to_be_visible()
        expect(page.locator("ol.steps li").first).to_be_visible()
        page.get_by_role("link", name="Clients").click()
        expect(page.get_by_text("narrow").first).to_be_visible()
        page.get_by_role("link", name="Configuration").click()
        expect(page.get_by_text("queue.retry")).to_be_visible()


def test_the_queue_follows_what_happens(running: Running, browser: Browser, session: list[dict[str, str]]) -> None:
    with looking(browser) as page:
        page.context.add_cookies(session)  # type: ignore[arg-type]
        page.goto(f"{running.process.page}queue?view=sent")
        send_mail(running.process, message("It comes by itself").as_bytes())
        expect(page.get_by_role("link", name="It comes by itself")).to_be_visible()


def test_what_came_before_the_stream_began_is_shown_too(
    running: Running, browser: Browser, session: list[dict[str, str]]
) -> None:
    def begin_late(stream: Route) -> None:
        already = sum(each.get("event") == "sent" for each in running.process.events)
        send_mail(running.process, message("Between page and stream").as_bytes())
        running.process.wait_for("sent", count=already + 1)
        stream.continue_()

    with looking(browser) as page:
        page.context.add_cookies(session)  # type: ignore[arg-type]
        page.route("**/events", begin_late, times=1)
        page.goto(f"{running.process.page}queue?view=sent", wait_until="commit")
        expect(page.get_by_role("link", name="Between page and stream")).to_be_visible()


@pytest.mark.parametrize("width", [360, 800])
def test_no_page_is_wider_than_a_narrow_window(
    running: Running, browser: Browser, session: list[dict[str, str]], width: int
) -> None:
    identifier = running.id_of("failed")
    paths = ["overview", "queue", f"queue/{identifier}", "accounts", "accounts/office", "clients", "configuration"]
    with looking(browser, width=width, dark=True) as page:
        page.context.add_cookies(session)  # type: ignore[arg-type]
        for path in paths:
            page.goto(f"{running.process.page}{path}")
            wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wider <= 0, f"{path}: {page.evaluate(_WIDEST, width)}"


def test_every_control_has_a_name(running: Running, browser: Browser, session: list[dict[str, str]]) -> None:
    nameless = """() => [...document.querySelectorAll("a, button, input:not([type=hidden]), iframe")]
        .filter((one) => !(one.textContent.trim() || one.ariaLabel || one.title || one.labels?.length))
        .map((one) => one.outerHTML)"""
    with looking(browser) as page:
        page.context.add_cookies(session)  # type: ignore[arg-type]
        for path in ("overview", "queue", "accounts/office", "clients", "configuration"):
            page.goto(f"{running.process.page}{path}")
            assert page.evaluate(nameless) == [], path


def test_whoever_is_logged_out_meanwhile_is_told(sink: RelayProcess, browser: Browser) -> None:
    with looking(browser) as page:
        page.goto(link(sink))
        with page.expect_response(lambda answer: answer.request.resource_type == "fetch"):
            page.goto(f"{sink.page}queue")  # and what it asks for once the stream of news is open
        page.context.request.post(f"{sink.page}logout", max_redirects=0)
        assert page.get_by_text("Your session has ended").is_hidden()
        send(sink, mail("News"))
        expect(page.get_by_text("Your session has ended")).to_be_visible()
        page.get_by_role("link", name="Log in again").click()
        expect(page.get_by_role("heading", name="Administration")).to_be_visible()
        assert page.url.endswith("/login?next=%2Fqueue")


def test_mail_is_chosen_read_and_made_unread_again(sink: RelayProcess, browser: Browser) -> None:
    with looking(browser) as page:
        page.goto(sink.page)
        for subject in ("One", "Two"):
            send(sink, mail(subject))
        expect(page.get_by_text("2 unread of 2")).to_be_visible()
        page.get_by_label("all", exact=True).check()  # the list was exchanged since the page was loaded
        page.get_by_role("button", name="Read", exact=True).click()
        expect(page.get_by_text("2 messages marked as read")).to_be_visible()
        page.get_by_role("link", name="Two").click()
        expect(page.get_by_role("heading", name="Two")).to_be_visible()
        page.keyboard.press("r")
        expect(page.get_by_text("1 unread of 2")).to_be_visible()
        page.keyboard.press("?")
        expect(page.get_by_text("unread again")).to_be_visible()


def test_mail_stays_unread_on_an_open_page(sink: RelayProcess, browser: Browser) -> None:
    send(sink, mail("Open"))
    with looking(browser) as page:
        page.goto(sink.page)
        page.get_by_role("link", name="Open").click()
        expect(page.get_by_role("heading", name="Open")).to_be_visible()
        page.context.request.put(f"{sink.page}api/v1/messages", data={"IDs": [], "Read": False})
        expect(page.get_by_text("1 unread of 1")).to_be_visible()  # the page has fetched itself, and has not read it


def test_a_theme_is_chosen_where_one_is(sink: RelayProcess, browser: Browser) -> None:
    send(sink, mail("Themed"))
    ground = "getComputedStyle(document.body).backgroundColor"
    with looking(browser) as page:
        page.goto(sink.page)
        page.get_by_role("link", name="Themed").click()
        expect(page.get_by_role("heading", name="Themed")).to_be_visible()
        light = page.evaluate(ground)
        page.get_by_role("button", name="Theme").click()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        expect(page.get_by_role("heading", name="Themed")).to_be_visible()
        assert page.evaluate(ground) != light


def test_news_that_come_late_do_not_unmark_what_was_opened_meanwhile(sink: RelayProcess, browser: Browser) -> None:
    send(sink, mail("First"))
    with looking(browser) as page:
        held: dict[str, Route] = {}
        page.goto(f"{sink.page}mail")
        page.request.put(f"{sink.page}api/v1/messages", data={"Read": True})
        expect(page.get_by_text("unread of")).to_be_hidden()

        def hold(route: Route) -> None:
            name = "list" if route.request.url.endswith("/mail") else "message"
            if name in held:
                route.continue_()
            else:
                held[name] = route

        page.route(re.compile(r"/mail(/\w{16})?$"), hold)
        with page.expect_request("**/mail/0*"):
            page.get_by_role("link", name="First").click()
        with page.expect_request("**/mail"):
            send(sink, mail("Second"))
        held["message"].continue_()
        expect(page.get_by_role("heading", name="First")).to_be_visible()
        held["list"].continue_()
        expect(page.get_by_role("link", name="Second")).to_be_visible()
        expect(page.locator(".mails li.chosen")).to_contain_text("First")


@pytest.mark.parametrize("width", [1000, 1060, 1280])
def test_the_list_of_mail_has_room_for_its_buttons(sink: RelayProcess, browser: Browser, width: int) -> None:
    for number in range(12):
        send(sink, mail(f"Number {number}"))
    cut = """() => [...document.querySelectorAll(".maillist button, .mailhead + .tabs a")].filter((one) =>
        one.getBoundingClientRect().right > one.closest(".maillist, .preview").getBoundingClientRect().right)"""
    with looking(browser, width=width) as page:
        page.goto(f"{sink.page}mail")
        page.get_by_role("link", name="Number 11").click()
        expect(page.get_by_role("link", name="Conversation")).to_be_visible()
        assert page.evaluate(f"({cut})().map((one) => one.textContent)") == []
