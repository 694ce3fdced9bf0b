"""Delivery status notifications: the report that tells a sender what became of a message (RFC 3461, RFC 3464).

Values in, octets out: who is told, when and through which account is decided elsewhere. `xtext` has the form in which
clients write their wishes, `text` the part for people, `status` the part for programs, `returned` what is sent back of
the message, `report` puts them together.
"""

from relay.bounce.notice import Action, Notice, Told
from relay.bounce.report import Report, compose
from relay.bounce.returned import wants_body
from relay.bounce.xtext import decoded

__all__ = [
    "Action",
    "Notice",
    "Report",
    "Told",
    "compose",
    "decoded",
    "wants_body",
]
