"""The arguments of MAIL and RCPT: a path and its parameters (RFC 5321 4.1.2), read tolerantly.

Old clients leave out the brackets, put a space after the colon or send a source route; all of that is understood. What
cannot be an address is refused here, so that nothing behind the listener meets one.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from relay.bounce import decoded

LONGEST_ENVID = 100
LONGEST_PATH = 1024
"""RFC 5321 4.5.3.1.3 has 256; internationalised addresses are longer in UTF-8."""

_ATOM = r"[^\x00-\x20\x7f-\x9f()<>\[\]:;@\\,.\"\ud800-\udfff]+"
_QUOTED = r'"(?:[^"\\\x00-\x1f\x7f\ud800-\udfff]|\\[\x20-\x7e])*"'
_ADDRESS = re.compile(rf"(?:{_ATOM}(?:\.{_ATOM})*|{_QUOTED})@(?:{_ATOM}(?:\.{_ATOM})*|\[[0-9A-Za-z.:-]+\])")
"""A mailbox of RFC 5321 4.1.2, with the UTF-8 of RFC 6531 3.3; no surrogate: that is an octet that is no UTF-8."""

_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")

_USUAL = re.compile(rf"[A-Za-z]+:[ ]?<({_ATOM}(?:\.{_ATOM})*@{_ATOM}(?:\.{_ATOM})*)>")
"""What nearly all arguments look like: no parameter, nothing quoted, nothing to be tolerant about."""

_PARAMETER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*(?:=[^\x00-\x20=\x7f-\x9f]+)?")


class BadPath(ValueError):  # noqa: N818 (a finding about input, told to the client)
    """The argument is no path: `reply` is the code and enhanced status to answer with, the text says why."""

    def __init__(self, text: str, code: int = 501, status: str = "5.5.4") -> None:
        super().__init__(text)
        self.code = code
        self.status = status


class Path(NamedTuple):
    """An address ("" for the null reverse-path) and its parameters, their names in upper case."""

    address: str
    parameters: Mapping[str, str] = MappingProxyType({})


def parse(argument: str | None, keyword: str) -> Path:
    """Read `FROM:<a@b> SIZE=10` (`keyword` "FROM") or `TO:<a@b>`. Raises BadPath."""
    usual = _USUAL.fullmatch(argument or "")
    if usual and usual[0][: len(keyword) + 1].upper() == f"{keyword}:" and len(usual[1]) <= LONGEST_PATH:
        return Path(usual[1])
    text = (argument or "").strip()
    if text[: len(keyword) + 1].upper() != f"{keyword}:":
        raise BadPath(f"{keyword}:<address> is missing")
    text = text[len(keyword) + 1 :].lstrip()
    address, rest = _bracketed(text) if text.startswith("<") else _bare(text)
    if len(address) > LONGEST_PATH:
        raise BadPath("the address is too long", 501, "5.1.3")
    address = _without_route(address)
    if address and not (_ADDRESS.fullmatch(address) or _may_lack_domain(address, keyword)):
        raise BadPath("this is no address", 501, "5.1.3")
    return Path(address, _parameters(rest))


def _may_lack_domain(address: str, keyword: str) -> bool:
    """Devices give their login, or `root`, as sender: who may go on with that is for the policy to say."""
    return address.lower() == "postmaster" or (keyword == "FROM" and _LOCAL.fullmatch(address) is not None)


def _bracketed(text: str) -> tuple[str, str]:
    quoted = False
    for index, letter in enumerate(text):
        if letter == '"' and text[index - 1] != "\\":
            quoted = not quoted
        elif letter == ">" and not quoted:
            return text[1:index].strip(), text[index + 1 :]
    raise BadPath("the bracket is not closed")


def _bare(text: str) -> tuple[str, str]:
    address, _, rest = text.partition(" ")
    if not address:
        raise BadPath("the address is missing; the null sender is written <>")
    return address, rest


def _without_route(address: str) -> str:
    """Drop the source route of RFC 5321 appendix C: `@a,@b:user@host`."""
    return address.partition(":")[2] if address.startswith("@") and ":" in address else address


def _parameters(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in text.split():
        name, _, value = word.partition("=")
        name = name.upper()
        if not _PARAMETER.fullmatch(word) or name in found:
            raise BadPath(f"the parameter {word[:40]!r} is malformed or stands twice")
        found[name] = value
    return found


class MailParameters(NamedTuple):
    """What MAIL says beside the sender: `size` in octets (0 = not said), whether SMTPUTF8 was asked for.

    `ret` and `envid` are those of RFC 3461 4.3 and 4.4, as they were written; "" without one.
    """

    size: int = 0
    smtputf8: bool = False
    ret: str = ""
    envid: str = ""


def mail_parameters(path: Path) -> MailParameters:
    """SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), RET and ENVID (RFC 3461), AUTH (RFC 4954 5, ignored).

    Raises BadPath.
    """
    if not path.parameters:
        return MailParameters()
    given = dict(path.parameters)
    size = given.pop("SIZE", "0")
    if not (size.isascii() and size.isdigit() and len(size) <= 20):
        raise BadPath("SIZE needs a number of octets")
    if given.pop("BODY", "7BIT").upper() not in ("7BIT", "8BITMIME"):
        raise BadPath("BODY is 7BIT or 8BITMIME")
    smtputf8 = given.pop("SMTPUTF8", None)
    given.pop("AUTH", None)
    ret = given.pop("RET", "").upper()
    if ("RET" in path.parameters) and ret not in ("FULL", "HDRS"):
        raise BadPath("RET is FULL or HDRS")
    envid = given.pop("ENVID", "")
    if "ENVID" in path.parameters and (not envid or len(envid) > LONGEST_ENVID or decoded(envid) is None):
        raise BadPath(f"ENVID needs xtext (RFC 3461 4.4), at most {LONGEST_ENVID} characters")
    nothing_left(given)
    return MailParameters(int(size), smtputf8 is not None, ret, envid)


def nothing_left(parameters: Mapping[str, str]) -> None:
    """Refuse what nobody has asked for. Raises BadPath."""
    if parameters:
        raise BadPath(f"the parameter {next(iter(parameters))} is not supported", 555, "5.5.4")
