"""The sink's mail on the page: the list, the preview, what can be done; and that it keeps its door."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import httpx2
import pytest

from relay.web.pages import hostile, texts
from tests.support.process import PATIENCE, QUIET, RelayProcess, relay
from tests.web.parts import PAGE, hashed, mail, send


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[RelayProcess]:
    with relay(tmp_path, "serve", environ=QUIET) as process:
        process.wait_for("started")
        yield process


@pytest.fixture
def page(sink: RelayProcess) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=sink.page, follow_redirects=True, timeout=PATIENCE) as client:
        yield client


def ids(text: str) -> list[str]:
    return re.findall(r'name="id" value="(\w+)" aria', text)


def test_the_first_page_is_the_mail(sink: RelayProcess, page: httpx2.Client) -> None:
    assert "No mail yet" in page.get("/").text
    send(sink, mail("First"))
    send(sink, mail("Second"))
    shown = page.get("/").text
    assert shown.index("Second") < shown.index("First")
    assert "2 unread of 2" in shown
    assert "Queue" not in shown


def test_every_view_of_a_message(sink: RelayProcess, page: httpx2.Client) -> None:
    send(sink, mail("With all", PAGE))
    (one,) = ids(page.get("/mail").text)
    shown = page.get(f"/mail/{one}").text
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in shown
    assert "remote addresses blocked" in shown or "1 remote address blocked" in shown
    assert "<script>alert" not in shown
    text = page.get(f"/mail/{one}", params={"tab": "text"}).text
    assert '<a href="https://example.com/a?b=1&amp;c=2"' in text
    assert "multipart/mixed" in page.get(f"/mail/{one}", params={"tab": "source"}).text
    assert "Mime-Version" in page.get(f"/mail/{one}", params={"tab": "headers"}).text
    assert "image/png" in page.get(f"/mail/{one}", params={"tab": "parts"}).text
    delivery = unescape(page.get(f"/mail/{one}", params={"tab": "delivery"}).text)
    assert "hidden@example.com" in delivery
    assert "250 2.1.0" not in delivery
    said = unescape(page.get(f"/mail/{one}", params={"tab": "conversation"}).text).lower()
    assert said.index("s: 220 ") < said.index("rcpt to:<hidden@example.com>") < said.index("s: 354 ")
    assert page.get("/mail/nothing").status_code == 404


def test_the_frame_can_do_nothing(sink: RelayProcess, page: httpx2.Client) -> None:
    send(sink, mail("Hostile", PAGE))
    (one,) = ids(page.get("/mail").text)
    body = page.get(f"/mail/{one}/body")
    policy = body.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data:;")
    assert "http:" not in policy
    assert body.headers["x-dns-prefetch-control"] == "off"
    assert "data:image/png;base64," in body.text
    assert not re.search(r"(?i)<(meta|base|link)", body.text)
    assert 'target="_blank"' in body.text
    with_remote = page.get(f"/mail/{one}/body", params={"remote": "1"}).headers["content-security-policy"]
    assert "img-src data: http: https:;" in with_remote
    assert "script" not in with_remote
    assert "allow-scripts" not in with_remote


def test_a_part_is_saved_and_never_shown(sink: RelayProcess, page: httpx2.Client) -> None:
    send(sink, mail("Parts", PAGE))
    (one,) = ids(page.get("/mail").text)
    for part in re.findall(rf"/mail/{one}/part/([\d.]+)", page.get(f"/mail/{one}", params={"tab": "parts"}).text):
        answer = page.get(f"/mail/{one}/part/{part}")
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"].startswith("attachment")
        assert '"' not in answer.headers["content-disposition"]
    assert page.get(f"/mail/{one}/part/9").status_code == 404
    raw = page.get(f"/mail/{one}/raw")
    assert raw.headers["content-disposition"].startswith("attachment")
    assert b"Subject: Parts" in raw.content


def test_search_reading_and_deleting(sink: RelayProcess, page: httpx2.Client) -> None:
    for subject in ("Apple", "Banana", "Cherry"):
        send(sink, mail(subject))
    (one,) = ids(page.get("/mail", params={"q": "subject:banana"}).text)
    page.get(f"/mail/{one}")
    assert len(ids(page.get("/mail", params={"q": "is:unread"}).text)) == 2
    page.post("/mail", data={"action": "unread", "id": one})
    assert len(ids(page.get("/mail", params={"q": "is:unread"}).text)) == 3
    assert "at most" in page.get("/mail", params={"q": "x " * 900}).text
    assert "1 message deleted" in page.post("/mail", data={"action": "delete", "id": one}).text
    asked = page.post("/mail", data={"action": "delete", "everything": "yes"})
    assert "Delete 2 messages?" in asked.text
    assert len(ids(page.get("/mail").text)) == 2
    page.post("/mail", data={"action": "delete", "everything": "yes", "sure": "yes"})
    assert ids(page.get("/mail").text) == []


def test_the_door_of_the_sink_is_the_door_of_its_pages(tmp_path: Path) -> None:
    environ = {**QUIET, "RELAY_WEB__SINK_PASSWORD_HASH": hashed("for tests")}
    with relay(tmp_path, "serve", environ=environ) as process:
        process.wait_for("started")
        for path in ("mail", "mail/x", "mail/x/body", "mail/events"):
            assert httpx2.get(f"{process.page}{path}").status_code == 401
        assert httpx2.get(f"{process.page}mail", auth=("ci", "for tests")).status_code == 200
        # What is given to a test suite opens nothing else.
        assert httpx2.get(f"{process.page}queue", auth=("ci", "for tests")).status_code != 200
        assert httpx2.get(f"{process.page}api/admin/health", auth=("ci", "for tests")).status_code == 401


def test_another_site_deletes_nothing(sink: RelayProcess, page: httpx2.Client) -> None:
    send(sink, mail("Stays"))
    form = {"action": "delete", "everything": "yes", "sure": "yes"}
    assert page.post("/mail", data=form, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert len(ids(page.get("/mail").text)) == 1


def test_news_of_mail_come_as_it_comes(sink: RelayProcess, page: httpx2.Client) -> None:
    with page.stream("GET", "/mail/events") as stream:
        lines = stream.iter_lines()
        next(lines)
        send(sink, mail("News"))
        assert any("mail" in line for line in lines if line.startswith("data:"))


def test_remote_addresses_are_found() -> None:
    page = '<img src=http://a.example/1><td background="//b.example/2"><p style="background:url(https://c.example/3)">'
    assert hostile.remote_addresses(page) == ["http://a.example/1", "//b.example/2", "https://c.example/3"]
    assert hostile.remote_addresses('<a href="http://a.example/"><img src="cid:x">') == []


def test_links_in_text_are_links_and_nothing_else_is() -> None:
    assert texts.linked("<b>x</b> javascript:alert(1)") == "&lt;b&gt;x&lt;/b&gt; javascript:alert(1)"
    assert 'href="https://a.example/x"' in texts.linked("(https://a.example/x).")
    assert "&#34;onmouseover" in texts.linked('https://a.example/"onmouseover="alert(1)')
