"""The one error of a request."""

from typing import Literal

Kind = Literal["connect", "tls", "timeout", "proxy", "protocol", "too_large"]


class HttpError(Exception):
    """A request has no usable answer. `text` names the host and the cause, `hint` the next step.

    `sent` says that the request may have reached the server: what must not happen twice must not simply be repeated.
    """

    def __init__(self, kind: Kind, text: str, hint: str, *, sent: bool = False) -> None:
        super().__init__(f"{text} — {hint}")
        self.kind: Kind = kind
        self.text = text
        self.hint = hint
        self.sent = sent
