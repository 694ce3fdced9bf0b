"""Who gets into the administration, and how: every way in, and every way that must not be one."""

from pathlib import Path

import httpx2
import pytest

from tests.support.admin import admin, link
from tests.support.process import QUIET, RelayProcess, relay
from tests.web.conftest import Running
from tests.web.parts import PASSWORD, hashed

PAGES = ["/overview", "/queue", "/queue/x", "/accounts", "/clients", "/configuration", "/changes", "/events"]


def anonymous(process: RelayProcess) -> httpx2.Client:
    return httpx2.Client(base_url=process.page)


@pytest.mark.parametrize("path", PAGES)
def test_a_stranger_is_sent_to_the_login(running: Running, path: str) -> None:
    with anonymous(running.process) as client:
        answer = client.get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login?next=%2F")
    assert "ordinary" not in answer.text


@pytest.mark.parametrize("path", ["/queue", "/accounts/office/refresh", "/accounts/office/test", "/jobs/x"])
def test_a_stranger_changes_nothing(running: Running, path: str) -> None:
    with anonymous(running.process) as client:
        assert client.post(path, data={"action": "drop", "everything": "yes", "sure": "yes"}).status_code == 401


def test_the_first_page_is_friendly_and_tells_nothing_of_mail(running: Running) -> None:
    with anonymous(running.process) as client:
        answer = client.get("/")
    assert answer.status_code == 200
    assert "curl" in answer.text
    assert "ordinary" not in answer.text
    assert "office" not in answer.text


def test_a_link_works_once(running: Running) -> None:
    used = link(running.process)
    with httpx2.Client() as client:
        answer = client.get(used)
    assert answer.status_code == 403
    assert "used already" in answer.text
    assert "set-cookie" not in answer.headers


def test_the_cookie_is_kept_from_scripts_and_other_sites(tmp_path: Path) -> None:
    with relay(tmp_path, "serve", environ=QUIET) as process:
        answer = httpx2.get(link(process))
        cookie = answer.headers["set-cookie"].lower()
        assert answer.status_code == 303
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        again = httpx2.post(f"{process.page}login", data={"link": "new"})
        assert again.status_code == 429  # one was written a moment ago


def test_a_link_can_be_opened_where_every_address_is_bound(tmp_path: Path) -> None:
    with relay(tmp_path, "serve", environ={**QUIET, "RELAY_WEB__BIND": "0.0.0.0:0"}) as process:
        assert link(process).startswith("http://localhost:")


def test_logging_out_ends_the_session(tmp_path: Path) -> None:
    with relay(tmp_path, "serve", environ=QUIET) as process, admin(process) as browser:
        kept = dict(browser.cookies)
        assert browser.get("/queue").url.path == "/queue"
        browser.post("/logout")
        assert httpx2.get(f"{process.page}queue", cookies=kept).status_code == 303


def test_a_password_opens_the_page_and_the_api(tmp_path: Path) -> None:
    environ = {**QUIET, "RELAY_WEB__PASSWORD_HASH": hashed(PASSWORD)}
    with relay(tmp_path, "serve", environ=environ) as process, anonymous(process) as client:
        process.wait_for("started")
        assert "one-time" not in process.output
        wrong = client.post("/login", data={"password": "wrong"})
        assert wrong.status_code == 403
        assert "not the password" in wrong.text
        right = client.post("/login", data={"password": PASSWORD, "next": "/queue?view=failed"})
        assert (right.status_code, right.headers["location"]) == (303, "/queue?view=failed")
        assert client.get("/queue").status_code == 200
        metrics = f"{process.page}metrics"
        assert httpx2.get(metrics, auth=("prometheus", PASSWORD)).status_code == 200
        assert httpx2.get(f"{process.page}queue", auth=("any", "wrong")).status_code == 401
        assert PASSWORD not in process.output


