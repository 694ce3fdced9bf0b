"""What a client asks to be told about its message: the parameters of RFC 3461 to MAIL and RCPT."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from relay.bounce import decoded
from relay.listener.paths import BadPath, nothing_left
from relay.model import DsnWishes

LONGEST_ORCPT = 500

_EVENTS = ("SUCCESS", "FAILURE", "DELAY")
_ORCPT = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*);(.+)")
_UTF8_ORCPT = re.compile(r"(?:[!-*,-<>-\[\]-~\u0080-\U0010ffff]|\\x\{[0-9A-F]{2,6}\})+")
"""The forms of an address of type utf-8 (RFC 6533 3): as it is, or what is not ASCII by its numbers."""


@dataclass(frozen=True, slots=True)
class RecipientWishes:
    """NOTIFY and ORCPT, as they were written; "" without one."""

    notify: str = ""
    orcpt: str = ""


@dataclass
class Wishes:
    """The wishes of one transaction, as they come in."""

    ret: str = ""
    envid: str = ""
    notify: dict[str, str] = field(default_factory=dict)
    orcpt: dict[str, str] = field(default_factory=dict)

    def add(self, address: str, wishes: RecipientWishes) -> None:
        """Note what was asked for a recipient. One that comes twice is delivered to once, and the first counts."""
        if wishes.notify:
            self.notify.setdefault(address, wishes.notify)
        if wishes.orcpt:
            self.orcpt.setdefault(address, wishes.orcpt)

    @property
    def asked(self) -> DsnWishes | None:
        """What is kept with the message; None when nothing was asked."""
        if not (self.ret or self.envid or self.notify or self.orcpt):
            return None
        return DsnWishes(self.ret, self.envid, self.notify, self.orcpt)


def recipient_wishes(parameters: Mapping[str, str]) -> RecipientWishes:
    """Read the parameters of RCPT; there are no others. Raises BadPath."""
    if not parameters:
        return _NONE
    given = dict(parameters)
    notify = given.pop("NOTIFY", "").upper()
    if "NOTIFY" in parameters:
        words = notify.split(",")
        if notify != "NEVER" and (len(set(words)) != len(words) or not set(words) <= set(_EVENTS)):
            raise BadPath("NOTIFY is NEVER, or some of SUCCESS, FAILURE and DELAY by commas")
    orcpt = given.pop("ORCPT", "")
    if "ORCPT" in parameters and not _is_orcpt(orcpt):
        raise BadPath(f"ORCPT needs a type and an address in xtext, like rfc822;a@b (at most {LONGEST_ORCPT} octets)")
    nothing_left(given)
    return RecipientWishes(notify, orcpt)


_NONE = RecipientWishes()


def _is_orcpt(text: str) -> bool:
    match = _ORCPT.fullmatch(text)
    if match is None or len(text.encode("utf-8", "surrogateescape")) > LONGEST_ORCPT:
        return False
    if match[1].lower() == "utf-8":
        return _UTF8_ORCPT.fullmatch(match[2]) is not None
    return bool(decoded(match[2]))
