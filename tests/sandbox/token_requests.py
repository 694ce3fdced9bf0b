"""Requests to the stand-in's token endpoint, and what its answers must look like."""

import base64
import json
import re
from typing import Any
from urllib.parse import urlsplit

import httpx2

from relay.sandbox import Sandbox

CLIENT = "5a4d0b0c-0000-4000-8000-000000000001"
SECRET = "sandbox-secret"
EXCHANGE = "https://outlook.office365.com/.default"
GUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
FORM = {"client_id": CLIENT, "client_secret": SECRET, "grant_type": "client_credentials", "scope": EXCHANGE}


def path(sandbox: Sandbox) -> str:
    return urlsplit(sandbox.token_endpoint).path


def claims(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return decoded


def check_error(answer: httpx2.Response, status: int, error: str, number: int, text: str) -> None:
    body = answer.json()
    assert (answer.status_code, body["error"], body["error_codes"]) == (status, error, [number])
    head, trace, correlation, stamp = body["error_description"].split("\r\n")
    assert head == f"AADSTS{number}: {text}"
    assert (trace, correlation) == (f"Trace ID: {body['trace_id']}", f"Correlation ID: {body['correlation_id']}")
    assert stamp == f"Timestamp: {body['timestamp']}"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", body["timestamp"])
    assert re.fullmatch(GUID, body["trace_id"])
    assert body["error_uri"] == f"https://login.microsoftonline.com/error?code={number}"
