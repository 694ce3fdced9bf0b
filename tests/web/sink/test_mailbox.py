"""Lists, searches and changes by the sink API, as Mailpit's clients make them."""

import threading
from datetime import datetime
from typing import Any

import pytest

from tests.web.sink.conftest import Api, mail

SUMMARY = {
    *("ID", "MessageID", "Read", "From", "To", "Cc", "Bcc", "ReplyTo", "Subject", "Created", "Username", "Tags"),
    *("Size", "Attachments", "Snippet"),
}
LIST = {"total", "unread", "count", "messages_count", "messages_unread", "start", "tags", "messages"}


def subjects(found: dict[str, Any]) -> list[str]:
    return [message["Subject"] for message in found["messages"]]


def test_what_250_was_said_to_is_listed(api: Api) -> None:
    identifier = api.send(
        mail("Größe", text="Your code is 42\n", X_Tags="red, blue"), "someone@example.org", "hid@x.org"
    )
    found = api.get("/api/v1/messages")
    assert set(found) == LIST
    (message,) = found["messages"]
    assert set(message) == SUMMARY
    assert message["ID"] == identifier
    assert message["From"] == {"Name": "The App", "Address": "app@example.com"}
    assert message["To"] == [{"Name": "", "Address": "someone@example.org"}]
    assert message["Bcc"] == [{"Name": "", "Address": "hid@x.org"}]
    assert (message["Subject"], message["Snippet"], message["Tags"]) == ("Größe", "Your code is 42", ["blue", "red"])
    assert (message["Cc"], message["ReplyTo"], message["Read"], message["Username"]) == ([], [], False, "")
    assert datetime.fromisoformat(message["Created"]).tzinfo is not None
    assert (found["total"], found["unread"], found["tags"]) == (1, 1, ["blue", "red"])


def test_answers_are_as_go_writes_them(api: Api) -> None:
    answer = api.http.get("/api/v1/messages")
    assert answer.headers["content-type"] == "application/json"
    assert answer.text.endswith("}\n")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_pages(api: Api) -> None:
    for number in range(5):
        api.send(mail(f"m{number}"))
    assert subjects(api.get("/api/v1/messages?limit=2&start=1")) == ["m3", "m2"]
    assert len(subjects(api.get("/api/v1/messages?limit=0"))) == 5
    assert len(subjects(api.get("/api/v1/messages?limit=many&start=-1"))) == 5
    assert api.get("/api/v1/search?query=subject:m&limit=0")["count"] == 0


def test_searches_find_what_clients_ask_for(api: Api) -> None:
    api.send(mail("Welcome Ünal", "Anna <anna@x.org>", "Click here\n"))
    api.send(mail("Password reset", "xanna@x.org", "Your code\n"))
    for query, found in {
        "to:anna@x.org": ["Password reset", "Welcome Ünal"],
        'to:"=anna@x.org"': ["Welcome Ünal"],
        "subject:Password reset": ["Password reset"],
        'addressed:"xanna@x.org"': ["Password reset"],
        "subject:ÜNAL": ["Welcome Ünal"],
        "-to:xanna": ["Welcome Ünal"],
        '!"your code"': ["Welcome Ünal"],
        "click": ["Welcome Ünal"],
        "from:app@example.com is:unread": ["Password reset", "Welcome Ünal"],
        "is:read": [],
        "has:attachment": [],
        "after:2020-01-01 before:2990-01-01 larger:1 smaller:1M": ["Password reset", "Welcome Ünal"],
        "before:2020-01-01": [],
        "subject:": [],
        "%": [],
    }.items():
        assert subjects(api.get("/api/v1/search", params={"query": query})) == found, query


@pytest.mark.parametrize("query", ["", "  ", "x" * 2001, "a " * 51])
def test_a_search_that_cannot_be_made(api: Api, query: str) -> None:
    answer = api.http.get("/api/v1/search", params={"query": query})
    assert (answer.status_code, answer.text[:7]) == (400, "Error: ")


def test_a_query_that_says_nothing_deletes_nothing(api: Api) -> None:
    api.send(mail())
    for query in ("subject:", "before:whenever", '""x:" "'):
        api.http.request("DELETE", "/api/v1/search", params={"query": query})
    assert api.get("/api/v1/messages")["total"] == 1


