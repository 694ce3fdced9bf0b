"""The sink API's OpenAPI document (3.1), for programs that want to know what there is."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from relay import __version__
from relay.web.sink import answers

PATH = "/api/v1/openapi.json"
_JSON, _TEXT = "application/json", "text/plain"
_STRING, _WORDS, _FLAG = {"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "boolean"}
_PERSON = {"type": "object", "properties": {"Name": _STRING, "Email": _STRING}, "required": ["Email"]}
_PEOPLE = {"type": "array", "items": _PERSON}
_TRIGGER = {
    "type": "object",
    "properties": {
        "ErrorCode": {"type": "integer", "description": "400 to 599."},
        "Probability": {"type": "integer", "minimum": 0, "maximum": 100},
    },
}
_NUMBER = {"type": "string", "pattern": "^[0-9]{1,9}$"}
_PAGE = {"start": _NUMBER, "limit": _NUMBER}
_SEARCH = {
    "query": {**_STRING, "description": "docs/sink.md, Search."},
    "tz": {**_STRING, "description": "Europe/Berlin"},
}
_EXAMPLES = {"id": "latest", "part": "1", "tag": "a"}


@dataclass(frozen=True)
class Told:
    """One operation: what it does, what it may be given, and the media type of its answer."""

    summary: str
    kind: str = _JSON
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    required: Sequence[str] = ()
    status: int = 200


_ONE = "/api/v1/message/{id}"
OPERATIONS: Mapping[tuple[str, str], Told] = {
    ("GET", "/api/v1/messages"): Told("Messages, the newest first.", query={**_PAGE, "before": _STRING}),
    ("PUT", "/api/v1/messages"): Told(
        "Mark messages as read or unread: by IDs, by search, or all.",
        _TEXT,
        {"tz": _STRING},
        {"IDs": _WORDS, "Read": _FLAG, "Search": _STRING},
    ),
    ("DELETE", "/api/v1/messages"): Told("Delete messages by IDs, or all.", _TEXT, body={"IDs": _WORDS}),
    ("GET", "/api/v1/search"): Told(
        "Messages that match; `wait` answers once `count` of them do.",
        query={**_SEARCH, **_PAGE, "wait": {**_NUMBER, "description": "Seconds, 300 at most."}, "count": _NUMBER},
        required=("query",),
    ),
    ("DELETE", "/api/v1/search"): Told("Delete what matches.", _TEXT, _SEARCH, required=("query",)),
    ("GET", "/api/v1/tags"): Told("Tags in use."),
    ("PUT", "/api/v1/tags"): Told("Replace the tags of messages.", _TEXT, body={"IDs": _WORDS, "Tags": _WORDS}),
    ("PUT", "/api/v1/tags/{tag}"): Told("Rename a tag.", _TEXT, body={"Name": _STRING}, required=("Name",)),
    ("DELETE", "/api/v1/tags/{tag}"): Told("Take a tag off all messages.", _TEXT),
    ("GET", _ONE): Told("A message, which is read from then on. `latest` is an id too.", query=_SEARCH),
    ("GET", f"{_ONE}/headers"): Told("Header fields with all their values.", query=_SEARCH),
    ("GET", f"{_ONE}/raw"): Told("The source; `dl=1` saves it.", _TEXT, {**_SEARCH, "dl": _STRING}),
    ("GET", f"{_ONE}/part/{{part}}"): Told("A part, decoded.", "*/*", {**_SEARCH, "dl": _STRING}),
    ("GET", f"{_ONE}/part/{{part}}/thumb"): Told("A picture for a part.", "image/*"),
    ("GET", f"{_ONE}/envelope"): Told("Who sent it to whom, from where, and what is odd about it."),
    ("GET", f"{_ONE}/session"): Told("What was said up to its data."),
    ("GET", f"{_ONE}/delivery"): Told("What became of it."),
    ("GET", f"{_ONE}/link-check"): Told("The links in it; none is asked for.", query={"follow": _STRING}),
    ("POST", f"{_ONE}/release"): Told(
        "Send it on through a real account, to whom sink.release_to allows.",
        _TEXT,
        body={"To": {**_WORDS, "minItems": 1}, "Account": _STRING},
        required=("To",),
    ),
    ("GET", "/view/{id}.html"): Told("Its HTML as a page.", "text/html", {**_SEARCH, "embed": _STRING}),
    ("GET", "/view/{id}.txt"): Told("Its text.", _TEXT, _SEARCH),
    ("GET", "/view/{id}"): Told("To the message on the page.", _TEXT, _SEARCH, status=302),
    ("POST", "/api/v1/send"): Told(
        "Make a message and keep it, as if it had come by SMTP. What is refused is JSON here.",
        body={
            "From": _PERSON,
            "To": _PEOPLE,
            "Cc": _PEOPLE,
            "Bcc": _WORDS,
            "ReplyTo": _PEOPLE,
            "Tags": _WORDS,
            "Subject": _STRING,
            "Text": _STRING,
            "HTML": _STRING,
            "Headers": {"type": "object", "additionalProperties": _STRING},
            "Attachments": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": dict.fromkeys(("Content", "Filename", "ContentType", "ContentID"), _STRING),
                },
            },
        },
        required=("From",),
    ),
    ("GET", "/api/v1/chaos"): Told("Refusals by chance."),
    ("PUT", "/api/v1/chaos"): Told(
        "Replace them; `{}` ends them.", body=dict.fromkeys(("Sender", "Recipient", "Authentication"), _TRIGGER)
    ),
    ("GET", "/api/v1/faults"): Told("Refusals by rule."),
    ("PUT", "/api/v1/faults"): Told("Replace them.", body={"Rules": {"type": "array", "items": {"type": "object"}}}),
    ("DELETE", "/api/v1/faults"): Told("All goes well again.", _TEXT),
    ("GET", "/api/v1/info"): Told("Numbers."),
    ("GET", "/api/v1/webui"): Told("What a page may offer."),
    ("GET", "/api/events"): Told("News, as server-sent events.", "text/event-stream"),
}


def document_route(base_path: str) -> Route:
    """Where the document is."""

    async def show(_request: Request) -> Response:
        return answers.as_json(document(base_path))

    return Route(PATH, show, methods=["GET"])


def document(base_path: str) -> dict[str, Any]:
    """The document as JSON."""
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), told in OPERATIONS.items():
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, told)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "smtp-oauth-relay sink",
            "version": __version__,
            "description": "Mailpit's API, and some of our own. Names in a request's JSON may have any case.",
        },
        "servers": [{"url": base_path or "/"}],
        "security": [{}, {"password": []}],
        "components": {"securitySchemes": {"password": {"type": "http", "scheme": "basic"}}},
        "paths": paths,
    }


def _operation(method: str, path: str, told: Told) -> dict[str, Any]:
    names = re.findall(r"{(\w+)}", path)
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": _STRING, "example": _EXAMPLES[name]} for name in names
    ]
    for name, schema in told.query.items():
        needed = {"required": True} if name in told.required else {}
        parameters.append({"name": name, "in": "query", "schema": schema, **needed})
    refused = {"description": "It was refused, and why.", "content": _content(_TEXT)}
    if path == "/api/v1/send":
        refused["content"] = {**_content(_TEXT), **_content(_JSON)}
    good: dict[str, Any] = {"description": told.summary, "content": _content(told.kind)}
    made: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{method.lower()}{path}").strip("_"),
        "summary": told.summary,
        "parameters": parameters,
        "responses": {str(told.status): good, "default": refused},
    }
    if told.body is not None:
        fields: dict[str, Any] = {"type": "object", "properties": dict(told.body)}
        needed_fields = [name for name in told.required if name in told.body]
        made["requestBody"] = {
            "required": bool(needed_fields),
            "content": {_JSON: {"schema": {**fields, "required": needed_fields} if needed_fields else fields}},
        }
    return made


def _content(kind: str) -> dict[str, Any]:
    return {kind: {}}
