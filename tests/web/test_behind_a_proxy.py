"""The page by https and below a path of its own: every link, form, redirect, file and stream leads to where it is."""

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import urljoin, urlsplit

import httpx2
import pytest
from playwright.sync_api import expect

from tests.support.admin import link
from tests.support.browser import chromium, needs_chromium
from tests.support.certificates import ServerFiles, server_files
from tests.support.process import PATIENCE, RelayProcess, relay
from tests.support.way import way
from tests.web.parts import PAGE, mail, send

BASE = "/mail"  # the least convenient one: a page of ours has that name too
SINK = '[clients.app]\nnetworks = ["127.0.0.0/8"]\naccount = "sink"\n[accounts.sink]\nprovider = "sink"\n'
LATER = '[clients.narrow]\npassword = "a long secret"\nsenders = ["*"]\naccount = "office"\n'
ADDRESS = re.compile(r"""\s(href|src|action)="([^"]*)\"""")
VOLATILE = re.compile(r"note=|/logout|/raw|/source|/part/")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ServerFiles:
    return server_files(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, files: ServerFiles) -> Iterator[RelayProcess]:
    """A relay with a sink and a real account, its page at https://.../mail/."""
    web = f'base_path = "{BASE}"\n{files.toml}'
    with way(tmp_path_factory.mktemp("way")) as at:
        config = at.config(clients=SINK + LATER)
        config.write_text(config.read_text().replace("[web]\n", f"[web]\n{web}"))
        with relay(at.folder, "serve", "--config", str(config)) as process:
            process.wait_for("started")
            send(process, mail("With all", PAGE))
            send(process, mail("Plain"))
            yield process


@pytest.fixture(scope="module")
def browser(served: RelayProcess, files: ServerFiles) -> Iterator[httpx2.Client]:
    root = served.page.removesuffix(f"{BASE}/")
    with httpx2.Client(base_url=root, verify=files.authority.client, timeout=PATIENCE) as client:
        answer = client.get(link(served))
        assert (answer.status_code, answer.headers["location"]) == (303, f"{BASE}/")
        cookie = answer.headers["set-cookie"].lower()
        assert f"path={BASE}/" in cookie
        assert "secure" in cookie
        yield client


def test_every_link_leads_to_a_page_of_ours(browser: httpx2.Client) -> None:
    """All that can be reached from the first page, with each address only once per kind of page."""
    first = f"{BASE}/overview"
    seen, waiting, kinds = {first}, [first], set()
    while waiting:
        path = waiting.pop()
        answer = browser.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.headers.get('location')}"
        kinds.add(urlsplit(path).path.removeprefix(BASE).split("/")[1])
        if "html" not in answer.headers["content-type"] or urlsplit(path).path.endswith("/body"):
            continue
        for kind, found in ADDRESS.findall(unescape(answer.text)):
            if found.startswith(("https://example.com/", "#", "mailto:")):
                continue
            whole = urljoin(path, found)
            assert whole.startswith(f"{BASE}/"), f"{path} leads to {found}"
            plain = re.sub(r"#.*|[?&]page=\d+", "", whole)
            if kind != "action" and plain not in seen and not VOLATILE.search(plain):
                seen.add(plain)
                waiting.append(plain)
    pages = {"overview", "queue", "accounts", "clients", "configuration", "changes", "mail", "static", "metrics"}
    assert kinds >= {*pages, "api", ""}


@pytest.mark.parametrize(
    ("path", "data", "target"),
    [
        ("/queue", {"action": "hold", "back": "/queue?view=all"}, f"{BASE}/queue?view=all&note="),
        ("/accounts/office/refresh", {}, f"{BASE}/accounts/office?note="),
        ("/accounts/office/examine", {}, f"{BASE}/jobs/"),
        ("/mail", {"action": "read"}, f"{BASE}/mail?note="),
    ],
)
def test_a_form_leads_back(browser: httpx2.Client, path: str, data: dict[str, str], target: str) -> None:
    answer = browser.post(f"{BASE}{path}", data=data)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(target)


def test_whoever_is_not_logged_in_comes_to_the_login_and_back(served: RelayProcess, files: ServerFiles) -> None:
    with httpx2.Client(base_url=served.page, verify=files.authority.client) as stranger:
        answer = stranger.get("queue")
        assert answer.headers["location"] == f"{BASE}/login?next=%2Fqueue"
        assert stranger.get(answer.headers["location"].removeprefix(f"{BASE}/")).status_code == 200
        root = served.page.removesuffix(f"{BASE}/")
        assert stranger.get(f"{root}/queue").status_code == 404
        assert stranger.get(f"{root}{BASE}").headers["location"] == f"{BASE}/"
        assert stranger.get(f"{root}/readyz").status_code == stranger.get(f"{root}{BASE}/readyz").status_code == 200
        with pytest.raises(httpx2.TransportError):
            httpx2.get(served.page.replace("https:", "http:"), timeout=PATIENCE)


@pytest.mark.parametrize("stream", ["/events", "/mail/events", "/api/events"])
def test_news_come(browser: httpx2.Client, stream: str) -> None:
    with browser.stream("GET", f"{BASE}{stream}") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert next(answer.iter_lines()).startswith("retry:")


def test_what_the_sink_api_names_is_below_the_path(browser: httpx2.Client) -> None:
    found = browser.get(f"{BASE}/api/v1/search", params={"query": 'subject:"With all"'}).json()["messages"][0]
    page = browser.get(f"{BASE}/view/{found['ID']}.html").text
    (image,) = re.findall(rf'"?({BASE}/api/v1/message/\w+/part/[\d.]+)', page)
    assert browser.get(image).headers["content-type"] == "image/png"
    document = browser.get(f"{BASE}/api/admin/openapi.json").json()
    assert document["servers"] == [{"url": BASE}]


@needs_chromium
def test_a_browser_sees_news_and_opens_mail(served: RelayProcess, files: ServerFiles) -> None:
    with chromium() as opened:
        context = opened.new_context(ignore_https_errors=True)
        page = context.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        troubles: list[str] = []
        page.on("console", lambda line: troubles.append(line.text))
        page.goto(f"{served.page}mail")
        send(served, mail("By itself", "<p>Visible</p>"))
        page.get_by_role("link", name="By itself").click()
        expect(page.get_by_role("heading", name="By itself")).to_be_visible()
        assert f"{BASE}/mail/" in page.url
        expect(page.frame_locator("iframe.body").get_by_text("Visible")).to_be_visible()
        assert troubles == []
        context.close()
