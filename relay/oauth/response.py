"""The answer of a token endpoint, read with care: nothing that it can contain may raise or be believed unchecked.

Pure. RFC 6749 5.1 and 5.2, and what servers really send: numbers as text, no `expires_in`, an error under status 200,
HTML from a proxy on the way.
"""

import re
from typing import Any

from relay.advice import oauth as advice
from relay.http import HttpResponse
from relay.http.hostile_json import as_number, as_text, read_object
from relay.oauth.access_token import Granted
from relay.oauth.errors import INVALID_RESPONSE, Refused

DEFAULT_LIFETIME = 3600.0
"""Seconds, when the server does not say."""
SHORTEST_LIFETIME = 1.0
LONGEST_LIFETIME = 30 * 86400.0
_LONGEST_TOKEN = 64 * 1024
_LONGEST_ERROR = 100

# RFC 6749 appendix A.12 allows a space too, but RFC 6750 2.1 has none; anything else could forge SASL or HTTP fields.
_TOKEN = re.compile(r"[\x21-\x7e]+")
_AADSTS = re.compile(r"AADSTS([0-9]{1,9})\b", re.ASCII)
_ASK_LATER = frozenset({408, 425, 429})

_CHECK_ENDPOINT = "Check the token_endpoint of the account, and what stands between the relay and that server"
_REPORT = "Check the token_endpoint of the account, and ask the provider"


def parse(response: HttpResponse, now: float) -> Granted | Refused:
    """What `response` means; `now` is the moment it arrived, in seconds since the epoch."""
    document = read_object(response.body)
    if document is None:
        return _unreadable(response)
    success = 200 <= response.status < 300
    if success and document.get("access_token") is not None:
        return _granted(document, now)
    if success and document.get("error") is None:
        return _strange("the answer has no access_token", _CHECK_ENDPOINT)
    return _refused(document, response.status)


def _granted(document: dict[str, Any], now: float) -> Granted | Refused:
    value = document["access_token"]
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        return _strange("the access_token is not made of visible ASCII characters", _REPORT)
    if len(value) > _LONGEST_TOKEN:
        return _strange(f"the access_token is longer than {_LONGEST_TOKEN:,} characters", _REPORT)
    token_type = document.get("token_type")
    if token_type is not None and as_text(token_type).lower() != "bearer":
        shown = as_text(token_type, _LONGEST_ERROR) or "not a text"
        hint = "Configure the client at the provider for bearer tokens: SMTP and Graph take nothing else"
        return _strange(f"the token_type is {shown}, not Bearer", hint)
    lifetime = _lifetime(document, now)
    if lifetime < SHORTEST_LIFETIME:
        return _strange("the token has already expired", "Check the provider, and the clock of this machine (NTP)")
    refresh_in = as_number(document.get("refresh_in"))
    if refresh_in is not None and refresh_in <= 0:
        refresh_in = None
    more = {name: _beside(document.get(name)) for name in ("refresh_token", "id_token")}
    return Granted(value, min(lifetime, LONGEST_LIFETIME), refresh_in, as_text(document.get("scope")), **more)


def _beside(value: object) -> str:
    """A token that came beside the access token; "" for what cannot be one, as if it had not come."""
    usable = isinstance(value, str) and len(value) <= _LONGEST_TOKEN and _TOKEN.fullmatch(value)
    return value if usable and isinstance(value, str) else ""


def _lifetime(document: dict[str, Any], now: float) -> float:
    seconds = as_number(document.get("expires_in"))
    if seconds is not None:
        return seconds
    # Managed identities of App Service give only the end, in seconds since the epoch.
    end = as_number(document.get("expires_on"))
    return DEFAULT_LIFETIME if end is None else end - now


def _refused(document: dict[str, Any], status: int) -> Refused:
    error, description = _error(document)
    codes = _codes(document.get("error_codes"), description)
    if not error:
        said = f"status {status}: {description}" if description else f"status {status} without an error code"
        return Refused(INVALID_RESPONSE, said, _later(status), codes, _trace(document), _CHECK_ENDPOINT)
    passing = error in advice.ERRORS and advice.ERRORS[error].kind is advice.Kind.TRANSIENT
    temporary = _later(status) or passing or advice.kind(codes) is advice.Kind.TRANSIENT
    return Refused(error, description, temporary, codes, _trace(document))


def _error(document: dict[str, Any]) -> tuple[str, str]:
    """Error and description; besides RFC 6749 the forms of Google's APIs and of App Service."""
    error, description = document.get("error"), document.get("error_description")
    if isinstance(error, dict):
        description = error.get("message")
        error = error.get("status") or error.get("code")
    elif error is None:
        description = document.get("message")
        error = document.get("statusCode")
    if isinstance(error, int):
        error = str(error)[:_LONGEST_ERROR]
    return as_text(error, _LONGEST_ERROR), as_text(description)


def aadsts(description: str) -> tuple[int, ...]:
    """The AADSTS numbers in a text, in order, each once."""
    return _codes(None, description)


def _codes(listed: object, description: str) -> tuple[int, ...]:
    """The AADSTS numbers, in order, each once."""
    numbers = [as_number(code) for code in listed[:10]] if isinstance(listed, list) else []
    found = [int(number) for number in numbers if number is not None and 1 <= number < 10**9]
    found += [int(code) for code in _AADSTS.findall(description)[:10]]
    return tuple(dict.fromkeys(found))


def _trace(document: dict[str, Any]) -> str:
    named = (("trace", "trace_id"), ("correlation", "correlation_id"))
    said = [(name, as_text(document.get(key), _LONGEST_ERROR)) for name, key in named]
    return ", ".join(f"{name} {value}" for name, value in said if value)


def _unreadable(response: HttpResponse) -> Refused:
    status = response.status
    kind = as_text(response.headers.get("content-type", ""), _LONGEST_ERROR).partition(";")[0]
    what = f"status {status}, {len(response.body):,} octets{f' of {kind}' if kind else ''}, not a JSON object"
    if 300 <= status < 400:
        what = f"status {status}, a redirect: redirects are never followed"
    hint = "Wait: the relay tries again by itself" if _later(status) else _CHECK_ENDPOINT
    return Refused(INVALID_RESPONSE, what, _later(status) or 200 <= status < 300, hint=hint)


def _strange(description: str, hint: str) -> Refused:
    return Refused(INVALID_RESPONSE, description, True, hint=hint)


def _later(status: int) -> bool:
    return status >= 500 or status in _ASK_LATER
