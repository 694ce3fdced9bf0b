"""What the policy answers: a refusal that says what would allow it, or what to do with a message."""

from dataclasses import dataclass

from relay.log import clean
from relay.mime import SenderEdit

_LONGEST_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reply that refuses; `str()` is its line, without CRLF (RFC 5321 4.2, enhanced status of RFC 3463).

    `retry_after` are the seconds after which the same would be taken, 0 where waiting does not help.
    """

    code: int
    status: str
    text: str
    retry_after: int = 0

    def __str__(self) -> str:
        return f"{self.code} {self.status} {self.text}"


@dataclass(frozen=True, slots=True)
class Decision:
    """The message is taken: for this account, with this envelope sender ("" is the null sender) and this edit.

    `recipients` are those whom this account serves, where several accounts share them; () means all.
    """

    account: str
    sender: str
    edit: SenderEdit | None = None
    recipients: tuple[str, ...] = ()


def shown(text: str) -> str:
    """`text` as a reply line can hold it: bounded, in ASCII, without control characters."""
    if len(text) > _LONGEST_SHOWN:
        text = text[: _LONGEST_SHOWN - 3] + "..."
    return clean(text).encode("ascii", "backslashreplace").decode("ascii")
