"""Faults by order: what should go wrong next, where, and how often.

A fault names a kind and a point. The points of an SMTP session are its commands, plus `connect` (before the
greeting), `body` (inside the content) and `end_of_data` (the content has been taken, its reply is due); those of HTTP
are `token`, `authorize` (the page), `devicecode`, `graph` (before a message is taken) and `graph_taken` (after it,
before the answer). Of a draft at Graph `graph_draft` (made, changed or deleted), `graph_attach` (an attachment, or an
upload session that begins), `graph_upload` and `graph_uploaded` (before and after a piece is taken) and `graph_send`;
then `graph_taken` again. At Gmail `gmail` and `gmail_taken`, and of a resumable upload `gmail_upload` and
`gmail_uploaded`.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from relay import log
from relay.model import Clock
from relay.sandbox import api_errors

SMTP_POINTS = ("connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "body", "end_of_data", "rset", "quit")
_GRAPH_POINTS = ("graph_draft", "graph_attach", "graph_upload", "graph_uploaded", "graph_send")
_GMAIL_POINTS = ("gmail", "gmail_taken", "gmail_upload", "gmail_uploaded")
HTTP_POINTS = ("token", "graph", "graph_taken", "authorize", "devicecode", *_GRAPH_POINTS, *_GMAIL_POINTS)
_REFUSING = ("token", "graph", "graph_draft", "graph_attach", "graph_upload", "graph_send", "gmail", "gmail_upload")
POINTS = SMTP_POINTS + HTTP_POINTS
_REPLY_POINTS = tuple(point for point in SMTP_POINTS if point != "body")


REFUSED_GRANTS = ("700082", "50173", "70043", "70008")
"""The AADSTS numbers with which a refresh token can be refused."""


class FaultError(ValueError):
    """An order that cannot be obeyed; the text says what would be right."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: the points it can be ordered for (the first is the default) and the options it takes."""

    summary: str
    points: tuple[str, ...]
    options: tuple[str, ...] = ()


