"""The queue's pages: what they show, and what can be done there."""

import re
from html import unescape

from relay.sandbox import Fault
from tests.support.way import message, send
from tests.web.conftest import GONE, HOSTILE, Running


def rows(text: str) -> list[str]:
    """The ids of the messages on a page."""
    return re.findall(r'name="id" value="(\w+)"', text)


def test_the_tabs_tell_what_waits_and_what_failed(running: Running) -> None:
    failed = running.browser.get("/queue", params={"view": "failed"}).text
    assert "For nobody" in failed
    assert "550 5.1.1" in failed
    assert "An ordinary one" not in failed
    retrying = running.browser.get("/queue", params={"view": "retrying"}).text
    assert "451 4.7.0" in retrying
    assert len(rows(retrying)) >= 1
    assert rows(running.browser.get("/queue", params={"view": "waiting"}).text) == []


def test_the_search_finds_by_address_id_and_client(running: Running) -> None:
    identifier = running.id_of("failed")
    for text in (GONE, f"to:{GONE}", identifier, f"id:{identifier}", f"client:app to:{GONE}"):
        assert identifier in rows(running.browser.get("/queue", params={"q": text}).text), text
    assert rows(running.browser.get("/queue", params={"q": "client:nobody"}).text) == []
    assert rows(running.browser.get("/queue", params={"q": "from:other@example.com"}).text) == []


def test_what_mail_and_servers_say_is_text_and_nothing_else(running: Running) -> None:
    for text in (running.browser.get("/queue").text, running.browser.get(f"/queue/{running.id_of('deferred')}").text):
        assert "<script>window" not in text
        assert "<img src=x" not in text
        assert HOSTILE in unescape(text)
    assert "&lt;b&gt;No&lt;/b&gt;" in running.browser.get(f"/queue/{running.id_of('failed')}").text


def test_a_message_tells_its_whole_history(running: Running) -> None:
    text = running.browser.get(f"/queue/{running.id_of('failed')}").text
    for part in ("For nobody", GONE, "Attempt 1", "550 5.1.1", "127.0.0.1", "printer.example", "office"):
        assert part in unescape(text), part


def test_a_message_that_is_not_there(running: Running) -> None:
    answer = running.browser.get("/queue/nothing")
    assert answer.status_code == 404
    assert "not kept" in answer.text


def test_the_source_is_saved_octet_for_octet(running: Running) -> None:
    answer = running.browser.get(f"/queue/{running.id_of('deferred')}/source")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.content.endswith(b"\r\n\r\nHello\r\n")
    gone = running.browser.get(f"/queue/{running.id_of('sent')}/source")
    assert gone.status_code == 410


def test_hold_and_release(running: Running) -> None:
    identifier = running.id_of("deferred")
    held = running.browser.post("/queue", data={"action": "hold", "id": identifier, "back": f"/queue/{identifier}"})
    assert "1 message is held" in held.text
    assert identifier in rows(running.browser.get("/queue", params={"view": "held"}).text)
    twice = running.browser.post("/queue", data={"action": "hold", "id": identifier})
    assert "it is held already" in twice.text
    released = running.browser.post("/queue", data={"action": "release", "id": identifier})
    assert "1 message is released" in released.text
    changes = running.browser.get("/changes").text
    assert "queue hold" in changes
    running.process.wait_for("change", what="queue release", target=identifier)
    running.process.wait_for("deferred", 2, id=identifier)  # it waits again, as others here expect it


def test_retry_brings_what_failed_to_its_recipient(running: Running) -> None:
    at = "second.chance@example.org"
    order = running.at.stand_in.sandbox.faults.add(Fault(kind="reply", at="rcpt", recipient=at, reply="550 5.1.1 No"))
    send(running.process, message("Once more").as_bytes(), at)
    identifier = running.process.wait_for("failed", recipients=f"<{at}>")["id"]
    running.at.stand_in.sandbox.faults.remove(order.number)
    answer = running.browser.post("/queue", data={"action": "retry", "id": identifier})
    assert "1 message is due now" in answer.text
    running.process.wait_for("sent", recipients=f"<{at}>")


def test_a_drop_is_asked_about_first(running: Running) -> None:
    at = "dropped@example.org"
    running.at.stand_in.sandbox.faults.add(Fault(kind="reply", at="rcpt", recipient=at, reply="451 4.7.0 Later"))
    send(running.process, message("To be dropped").as_bytes(), at)
    identifier = running.process.wait_for("deferred", recipients=f"<{at}>")["id"]
    fields = {"action": "drop", "id": identifier, "back": f"/queue/{identifier}"}
    asked = running.browser.post("/queue", data=fields)
    assert "cannot be taken back" in asked.text
    assert running.browser.get(f"/queue/{identifier}").status_code == 200
    done = running.browser.post("/queue", data={**fields, "sure": "yes"})
    assert "1 message is dropped" in done.text
    assert running.browser.get(f"/queue/{identifier}").status_code == 404


def test_nothing_chosen_changes_nothing(running: Running) -> None:
    assert "No message was chosen" in running.browser.post("/queue", data={"action": "drop", "sure": "yes"}).text
    assert "Choose what to do" in running.browser.post("/queue", data={"action": "burn"}).text


def test_a_client_in_the_address_bounds_what_is_done_with_all(running: Running) -> None:
    text = running.browser.get("/queue", params={"client": "nobody"}).text
    assert rows(text) == []
    assert '<input type="hidden" name="q" value="client:nobody">' in text


def test_an_empty_list_says_what_can_be_found(running: Running) -> None:
    found = running.browser.get("/queue", params={"q": "Invoice"}).text
    assert rows(found) == []
    assert "subjects and texts are not searched" in found
    assert "Nothing here." in running.browser.get("/queue", params={"view": "sending"}).text
    nothing = running.browser.get("/configuration", params={"q": "<nonsense>"}).text
    assert "No key has <q>&lt;nonsense&gt;</q> in its name" in nothing
