"""Whatever is asked, the answer is one of ours: never a fault inside, never a change that was not asked for."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.web.sink.conftest import Api, mail

PATHS = [
    *("/api/v1/messages", "/api/v1/search", "/api/v1/tags", "/api/v1/chaos", "/api/v1/faults", "/api/v1/send"),
    *("/api/v1/info", "/api/v1/webui", "/api/v1/message/{id}", "/api/v1/message/{id}/headers", "/view/{id}.html"),
    *("/api/v1/message/{id}/raw", "/api/v1/message/{id}/part/{word}", "/api/v1/message/{id}/release", "/view/{id}.txt"),
    *("/api/v1/tags/{word}", "/api/v1/message/{id}/envelope", "/api/v1/message/{id}/session", "/api/v1/{word}"),
]
KEYS = [
    *("IDs", "Read", "Search", "Tags", "Name", "From", "To", "Bcc", "Email", "Subject", "Text", "HTML", "Headers"),
    *("Attachments", "Content", "Rules", "Stage", "Code", "Delay", "Times", "Sender", "Recipient", "ErrorCode"),
    *("Probability", "Preset", "Account", "ContentID", "Filename", "ContentType"),
]
WORDS = st.one_of(
    st.sampled_from(["a@x.org", "rcpt", "latest", "greylisted", "image/png", "aGVsbG8=", "subject:x", "to:=a@x", "\0"]),
    st.text(max_size=12),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-10, 10**12), st.floats(), WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=5)),
    max_leaves=12,
)
QUERIES = st.dictionaries(
    st.sampled_from(["query", "start", "limit", "before", "tz", "dl", "embed", "count"]), WORDS, max_size=3
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS"]),
    path=st.sampled_from(PATHS),
    names=st.tuples(st.sampled_from(["latest", "unknown", "*"]), WORDS.filter(lambda word: word.isascii())),
    query=QUERIES,
    body=st.one_of(VALUES.map(lambda value: json.dumps(value).encode()), st.binary(max_size=30)),
)
def test_any_request_has_an_answer(
    api: Api, method: str, path: str, names: tuple[str, str], query: dict[str, Any], body: bytes
) -> None:
    identifier, word = names
    safe = "".join(char for char in word if char.isalnum() or char in "@.:=") or "x"
    where = path.replace("{id}", identifier).replace("{word}", safe)
    answer = api.http.request(method, where, params=query, content=body)
    assert answer.status_code < 500, (method, where, query, body, answer.text)
    if answer.headers.get("content-type") == "application/json" and method != "HEAD":
        answer.json()


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_deletes_nothing(api: Api, method: str) -> None:
    api.send(mail())
    for path in PATHS:
        api.http.request(method, path.replace("{id}", "latest").replace("{word}", "x"))
    assert api.get("/api/v1/messages")["total"] == 1