@pytest.mark.parametrize("target", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:x"])
def test_a_login_leads_nowhere_else(tmp_path: Path, target: str) -> None:
    environ = {**QUIET, "RELAY_WEB__PASSWORD_HASH": hashed(PASSWORD)}
    with relay(tmp_path, "serve", environ=environ) as process, anonymous(process) as client:
        process.wait_for("started")
        answer = client.post("/login", data={"password": PASSWORD, "next": target})
        assert answer.headers["location"] == "/"


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
    ],
)
def test_a_page_of_another_site_changes_nothing(running: Running, headers: dict[str, str]) -> None:
    answer = running.browser.post("/queue", data={"action": "hold", "everything": "yes"}, headers=headers)
    assert answer.status_code == 403


def test_another_name_is_refused_even_with_a_session(running: Running) -> None:
    assert running.browser.get("/queue", headers={"host": "evil.example"}).status_code == 421


def test_every_answer_has_a_strict_policy(running: Running) -> None:
    for path in ("/", "/queue", "/login", "/accounts", "/nothing"):
        policy = running.browser.get(path).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy


def test_metrics_name_accounts_and_are_not_for_everybody(running: Running) -> None:
    assert "relay_sent_total" in running.browser.get("/metrics").text


def test_static_files_may_be_kept_as_long_as_they_are_the_same(running: Running) -> None:
    page = running.browser.get("/").text
    style = page.split('rel="stylesheet" href="')[1].split('"')[0]
    assert "immutable" in running.browser.get(style).headers["cache-control"]
    assert running.browser.get("/static/old/style.css").headers["cache-control"] == "no-cache"
    assert running.browser.get("/static/old/../../view.py").status_code == 404


BROWSER = {"accept": "text/html,application/xhtml+xml"}


@pytest.mark.parametrize(
    ("form", "page"),
    [
        ("/queue", "%2Fqueue"),
        ("/accounts/office/refresh", "%2Faccounts%2Foffice"),
        ("/configuration/reload", "%2Fconfiguration"),
        ("/jobs/x", "%2Fjobs%2Fx"),
    ],
)
def test_a_form_that_comes_too_late_leads_to_the_login(running: Running, form: str, page: str) -> None:
    with anonymous(running.process) as client:
        client.cookies.set("relay_session", "one that has ended")
        answer = client.post(form, headers=BROWSER)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/login?next={page}")
        assert "Your session has ended" in client.get(answer.headers["location"]).text
        assert "Your session has ended" not in running.browser.get("/login").text


def test_the_login_says_for_what(running: Running) -> None:
    with anonymous(running.process) as client:
        assert "<code>/queue</code> needs a login" in client.get("/login?next=%2Fqueue").text
        assert "needs a login" not in client.get("/login").text
    assert "You are logged in" in running.browser.get("/login").text


def test_an_address_that_is_none(running: Running) -> None:
    with anonymous(running.process) as client:
        for who in (client, running.browser):
            answer = who.get("/nowhere", headers=BROWSER)
            assert answer.status_code == 404
            assert "There is no page at this address" in answer.text
            assert 'class="brand"' in answer.text
        assert client.get("/api/admin/nowhere").status_code == 401
    assert running.browser.get("/api/admin/nowhere", headers=BROWSER).text == "404 page not found"
    assert running.browser.get("/nowhere").text == "404 page not found"


def test_light_and_dark_can_be_chosen(running: Running) -> None:
    with anonymous(running.process) as client:
        assert "data-theme" not in client.get("/").text
        answer = client.post("/theme", data={"theme": "dark", "back": "/login?next=%2Fqueue"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Fqueue")
        assert '<html lang="en" data-theme="dark">' in client.get("/").text
        assert client.post("/theme", data={"theme": '"><script>'}).headers["location"] == "/"
        assert "data-theme" not in client.get("/").text
        assert client.post("/theme", data={"theme": "light", "back": "//evil.example"}).headers["location"] == "/"
    answer = httpx2.get(running.process.page, headers={"cookie": 'relay_theme="><script>'})
    assert "data-theme" not in answer.text
