"""Reports and reply modes the whole way: a relay process, smtplib in front, the stand-in Exchange behind."""

import email
import email.policy
import smtplib
import socket
import time
from email.message import EmailMessage
from pathlib import Path

import pytest

from relay.sandbox import Fault, Received
from tests.support.admin import admin
from tests.support.process import PATIENCE, RelayProcess
from tests.support.way import ANYONE, Way, connect, message, send, way

QUEUE = 'retry = ["1s"]\nbounce_to = "admin@example.com"\n'
DELIVERED = ANYONE + 'reply = "delivered"\n'
DENIED = "554 5.2.252 SendAsDenied; the mailbox may not send as that"


def refuse(at: Way, reply: str = DENIED) -> None:
    at.stand_in.sandbox.faults.add(Fault(kind="reply", at="end_of_data", reply=reply, times=1))


def parsed(taken: Received) -> EmailMessage:
    found = email.message_from_bytes(taken.raw, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def status_of(taken: Received) -> dict[str, str]:
    """The fields of the only recipient."""
    parts = list(parsed(taken).iter_parts())
    assert [part.get_content_type() for part in parts][:2] == ["text/plain", "message/delivery-status"]
    group = parts[1].get_payload()[1]  # type: ignore[index]
    return {name.lower(): str(value) for name, value in group.items()}  # type: ignore[union-attr]


def subjects_of(at: Way) -> set[str]:
    return {str(parsed(taken)["Subject"]) for taken in at.received}


def test_a_failure_is_reported_to_the_operator(tmp_path: Path) -> None:
    with way(tmp_path) as at, at.relay(queue=QUEUE) as process:
        refuse(at)
        send(process, message("Invoice").as_bytes())
        failed = process.wait_for("failed")
        (taken,) = at.wait_received(1)
        assert taken.recipients == ("admin@example.com",)
        assert taken.sender == taken.mailbox, "Exchange takes no null sender"
        fields = status_of(taken)
        assert (fields["action"], fields["status"]) == ("failed", "5.2.252")
        assert fields["final-recipient"] == "rfc822; someone@example.org"
        assert "SendAsDenied" in fields["diagnostic-code"]
        text = str(next(parsed(taken).iter_parts()))
        assert failed["id"] in text
        assert "Add-RecipientPermission" in text
        assert process.wait_for("report")["id"] == failed["id"]


def test_a_crash_between_the_failure_and_its_report_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Killed at the first sign of the failure, again and again: one report each in the end."""
    with way(tmp_path) as at:
        order = Fault(kind="reply", at="rcpt", recipient="someone@example.org", reply="550 5.1.1 nobody")
        at.stand_in.sandbox.faults.add(order)
        for number in range(4):
            with at.relay(queue=QUEUE) as process:
                send(process, message(f"n{number}").as_bytes())
                process.wait_for("failed")
                process.kill()
        with at.relay(queue=QUEUE) as process:
            deadline = time.monotonic() + PATIENCE
            while len(subjects_of(at)) < 4 and time.monotonic() < deadline:
                time.sleep(0.05)
            process.stop()
        assert subjects_of(at) == {f"Not delivered: n{number}" for number in range(4)}
        # Sent twice is one report, as it is with any mail; written twice it would be two.
        assert len({parsed(taken)["Message-ID"] for taken in at.received}) == 4


def test_delivered_hears_exchange_itself_and_gets_no_report(tmp_path: Path) -> None:
    with way(tmp_path) as at, at.relay(queue=QUEUE, clients=DELIVERED) as process:
        refuse(at)
        with pytest.raises(smtplib.SMTPDataError) as refused:
            send(process, message().as_bytes())
        assert refused.value.smtp_code == 554
        assert b"5.2.252 SendAsDenied" in refused.value.smtp_error
        send(process, message("fine").as_bytes())
        process.wait_for("sent")
        assert [taken.subject for taken in at.received] == ["fine"]


def test_delivered_says_250_when_some_are_sent_and_reports_the_others(tmp_path: Path) -> None:
    with way(tmp_path) as at, at.relay(queue=QUEUE, clients=DELIVERED) as process:
        order = Fault(kind="reply", at="rcpt", recipient="b@x.org", reply="550 5.1.1 nobody", times=1)
        at.stand_in.sandbox.faults.add(order)
        send(process, message().as_bytes(), "a@x.org", "b@x.org")
        mail, report = at.wait_received(2)
        assert mail.recipients == ("a@x.org",)
        assert status_of(report)["final-recipient"] == "rfc822; b@x.org"


def test_delivered_says_250_when_it_is_tried_again(tmp_path: Path) -> None:
    """Never a 4xx once it is in the queue: the client would send it a second time."""
    with way(tmp_path) as at, at.relay(queue=QUEUE, clients=DELIVERED) as process:
        refuse(at, "451 4.3.0 busy")
        send(process, message().as_bytes())
        process.wait_for("sent")
        assert [event["event"] for event in process.events if event.get("id")] == ["queued", "deferred", "sent"]


def test_delivered_says_250_when_it_takes_too_long_and_reports_the_failure(tmp_path: Path) -> None:
    clients = DELIVERED + 'reply_timeout = "1s"\n'
    with way(tmp_path) as at, at.relay(queue=QUEUE, clients=clients) as process:
        at.stand_in.sandbox.faults.add(Fault(kind="slow", at="data", seconds=2, times=1))
        refuse(at)
        send(process, message().as_bytes())
        at.wait_received(1)
        assert status_of(at.received[0])["action"] == "failed"


def test_who_hangs_up_while_waiting_gets_the_report(tmp_path: Path) -> None:
    with way(tmp_path) as at, at.relay(queue=QUEUE, clients=DELIVERED) as process:
        at.stand_in.sandbox.faults.add(Fault(kind="slow", at="data", seconds=2, times=1))
        refuse(at)
        client = connect(process)
        client.ehlo()
        client.mail("app@example.com")
        client.rcpt("b@x.org")
        client.docmd("DATA")
        client.send(message("gone").as_bytes() + b".\r\n")
        process.wait_for("queued")
        client.close()
        (taken,) = at.wait_received(1)
        assert parsed(taken)["Subject"] == "Not delivered: gone"


def test_who_hangs_up_while_waiting_gets_nothing_twice(tmp_path: Path) -> None:
    """The message goes on as if its client were there, and nobody is told of what went well."""
    with way(tmp_path) as at, at.relay(queue=QUEUE, clients=DELIVERED) as process:
        at.stand_in.sandbox.faults.add(Fault(kind="slow", at="data", seconds=1, times=5))
        for number in range(5):
            client = connect(process)
            client.ehlo()
            client.mail("app@example.com")
            client.rcpt("b@x.org")
            client.docmd("DATA")
            client.send(message(f"gone{number}").as_bytes() + b".\r\n")
            process.wait_for("queued", number + 1)
            client.close()
        process.wait_for("sent", 5)
        assert process.stop() == 0
        assert sorted(taken.subject for taken in at.received) == [f"gone{number}" for number in range(5)]


def test_delivered_does_not_wait_for_a_paused_mailbox(tmp_path: Path) -> None:
    with way(tmp_path) as at, at.relay(queue=QUEUE, clients=DELIVERED) as process:
        at.stand_in.sandbox.faults.add(Fault(kind="auth_refused"))
        with connect(process) as client:
            for _ in range(3):
                client.sock.settimeout(20)  # type: ignore[union-attr]
                client.sendmail("app@example.com", ["b@x.org"], message().as_bytes())
        process.wait_for("paused")
        assert at.received == []


def test_delivered_does_not_wait_for_what_is_held_for_a_rate(tmp_path: Path) -> None:
    """Its time comes in an hour: the client hears at once that it is queued."""
    clients = DELIVERED + 'recipient_rate = ["1 message/1h"]\nover_rate = "hold"\nreply_timeout = "10m"\n'
    with way(tmp_path) as at, at.relay(queue=QUEUE, clients=clients) as process, connect(process) as client:
        for recipients in (["b@x.org"], ["b@x.org"], ["b@x.org", "c@x.org"]):
            client.sendmail("app@example.com", recipients, message().as_bytes())
        process.wait_for("sent", 2)
        assert [taken.recipients for taken in at.wait_received(2)] == [("b@x.org",), ("c@x.org",)]


def test_wishes_are_passed_on_to_exchange(tmp_path: Path) -> None:
    with way(tmp_path) as at, at.relay(queue=QUEUE) as process:
        with connect(process) as client:
            client.ehlo()
            client.mail("app@example.com", ["RET=HDRS", "ENVID=Job+2B7"])
            client.rcpt("b@x.org", ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;B@x.org"])
            client.data(message().as_bytes())
        (taken,) = at.wait_received(1)
        assert "RET=HDRS ENVID=Job+2B7" in taken.mail_parameters
        assert taken.recipient_parameters == ("NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;B@x.org",)


def test_graph_reports_nothing_so_the_relay_says_that_it_was_sent_on(tmp_path: Path) -> None:
    queue = 'retry = ["1s"]\nbounces = "sender"\n'
    with way(tmp_path) as at, at.relay(queue=queue, via="graph") as process:
        with connect(process) as client:
            client.ehlo()
            client.mail("app@example.com", ["ENVID=e1"])
            client.rcpt("someone@example.org", ["NOTIFY=SUCCESS"])
            client.data(message().as_bytes())
        _, report = at.wait_received(2)
        assert report.recipients == ("app@example.com",)
        assert status_of(report)["action"] == "relayed"


def test_what_nobody_was_told_is_on_the_page(tmp_path: Path) -> None:
    with way(tmp_path) as at, at.relay() as process:
        refuse(at)
        send(process, message().as_bytes())
        untold = process.wait_for("untold")
        assert "queue.bounce_to" in untold["reason"]
        with admin(process) as page:
            assert "1 failed without anybody being told" in page.get("/").text


def test_a_client_may_close_its_half_and_still_read(tmp_path: Path) -> None:
    """It counts as gone: the report tells it once more what its reply may not have."""
    with way(tmp_path) as at, at.relay(queue=QUEUE, clients=DELIVERED) as process:
        refuse(at)
        with socket.create_connection(("127.0.0.1", process.port), 20) as client:
            said = b"EHLO c\r\nMAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nDATA\r\n"
            client.sendall(said + message().as_bytes() + b".\r\n")
            client.shutdown(socket.SHUT_WR)
            heard = b"".join(iter(lambda: client.recv(65536), b""))
        assert b"250 2.0.0 Queued as" in heard or b"554 5.2.252" in heard
        _ends_in_one_report(at, process)


def _ends_in_one_report(at: Way, process: RelayProcess) -> None:
    at.wait_received(1)
    process.wait_for("report")
    assert [parsed(taken)["Subject"] for taken in at.received] == ["Not delivered: Hello"]