KINDS: Mapping[str, Kind] = {
    "expired_secret": Kind("AADSTS7000222: the client secret has expired", ("token",)),
    "wrong_secret": Kind("AADSTS7000215: the client secret is not right", ("token",)),
    "no_roles": Kind("a token without any permission in it", ("token",)),
    "invalid_grant": Kind("the refresh token is refused, AADSTS700082 or the number in code", ("token",), ("code",)),
    "slow_down": Kind("a device asks too often", ("token",)),
    "token_fields": Kind("other fields in the token's JSON; null takes one out", ("token",), ("fields",)),
    "truncated_json": Kind("an answer that is cut off", ("token", "graph")),
    "throttled": Kind("429; without retry_after there is no Retry-After", _REFUSING, ("retry_after", "code", "body")),
    "refused": Kind(
        "the API's refusal with that code: Graph's error.code, Gmail's reason", _REFUSING[1:], ("code", "retry_after")
    ),
    "unavailable": Kind("503 with a page of HTML", _REFUSING, ("retry_after",)),
    "session_expired": Kind("the upload session has ended", ("graph_upload", "gmail_upload")),
    "http_reply": Kind("any HTTP answer", HTTP_POINTS, ("status", "body", "content_type")),
    "auth_refused": Kind("535 5.7.3 whatever the token", ("auth",)),
    "smtp_auth_disabled_tenant": Kind("535 5.7.139: SMTP AUTH is off in the tenant", ("auth",)),
    "smtp_auth_disabled_mailbox": Kind("535 5.7.139: SMTP AUTH is off for the mailbox", ("auth",)),
    "too_many_connections": Kind("432 4.3.2 after the content", ("end_of_data",)),
    "service_closing": Kind("421 4.3.2, and the connection is closed", ("mail", *_REPLY_POINTS)),
    "garbage": Kind("bytes that are no SMTP reply", _REPLY_POINTS),
    "reply": Kind("any SMTP reply", ("mail", *_REPLY_POINTS), ("reply",)),
    "slow": Kind("the answer comes `seconds` later", ("end_of_data", *POINTS), ("seconds",)),
    "disconnect": Kind("the connection is cut", ("end_of_data", *POINTS), ("after_reply", "after_bytes")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One order. Raises FaultError when it cannot be obeyed.

    It strikes `times` times (None: until removed), after it has let `after` occasions pass, and only for `mailbox` and
    `recipient` where these are given. `retry_after` is sent as it is written: seconds, a fraction, a date.
    `after_reply` cuts an SMTP connection once the reply is out, `after_bytes` that far into the content.
    """

    kind: str
    at: str = ""
    times: int | None = None
    after: int = 0
    mailbox: str = ""
    recipient: str = ""
    reply: str = ""
    seconds: float = 0
    retry_after: float | str | None = None
    code: str = ""
    status: int = 0
    body: str = ""
    content_type: str = "text/html"
    fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    after_reply: bool = False
    after_bytes: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise FaultError(f'there is no fault "{self.kind}"; there are: {", ".join(KINDS)}')
        kind = KINDS[self.kind]
        object.__setattr__(self, "at", self.at or kind.points[0])
        if self.at not in kind.points:
            points = ", ".join(dict.fromkeys(kind.points))
            raise FaultError(f'"{self.kind}" cannot be ordered at "{self.at}", only at: {points}')
        self._check_options(kind)
        if (self.times is not None and self.times < 1) or self.after < 0 or self.seconds < 0 or self.after_bytes < 0:
            raise FaultError('"times" is 1 or more, or left out: until removed; other numbers are not negative')

    def _check_options(self, kind: Kind) -> None:
        given = {field.name for field in dataclasses.fields(self) if getattr(self, field.name) != _default(field)}
        for name in given - _COMMON - set(kind.options):
            takes = ", ".join(kind.options) or "no option of its own"
            raise FaultError(f'"{self.kind}" has no use for "{name}"; it takes: {takes}')
        if self.kind == "reply" and not re.match(r"[2-5]\d\d[ -]", self.reply):
            raise FaultError('"reply" needs an SMTP reply such as "451 4.7.0 Temporary server error"')
        if self.kind == "invalid_grant" and self.code not in ("", *REFUSED_GRANTS):
            raise FaultError(f'"invalid_grant" knows the codes {", ".join(REFUSED_GRANTS)}')
        known = api_errors.GMAIL if self.at.startswith("gmail") else api_errors.GRAPH
        if self.kind == "refused" and self.code not in known:
            raise FaultError(f'"refused" at "{self.at}" needs a "code", one of: {", ".join(known)}')
        if self.kind == "http_reply" and not 200 <= self.status <= 599:
            raise FaultError('"http_reply" needs a "status" from 200 to 599')
        if self.kind == "slow" and not self.seconds:
            raise FaultError('"slow" needs "seconds"')
        if self.after_reply and self.at in (*HTTP_POINTS, "body"):
            raise FaultError(f'"after_reply" has no meaning at "{self.at}"')
        if self.after_bytes and self.at != "body":
            raise FaultError('"after_bytes" has a meaning only at "body"')

    @classmethod
    def from_json(cls, order: Any) -> "Fault":
        """An order as the control endpoint takes it. Raises FaultError."""
        if not isinstance(order, dict) or "kind" not in order:
            raise FaultError(f'send a JSON object with a "kind", one of: {", ".join(KINDS)}')
        for name, value in order.items():
            if name not in _TYPES:
                raise FaultError(f'a fault has no "{name}"; it has: {", ".join(_TYPES)}')
            allowed = _TYPES[name]
            # True is an int to Python, but nobody who writes it means a number.
            if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
                names = " or ".join(_JSON_NAMES[kind] for kind in allowed)
                raise FaultError(f'"{name}" must be {names}, not {value!r}')
        return cls(**order)

    def as_json(self) -> dict[str, Any]:
        """The order with what was said in it, defaults left out."""
        shown = ((field, getattr(self, field.name)) for field in dataclasses.fields(self))
        return {field.name: value for field, value in shown if value != _default(field)}


def _default(field: "dataclasses.Field[Any]") -> Any:
    factory = field.default_factory
    return field.default if factory is dataclasses.MISSING else factory()


_COMMON = {"kind", "at", "times", "after", "mailbox", "recipient"}
_NONE = type(None)
_TYPES: Mapping[str, tuple[type, ...]] = {
    "kind": (str,),
    "at": (str,),
    "times": (int, _NONE),
    "after": (int,),
    "mailbox": (str,),
    "recipient": (str,),
    "reply": (str,),
    "seconds": (int, float),
    "retry_after": (int, float, str, _NONE),
    "code": (str,),
    "status": (int,),
    "body": (str,),
    "content_type": (str,),
    "fields": (dict,),
    "after_reply": (bool,),
    "after_bytes": (int,),
}
_JSON_NAMES = {str: "text", int: "a number", float: "a fraction", _NONE: "null", dict: "an object", bool: "a boolean"}


@dataclass(slots=True)
class Order:
    """A fault that was ordered: how many occasions it has let pass, how often it has struck."""

    number: int
    fault: Fault
    passed: int = 0
    struck: int = 0
    struck_at: float = 0.0
    """When it struck last (seconds since the epoch)."""

    def strikes(self, point: str, mailbox: str, recipient: str) -> bool:
        """Count this occasion; True if the fault strikes now."""
        fault = self.fault
        if fault.at != point or (fault.mailbox and fault.mailbox.lower() != mailbox.lower()):
            return False
        if fault.recipient and fault.recipient.lower() != recipient.lower():
            return False
        if self.passed < fault.after:
            self.passed += 1
            return False
        self.struck += 1
        return True

    @property
    def used_up(self) -> bool:
        return self.fault.times is not None and self.struck >= self.fault.times


class Faults:
    """The orders in force, oldest first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._orders: list[Order] = []
        self._last = 0

    def add(self, fault: Fault) -> Order:
        """Put `fault` in force; the order that comes back counts how often it has struck."""
        self._last += 1
        order = Order(self._last, fault)
        self._orders.append(order)
        return order

    def remove(self, number: int) -> bool:
        """Take one order back; False if it is not in force."""
        before = len(self._orders)
        self._orders = [order for order in self._orders if order.number != number]
        return len(self._orders) < before

    def clear(self) -> None:
        """Take all orders back."""
        self._orders.clear()

    def __iter__(self) -> Iterator[Order]:
        return iter(tuple(self._orders))

    def __len__(self) -> int:
        return len(self._orders)

    async def at(self, point: str, *, mailbox: str = "", recipient: str = "") -> Fault | None:
        """The fault that strikes at `point`, once everything `slow` that was ordered there has been waited for."""
        if not self._orders:
            return None
        for order in tuple(self._orders):
            if order not in self._orders or not order.strikes(point, mailbox, recipient):
                continue
            order.struck_at = self._clock.time()
            if order.used_up:
                self.remove(order.number)
            log.sandbox.fault(order.fault.kind, point)
            if order.fault.kind != "slow":
                return order.fault
            await self._clock.sleep(order.fault.seconds)
        return None
