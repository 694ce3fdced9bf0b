"""The arguments of MAIL and RCPT, read strictly, and the transaction that grows from them. Pure."""

import re
from dataclasses import dataclass, field

from relay.sandbox.replies import Replies

# RFC 5321 section 4.1.2: a path in angle brackets, the local part a dot-string or a quoted string.
_PATH = re.compile(r'<((?:"(?:[^"\\]|\\.)*"|[^<>"\s])*)>(?: +(.*))?', re.DOTALL)
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^\x00-\x20=]+))?")
_NUMBER = re.compile(r"[0-9]{1,20}")
_MAIL_PARAMETERS = {"SIZE", "BODY", "RET", "ENVID", "AUTH", "SMTPUTF8"}
_RCPT_PARAMETERS = {"NOTIFY", "ORCPT"}
_BODIES = ("7BIT", "8BITMIME", "BINARYMIME")


@dataclass(slots=True)
class Transaction:
    """One mail transaction as it grows (RFC 5321 section 3.3); parameters are kept as they were written."""

    sender: str
    parameters: str = ""
    binary: bool = False
    smtputf8: bool = False
    recipients: list[str] = field(default_factory=list)
    recipient_parameters: list[str] = field(default_factory=list)
    chunks: bytearray = field(default_factory=bytearray)
    chunked: bool = False
    too_large: bool = False


@dataclass(frozen=True, slots=True)
class Recipient:
    """What one RCPT named."""

    address: str
    parameters: str


@dataclass(frozen=True, slots=True)
class _Argument:
    address: str
    parameters: str
    found: dict[str, str]


def read_mail(argument: str, replies: Replies, largest: int) -> Transaction | str:
    """The transaction that `MAIL argument` begins, or the reply that refuses it."""
    read = _read("FROM:", argument)
    if read is None:
        return replies.bad_arguments
    found, smtputf8 = read.found, "SMTPUTF8" in read.found
    if (read.address and "@" not in read.address) or not _is_clean(read.address, smtputf8=smtputf8):
        return replies.bad_sender
    if set(found) - _MAIL_PARAMETERS:
        return replies.bad_parameter
    body, size, ret = (found.get(name, default) for name, default in (("BODY", "7BIT"), ("SIZE", "0"), ("RET", "HDRS")))
    if body.upper() not in _BODIES or not _NUMBER.fullmatch(size) or ret.upper() not in ("FULL", "HDRS"):
        return replies.bad_arguments
    if int(size) > largest:
        return replies.too_large
    return Transaction(read.address, read.parameters, binary=body.upper() == "BINARYMIME", smtputf8=smtputf8)


def read_rcpt(argument: str, replies: Replies, *, smtputf8: bool) -> Recipient | str:
    """The recipient that `RCPT argument` names, or the reply that refuses it."""
    read = _read("TO:", argument)
    if read is None:
        return replies.bad_arguments
    if "@" not in read.address or not _is_clean(read.address, smtputf8=smtputf8):
        return replies.bad_recipient
    if set(read.found) - _RCPT_PARAMETERS:
        return replies.bad_parameter
    return Recipient(read.address, read.parameters)


def _read(keyword: str, argument: str) -> _Argument | None:
    match = _PATH.fullmatch(argument[len(keyword) :].lstrip())
    if match is None or argument[: len(keyword)].upper() != keyword:
        return None
    found: dict[str, str] = {}
    for word in (match[2] or "").split():
        parameter = _PARAMETER.fullmatch(word)
        if parameter is None or parameter[1].upper() in found:
            return None
        found[parameter[1].upper()] = parameter[2] or ""
    return _Argument(match[1], match[2] or "", found)


def _is_clean(address: str, *, smtputf8: bool) -> bool:
    """Beyond ASCII only with SMTPUTF8 (RFC 6531 section 3.3), and then valid UTF-8."""
    if address.isascii():
        return True
    return smtputf8 and not any("\ud800" <= character <= "\udfff" for character in address)
