"""Accounts, clients, configuration, overview: what they show, what they begin, and that no secret is among it."""

import re
import smtplib
import time
from html import unescape

import pytest

from tests.support.process import PATIENCE
from tests.support.way import connect
from tests.web.conftest import Running


def finished(running: Running, address: str) -> str:
    """The page of a job once it has ended."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        text = unescape(running.browser.get(address).text)
        if "Give up" not in text:
            return text
        time.sleep(0.05)
    raise AssertionError(f"it does not end: {text}")


def test_an_account_tells_how_it_is_doing(running: Running) -> None:
    for path in ("/accounts", "/accounts/office"):
        text = unescape(running.browser.get(path).text)
        assert "works" in text
        assert re.search(r"good, ends <time[^>]*>in \d", text)
    assert "client_credentials" in text
    assert "Last error" in text


def test_test_mail_promises_none_where_no_client_feeds_a_sink(running: Running) -> None:
    """What is sent by the example that a sink shows would leave through a real account."""
    text = unescape(running.browser.get("/mail").text)
    assert "no client's account is a sink" in text
    assert "curl" not in text


def test_no_page_has_a_secret(running: Running) -> None:
    secret = running.at.stand_in.sandbox.settings.client_secret
    pages = ["/", "/queue", "/accounts", "/accounts/office", "/clients", "/configuration?all=yes", "/metrics"]
    for path in pages:
        text = running.browser.get(path).text
        assert secret not in text
        assert "a long secret" not in text


def test_an_unknown_account(running: Running) -> None:
    assert running.browser.get("/accounts/nobody").status_code == 404
    assert running.browser.post("/accounts/nobody/test").status_code == 404
    assert "no such thing" in running.browser.post("/accounts/office/burn").text


def test_a_token_is_refreshed(running: Running) -> None:
    before = len([each for each in running.process.events if each.get("event") == "token"])
    answer = running.browser.post("/accounts/office/refresh")
    assert "new token" in answer.text
    running.process.wait_for("token", before + 1)


def test_a_test_message_tells_its_steps(running: Running) -> None:
    answer = running.browser.post("/accounts/office/test", data={"to": "me@example.org", "from": ""})
    text = finished(running, answer.url.path)
    for part in ("got a token", "to <me@example.org>", "sent: 250 2.0.0", "all is well"):
        assert part in text
    assert any("me@example.org" in one.recipients for one in running.at.received)


def test_an_examination_tells_its_findings(running: Running) -> None:
    text = finished(running, running.browser.post("/accounts/office/examine").url.path)
    for step in ("configuration", "token endpoint", "claims", "connection", "sender"):
        assert f"<b>{step}</b>" in text, text


def test_a_job_that_is_not_known(running: Running) -> None:
    assert running.browser.get("/jobs/nothing").status_code == 404


def test_clients_tell_who_sent_and_who_was_refused_why(running: Running) -> None:
    with connect(running.process) as session:
        session.login("narrow", "a long secret")
        with pytest.raises(smtplib.SMTPSenderRefused):
            session.sendmail("other@example.com", ["x@example.org"], b"Subject: no\r\n\r\nno\r\n")
    with connect(running.process) as session, pytest.raises(smtplib.SMTPAuthenticationError):
        session.login("narrow", "wrong")
    text = unescape(running.browser.get("/clients").text)
    assert "other@example.com" in text
    assert "clients.narrow.senders" in text
    assert "An ordinary one" in text or "Once more" in text or "Later" in text
    assert "the login or its password is wrong" in text
    only = unescape(running.browser.get("/clients", params={"client": "app"}).text)
    assert "clients.narrow.senders" not in only


def test_the_configuration_tells_each_value_and_its_origin(running: Running) -> None:
    written = unescape(running.browser.get("/configuration").text)
    assert "relay.toml" in written
    assert "queue.retry" in written
    assert "queue.keep_sent" not in written
    everything = running.browser.get("/configuration", params={"all": "yes"}).text
    assert "queue.keep_sent" in everything
    assert "queue.retry" not in running.browser.get("/configuration", params={"q": "accounts"}).text


def test_the_overview_draws_what_came_and_went(running: Running) -> None:
    text = running.browser.get("/overview").text
    assert re.search(r'<rect class="accepted"', text)
    assert re.search(r'<rect class="sent"', text)
    assert re.search(r'<rect class="failed"', text)
    assert "Waiting mail by age" in text
    assert running.browser.get("/overview", params={"span": "day"}).status_code == 200


def test_news_come_as_they_happen(running: Running) -> None:
    with running.browser.stream("GET", "/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        next(lines)
        running.browser.post("/accounts/office/examine")
        assert any("work" in line for line in lines if line.startswith("data:"))
