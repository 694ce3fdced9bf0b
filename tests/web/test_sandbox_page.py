"""With the stand-in provider: what it received, beside what the relay accepted."""

import re
import ssl
from pathlib import Path

import httpx2

from tests.support.admin import admin
from tests.support.process import QUIET, relay
from tests.support.way import message, send
from tests.web.conftest import Running


def test_what_was_received_stands_beside_what_was_accepted(tmp_path: Path) -> None:
    with relay(tmp_path, "serve", "--sandbox", environ=QUIET) as process, admin(process) as browser:
        assert "Nothing yet" in browser.get("/sandbox").text
        send(process, message("Arrives <b>").as_bytes())
        arrives = process.wait_for("sent")["id"]
        told = process.wait_for("sandbox")
        faults = re.sub(r"(https://[^/]+)/.*", r"\1/sandbox/faults", told["token_endpoint"])
        order = {"kind": "reply", "at": "rcpt", "recipient": "gone@example.org", "reply": "550 5.1.1 No such user"}
        trust = ssl.create_default_context(cafile=told["ca_file"])
        assert httpx2.post(faults, json=order, verify=trust).status_code == 201
        send(process, message("Does not").as_bytes(), "gone@example.org")
        fails = process.wait_for("failed")["id"]
        text = browser.get("/sandbox").text
        received, _, missing = text.partition("Accepted, and not received")
        assert "1 received, 2 accepted" in received
        assert f'<a href="/queue/{arrives}">{arrives}</a>' in received
        assert "Arrives &lt;b&gt;" in received
        assert "→ someone@example.org" in received
        assert fails not in received
        assert f'href="/queue/{fails}"' in missing
        assert "550 5.1.1 No such user" in missing
        assert arrives not in missing


def test_without_it_the_page_says_how_to_have_it(running: Running) -> None:
    answer = running.browser.get("/sandbox")
    assert answer.status_code == 404
    assert "--sandbox" in answer.text
    assert 'href="/sandbox"' not in running.browser.get("/overview").text
