"""Whoever sees badly, or uses no mouse, can work with the page: contrast (WCAG 2.2, 1.4.3), focus, names, landmarks."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import chromium, looking, needs_chromium
from tests.support.process import QUIET, relay
from tests.web.conftest import Running
from tests.web.parts import PAGE, mail, send

pytestmark = needs_chromium
PATHS = ("overview", "queue", "accounts", "accounts/office", "clients", "configuration", "changes", "login")

# Every text that is shown against what is behind it: [ratio, text] of those below 4.5, or 3 for large text.
CONTRAST = """() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgba = (colour) => {
        canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255];
    };
    const over = (top, under) => [0, 1, 2].map((n) => top[n] * top[3] + under[n] * (1 - top[3])).concat(1);
    const behind = (one) => {
        const found = [];
        for (let at = one; at; at = at.parentElement) {
            const colour = rgba(getComputedStyle(at).backgroundColor);
            found.push(colour);
            if (colour[3] === 1) break;
        }
        return found.reduceRight((under, top) => over(top, under), rgba("canvas"));
    };
    const light = (colour) => colour.slice(0, 3).map((part) => part / 255)
        .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, n) => sum + part * [0.2126, 0.7152, 0.0722][n], 0);
    const bad = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const one = walker.currentNode.parentElement, text = walker.currentNode.textContent.trim();
        const style = getComputedStyle(one), box = one.getBoundingClientRect();
        if (!text || box.width < 2 || one.closest("noscript, script, .unseen, .skip")) continue;
        const ground = behind(one);
        const ink = rgba(style.color);
        let opacity = 1;
        for (let at = one; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
        const [a, b] = [light(over([...ink.slice(0, 3), ink[3] * opacity], ground)), light(ground)];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), size = parseFloat(style.fontSize);
        const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
        if (ratio < (large ? 3 : 4.5)) bad.push([ratio.toFixed(2), text.slice(0, 40)]);
    }
    return bad;
}"""
# What the keyboard reaches must be seen to be reached.
FOCUS = """() => {
    const style = getComputedStyle(document.activeElement);
    return [document.activeElement.tagName, style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2];
}"""
ORDER = """() => [...document.querySelectorAll("h1, h2, h3, h4")].map((one) => Number(one.tagName[1]))"""
UNLABELLED = """() => [...document.querySelectorAll("table")].filter((one) => one.tHead
    && ![...one.tHead.querySelectorAll("th")].every((head) => head.scope === "col")).map((one) => one.outerHTML)"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_stands_out_from_its_ground(running: Running, browser: Browser, *, dark: bool) -> None:
    with looking(browser, dark=dark) as page:
        for name, value in running.browser.cookies.items():
            page.context.add_cookies([{"name": name, "value": value, "url": running.process.page}])
        found = {}
        for path in (*PATHS, f"queue/{running.id_of('failed')}"):
            page.goto(f"{running.process.page}{path}")
            page.wait_for_function("document.getAnimations().length === 0")
            found[path] = page.evaluate(CONTRAST)
        assert {path: bad for path, bad in found.items() if bad} == {}


def test_the_keyboard_goes_through_and_is_seen(running: Running, browser: Browser) -> None:
    with looking(browser) as page:
        for name, value in running.browser.cookies.items():
            page.context.add_cookies([{"name": name, "value": value, "url": running.process.page}])
        for path in PATHS:
            page.goto(f"{running.process.page}{path}")
            page.evaluate("document.activeElement.blur()")
            assert page.locator("html").get_attribute("lang") == "en"
            assert page.locator("main").count() == page.locator("h1").count() == 1
            order = page.evaluate(ORDER)
            assert all(after - before <= 1 for before, after in itertools.pairwise(order)), (path, order)
            assert page.evaluate(UNLABELLED) == []
            for _ in range(12):
                page.keyboard.press("Tab")
                what, seen = page.evaluate(FOCUS)
                assert seen or what == "BODY", f"{path}: {what}"


def test_caught_mail_is_as_easy_to_read(tmp_path: Path, browser: Browser) -> None:
    with relay(tmp_path, "serve", environ=QUIET) as process:
        process.wait_for("started")
        send(process, mail("With all", PAGE))
        send(process, mail("Unread"))
        for dark in (False, True):
            with looking(browser, dark=dark, hostile=True) as page:
                page.goto(f"{process.page}mail")
                page.get_by_role("link", name="With all").click()
                for tab in ("HTML", "Text", "Source", "Headers", "Parts", "Delivery"):
                    page.locator(".preview .tabs").first.get_by_role("link", name=tab, exact=True).click()
                    expect(page.locator(f'.preview .tabs a[aria-current]:text-is("{tab}")')).to_be_visible()
                    assert page.evaluate(CONTRAST) == [], tab
                    assert page.evaluate(UNLABELLED) == []
