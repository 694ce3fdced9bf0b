"""The control endpoint from outside the process: curl and its JSON."""

import asyncio
import json
from typing import Any

import httpx2
import pytest

from relay.sandbox import Sandbox
from tests.sandbox.raw import MESSAGE, connected


async def curl(sandbox: Sandbox, path: str, *options: str) -> tuple[int, bytes]:
    """Status and body of what curl gets."""
    command = ["curl", "-sS", "--noproxy", "*", "--cacert", str(sandbox.ca_file), "-w", "\n%{http_code}", *options]
    process = await asyncio.create_subprocess_exec(
        *command, sandbox.control_endpoint + path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    body, _, status = out.rpartition(b"\n")
    return int(status), body


async def order(sandbox: Sandbox, text: str) -> tuple[int, Any]:
    status, body = await curl(sandbox, "/faults", "-d", text)
    return status, json.loads(body)


async def test_faults_are_ordered_listed_and_taken_back(web: Sandbox) -> None:
    assert await curl(web, "/faults") == (200, b"[]")
    ordered = {"number": 1, "kind": "reply", "at": "mail", "reply": "451 4.3.2 later", "passed": 0, "struck": 0}
    assert await order(web, '{"kind": "reply", "at": "mail", "reply": "451 4.3.2 later"}') == (201, ordered)
    assert (await order(web, '{"kind": "auth_refused", "times": 2}'))[0] == 201
    async with connected(web) as client:
        await client.secure()
        assert (await client.sign_in()).startswith("535 ")
        assert (await client.sign_in()).startswith("535 ")
        assert (await client.sign_in()).startswith("235 ")
        assert await client.say("MAIL FROM:<a@b.c>") == "451 4.3.2 later"
    status, body = await curl(web, "/faults")
    assert (status, json.loads(body)) == (200, [ordered | {"struck": 1}])
    assert await curl(web, "/faults/1", "-X", "DELETE") == (204, b"")
    assert (await curl(web, "/faults/1", "-X", "DELETE"))[0] == 404
    await order(web, '{"kind": "auth_refused"}')
    assert await curl(web, "/faults", "-X", "DELETE") == (204, b"")
    assert await curl(web, "/faults") == (200, b"[]")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('{"kind": "gremlins"}', 'there is no fault "gremlins"; there are: expired_secret, wrong_secret,'),
        ('{"kind": "slow", "seconds": "long"}', "\"seconds\" must be a number or a fraction, not 'long'"),
        ("not json", 'send a JSON object with a "kind", one of: expired_secret'),
        ("[" * 60_000, 'send a JSON object with a "kind"'),
        (" " * 70_000, 'send a JSON object with a "kind"'),
    ],
)
async def test_an_order_that_makes_no_sense(web: Sandbox, http: httpx2.AsyncClient, body: str, text: str) -> None:
    answer = await http.post("/sandbox/faults", content=body)
    assert answer.status_code == 400
    assert text in answer.json()["error"]
    assert len(web.faults) == 0


async def test_what_was_received(web: Sandbox) -> None:
    async with connected(web) as client:
        await client.ready()
        await client.submit(MESSAGE, "a@x.org", "b@x.org")
        reply = await client.submit(MESSAGE.replace(b"Hello", b"Second"))
    status, body = await curl(web, "/received")
    first, second = json.loads(body)
    assert status == 200
    assert (first["subject"], second["subject"]) == ("Hello", "Second")
    assert second == {
        "number": 2,
        "way": "smtp",
        "at": second["at"],
        "mailbox": "noreply@sandbox.onmicrosoft.com",
        "sender": "noreply@sandbox.onmicrosoft.com",
        "recipients": ["a@x.org"],
        "subject": "Second",
        "size": len(MESSAGE) + 1,
        "message_id": "<old@app>",
        "new_message_id": reply.split()[3],
        "reply": reply,
        "mail_parameters": "",
        "recipient_parameters": [""],
    }
    assert json.loads((await curl(web, "/received/2"))[1]) == second
    assert await curl(web, "/received/1/raw") == (200, MESSAGE)
    delivered = MESSAGE.replace(b"<old@app>", first["new_message_id"].encode())
    assert await curl(web, "/received/1/delivered") == (200, delivered)
    status, body = await curl(web, "/received/3/raw")
    assert (status, "message 3 is not kept" in body.decode()) == (404, True)
    assert await curl(web, "/received", "-X", "DELETE") == (204, b"")
    assert await curl(web, "/received") == (200, b"[]")


async def test_the_overview_says_what_there_is(web: Sandbox) -> None:
    status, body = await curl(web, "")
    overview = json.loads(body)
    assert status == 200
    assert (overview["smtp"], overview["token_endpoint"]) == ("{}:{}".format(*web.smtp), web.token_endpoint)
    assert overview["faults"]["throttled"]["takes"] == ["retry_after", "code", "body"]


@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"host": "evil.example"}, {"host": "localhost.evil.example"}]
)
async def test_a_web_page_cannot_give_orders(web: Sandbox, http: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    answer = await http.post("/sandbox/faults", content='{"kind": "auth_refused"}', headers=headers)
    assert answer.status_code == 403
    assert len(web.faults) == 0
    assert (await http.get("/sandbox/received", headers=headers)).status_code == 403


async def test_other_paths_and_methods(http: httpx2.AsyncClient) -> None:
    assert (await http.get("/")).status_code == 404
    assert (await http.put("/sandbox/faults")).status_code == 405
