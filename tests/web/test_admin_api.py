"""The administration's API: what it tells, what it changes, what it refuses, and that its document tells the truth."""

import re
import time
from typing import Any

import httpx2
import pytest

from relay.sandbox import Fault
from tests.support.process import PATIENCE
from tests.support.way import connect, message, send
from tests.web.conftest import GONE, Running

ROOT = "/api/admin"


def get(running: Running, path: str, **query: str) -> Any:
    answer = running.browser.get(f"{ROOT}{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def post(running: Running, path: str, body: Any, status: int = 200) -> Any:
    answer = running.browser.post(f"{ROOT}{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_the_document_names_operations_that_are_there_and_let_no_stranger_in(running: Running) -> None:
    told = get(running, "/openapi.json")
    assert told["openapi"].startswith("3.1")
    with httpx2.Client(base_url=running.process.page) as stranger:
        for path, methods in told["paths"].items():
            place = re.sub(r"{\w+}", "x", path)
            for method, operation in methods.items():
                assert operation["summary"]
                assert stranger.request(method.upper(), place).status_code == 401, f"{method} {place}"
                wrong = running.browser.put(place)
                assert wrong.status_code == 405, f"{place} is not there"
            if "get" in methods:
                known = running.browser.get(place)
                assert known.status_code == 200 or "error" in known.json(), place


def test_the_queue_is_listed_and_one_message_told(running: Running) -> None:
    (one,) = get(running, "/queue", view="failed", q=GONE)["messages"]
    assert (one["state"], one["subject"], one["recipients"]) == ("failed", "For nobody", [GONE])
    whole = get(running, f"/queue/{one['id']}")
    assert whole["recipients"][0]["code"] == 550
    assert whole["attempts"][0]["results"][0]["status"] == "5.1.1"
    assert running.browser.get(f"{ROOT}/queue", params={"view": "nonsense"}).status_code == 400


def test_messages_are_changed_and_each_change_is_in_the_log(running: Running) -> None:
    at = "api@example.org"
    running.at.stand_in.sandbox.faults.add(Fault(kind="reply", at="rcpt", recipient=at, reply="451 4.7.0 Later"))
    send(running.process, message("By the API").as_bytes(), at)
    identifier = running.process.wait_for("deferred", recipients=f"<{at}>")["id"]
    assert post(running, "/queue/actions/hold", {"ids": [identifier]})["done"] == [identifier]
    assert "held already" in post(running, "/queue/actions/hold", {"ids": [identifier]})["left"][identifier]
    assert post(running, "/queue/actions/release", {"ids": [identifier]})["done"] == [identifier]
    running.process.wait_for("change", what="queue release", target=identifier)
    running.process.wait_for("deferred", 2, recipients=f"<{at}>")
    deadline = time.monotonic() + PATIENCE
    while identifier not in post(running, "/queue/actions/drop", {"ids": [identifier]})["done"]:
        assert time.monotonic() < deadline
    assert running.browser.get(f"{ROOT}/queue/{identifier}").status_code == 404
    assert "queue drop" in [one["what"] for one in get(running, "/changes")["changes"]]


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 400), ({"ids": ["nothing"]}, 404), ({"ids": "x"}, 400), ([1], 400), ({"ids": ["x"] * 2000}, 400)],
)
def test_a_change_of_nothing_is_refused(running: Running, body: Any, status: int) -> None:
    assert "error" in post(running, "/queue/actions/drop", body, status)


def test_accounts_clients_configuration_and_health(running: Running) -> None:
    (one,) = get(running, "/accounts")["accounts"]
    assert (one["name"], one["grant"], one["token"]["state"]) == ("office", "client_credentials", "good")
    assert get(running, "/accounts/office")["name"] == "office"
    clients = {each["name"]: each for each in get(running, "/clients")["clients"]}
    assert clients["app"]["accepted"] >= 3
    assert clients["narrow"]["login"] == "narrow"
    shown = {each["key"]: each for each in get(running, "/configuration")["values"]}
    assert shown["clients.narrow.password"]["value"] == "***"
    assert "relay.toml" in shown["queue.retry"]["origin"]
    health = get(running, "/health")
    assert health["ready"] is True
    assert health["queue"]["failed"] >= 1
    assert health["last_hour"]["accepted"] >= 3


def test_no_answer_holds_a_secret(running: Running) -> None:
    secret = running.at.stand_in.sandbox.settings.client_secret
    for path in ("/accounts", "/accounts/office", "/configuration", "/clients", "/health", "/changes"):
        text = running.browser.get(f"{ROOT}{path}").text
        assert secret not in text
        assert "a long secret" not in text


def test_a_message_is_sent_under_a_client(running: Running) -> None:
    body = {"client": "app", "from": "app@example.com", "to": ["kim@example.org"], "subject": "Grüße", "text": "Hallo"}
    queued = post(running, "/send", body, 202)
    running.process.wait_for("sent", id=queued["id"])
    (arrived,) = [one for one in running.at.received if "kim@example.org" in one.recipients]
    assert arrived.subject == "Grüße"
    assert get(running, f"/queue/{queued['id']}")["client"] == "app"


