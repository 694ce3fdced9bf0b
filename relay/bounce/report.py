"""A report as a message: `multipart/report` of three parts (RFC 3464, RFC 6522)."""

import email.header
from dataclasses import dataclass

from relay.bounce import returned, text
from relay.bounce.notice import Notice
from relay.bounce.status import date, delivery_status


@dataclass(frozen=True, slots=True)
class Report:
    """A composed report: header block and body in stored form, and what its envelope has to say of them."""

    headers: bytes
    body: bytes
    subject: str
    message_id: str

    @property
    def eight_bit(self) -> bool:
        return not self.body.isascii()

    @property
    def smtputf8(self) -> bool:
        return not self.headers.isascii()


def compose(notice: Notice) -> Report:
    """The report of `notice`."""
    boundary = f"report-{notice.report_id}"
    title = text.subject(notice)
    message_id = f"<{notice.report_id}@{notice.hostname}>"
    fields = [
        f'From: "Mail relay" <{notice.author}>',
        f"To: <{notice.to}>",
        f"Subject: {_encoded(title)}",
        f"Date: {date(notice.now)}",
        f"Message-ID: {message_id}",
        # RFC 3834 5: no vacation answer, no ticket is to come back.
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="{boundary}"',
    ]
    words, charset, encoding = text.encoded(text.text(notice))
    parts = [
        f"Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode()
        + words,
        b"Content-Type: message/delivery-status\r\n\r\n" + delivery_status(notice),
        returned.part(notice),
    ]
    line = f"--{boundary}".encode()
    body = b"".join(line + b"\r\n" + part + b"\r\n" for part in parts) + line + b"--\r\n"
    return Report("".join(f"{field}\r\n" for field in fields).encode(), body, title, message_id)


def _encoded(title: str) -> str:
    """The subject as a field can hold it, folded."""
    charset = "us-ascii" if title.isascii() else "utf-8"
    return email.header.Header(title, charset, header_name="Subject").encode(linesep="\r\n")