def test_a_search_waits_for_mail(api: Api) -> None:
    threading.Timer(0.2, api.send, (mail("Late"),)).start()
    assert subjects(api.get("/api/v1/search?query=subject:late&wait=15")) == ["Late"]
    assert subjects(api.get("/api/v1/search?query=subject:later&wait=1")) == []


@pytest.mark.parametrize("body", [None, {}, {"IDs": []}, {"ids": []}])
def test_delete_all_as_clients_ask_for_it(api: Api, body: Any) -> None:
    api.send(mail())
    assert api.delete("/api/v1/messages", body) == "ok"
    assert api.get("/api/v1/messages")["total"] == 0


def test_delete_some(api: Api) -> None:
    one, two = api.send(mail("one")), api.send(mail("two"))
    api.delete("/api/v1/messages", {"ids": [one, one, "unknown"]})
    assert subjects(api.get("/api/v1/messages")) == ["two"]
    assert api.http.get(f"/api/v1/message/{one}").status_code == 404
    api.delete("/api/v1/search?query=subject:two")
    assert api.http.get(f"/api/v1/message/{two}").status_code == 404


def test_a_body_that_cannot_be_read_deletes_nothing(api: Api) -> None:
    api.send(mail())
    for octets in (b"{", b"[1]", b'{"IDs": "all"}', b'{"IDs": [1]}', b"[" * 100_000):
        answer = api.http.request("DELETE", "/api/v1/messages", content=octets)
        assert answer.status_code == 400, octets[:20]
    assert api.get("/api/v1/messages")["total"] == 1


def test_read_and_unread(api: Api) -> None:
    one, _ = api.send(mail("one")), api.send(mail("two"))
    api.put("/api/v1/messages", {"read": True, "ids": [one]})
    assert subjects(api.get("/api/v1/search?query=is:read")) == ["one"]
    api.put("/api/v1/messages", {"Read": True, "Search": "subject:two"})
    assert api.get("/api/v1/messages")["unread"] == 0
    api.put("/api/v1/messages", {"Read": False})
    assert api.get("/api/v1/messages")["unread"] == 2
    answer = api.put("/api/v1/messages", {"IDs": [one], "Search": "x"}, 400)
    assert answer.text == "You may specify either IDs or a search query, not both"


def test_tags(api: Api) -> None:
    one = api.send(mail("one"))
    assert api.put("/api/v1/tags", {"Tags": ["Red", "a/b", "red"], "IDs": [one]}).text == "ok"
    assert api.get("/api/v1/tags") == ["a b", "Red"]
    assert api.put("/api/v1/tags/red", {"Name": "Green"}).text == "ok"
    assert subjects(api.get('/api/v1/search?query=tag:"green"')) == ["one"]
    assert api.put("/api/v1/tags/none", {"Name": "x"}, 400).text == "tag not found: none"
    assert api.put("/api/v1/tags/Green", {"Name": "a b"}, 400).text == "tag already exists: a b"
    assert api.put("/api/v1/tags/Green", {"Name": "a/b"}, 400).text == "invalid tag name: a/b"
    assert api.delete("/api/v1/tags/Green") == "ok"
    assert api.get("/api/v1/tags") == ["a b"]
    api.put("/api/v1/tags", {"Tags": [], "IDs": [one]})
    assert api.get("/api/v1/tags") == []


def test_nothing_redirects_and_wrong_methods_are_told(api: Api) -> None:
    assert api.http.request("DELETE", "/api/v1/messages/").status_code == 404
    assert api.http.post("/api/v1/messages").status_code == 405
    assert api.http.get("/api/v1/send").status_code == 405


def test_a_body_has_a_limit(api: Api) -> None:
    answer = api.http.put("/api/v1/messages", content=b" " * (5 * 1024 * 1024 + 1))
    assert answer.status_code == 413


@pytest.mark.parametrize("text", ["\x1d]\x16 x y", 'a" b', "-x", "99999-01-01", "0001-01-01", "\0"])
def test_what_is_no_date_leaves_nothing_out(api: Api, text: str) -> None:
    api.send(mail())
    assert api.get("/api/v1/messages", params={"before": text})["total"] == 1