def test_a_whole_message_is_sent_as_it_is(running: Running) -> None:
    text = "From: app@example.com\nSubject: Whole\nBcc: hidden@example.org\n\n.dots\n.\n"
    queued = post(running, "/send", {"client": "app", "from": "", "to": ["w@example.org"], "message": text}, 202)
    running.process.wait_for("sent", id=queued["id"])
    (arrived,) = [one for one in running.at.received if "w@example.org" in one.recipients]
    assert arrived.raw.endswith(b"\r\n\r\n.dots\r\n.\r\n")
    assert b"hidden@" not in arrived.raw


@pytest.mark.parametrize(
    ("change", "status", "why"),
    [
        ({"client": "nobody"}, 400, "there are app, narrow, slow, staging"),
        ({"client": "narrow"}, 403, "clients.narrow.senders"),
        ({"to": []}, 400, "recipients"),
        ({"to": ["x\r\nDATA"]}, 400, "no address"),
        ({"from": "x y"}, 400, "no address"),
        ({"message": "Subject: x\n\n\0"}, 400, "NUL"),
        ({"message": "Subject: x\n\n" + "x" * 40_000_000}, 413, "raise listeners.default.max_message_size"),
    ],
    ids=["client", "senders", "nobody", "injection", "sender", "nul", "size"],
)
def test_what_the_rules_forbid_is_refused(running: Running, change: dict[str, Any], status: int, why: str) -> None:
    body = {"client": "app", "from": "app@example.com", "to": ["kim@example.org"], "text": "x", **change}
    assert why in post(running, "/send", body, status)["error"]


def test_the_rates_of_a_client_count_here_too(running: Running) -> None:
    body = {"client": "slow", "from": "app@example.com", "to": ["slow@example.org"], "text": "x"}
    post(running, "/send", body, 202)
    answer = running.browser.post(f"{ROOT}/send", json=body)
    assert answer.status_code == 429
    told = answer.json()
    assert told["error"].startswith('451 4.7.1 Client "slow" may send 1 message/1h: try again in ')
    assert 3500 < told["retry_after"] <= 3600
    assert answer.headers["retry-after"] == str(told["retry_after"])
    with connect(running.process) as session:
        session.login("slow", "a long secret")
        assert session.mail("app@example.com")[0] == 451  # one count for both doors
    refusals = get(running, "/clients")["refusals"]
    assert told["error"][:60] in [one["reply"][:60] for one in refusals if one["client"] == "slow"]


def test_a_staging_client_writes_to_nobody_else(running: Running) -> None:
    body = {"client": "staging", "from": "app@example.com", "to": ["customer@example.org"], "subject": "Staged"}
    queued = post(running, "/send", {**body, "text": "x"}, 202)
    assert queued["parts"] == [{"id": queued["id"], "account": "office"}]
    running.process.wait_for("sent", id=queued["id"])
    (arrived,) = [one for one in running.at.received if one.subject == "Staged"]
    assert list(arrived.recipients) == ["team@example.com"]
    assert b"customer@example.org" in arrived.raw


def test_work_is_begun_and_watched(running: Running) -> None:
    begun = post(running, "/accounts/office/examine", {}, 202)
    deadline = time.monotonic() + PATIENCE
    while not (told := running.browser.get(begun["job"]).json())["ended"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert {"token", "claims"} <= {step["name"] for step in told["steps"]}
    assert "error" in running.browser.post(f"{begun['job']}/answer", json={"answer": "x"}).json()
    assert post(running, "/accounts/office/refresh", {})["expires_at"]


def test_the_configuration_is_read_again(running: Running) -> None:
    file = running.at.folder / "relay.toml"
    good = file.read_text()
    try:
        file.write_text(f"{good}\ncolour = 1\n")
        told = post(running, "/reload", {}, 422)
        assert any("colour" in problem for problem in told["problems"])
        assert get(running, "/configuration")["last_reading"]["problems"] == told["problems"]
        assert get(running, "/health")["configuration"] == {"good": False}
        assert "relay_configuration_good 0.0" in running.browser.get("/metrics").text
        page = running.browser.post("/configuration/reload").text
        assert "cannot be used; the old one stays" in page
        assert "colour" in page
        assert "cannot be used" in running.browser.get("/overview").text
        assert running.browser.get("/readyz").status_code == 200
    finally:
        file.write_text(good.replace('bind = ["127.0.0.1:0"]', 'bind = ["127.0.0.1:0"]\nbase_path = "/below"', 1))
    told = post(running, "/reload", {})
    assert (told["problems"], told["restart"]) == ([], ["web.base_path"])
    assert "need a restart: web.base_path" in " ".join(told["result"])
    assert "web.base_path" in running.browser.get("/configuration").text
    file.write_text(good)
    page = running.browser.post("/configuration/reload").text
    assert "The configuration was read again." in page
    assert "cannot be used" not in page
    assert "relay_configuration_good 1.0" in running.browser.get("/metrics").text
    assert "reload" in [one["what"] for one in get(running, "/changes")["changes"]]
