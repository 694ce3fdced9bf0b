"""Mail with attachments of any size, and what became of them on the other side."""

import email
import email.policy
import hashlib
import random
from email.message import EmailMessage

from relay.model import MemoryBody, Message
from tests.upstream.parts import message

MAILBOX = "noreply@sandbox.onmicrosoft.com"


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def scan_to_mail(*sizes: int, inline: int = 0) -> EmailMessage:
    """Two forms of a text, an inline image of `inline` octets, and attachments of these sizes."""
    made = EmailMessage(policy=email.policy.SMTP)
    made["From"], made["To"], made["Subject"] = MAILBOX, "Ann <ann@example.com>", "Scan für Sie"
    made["Message-ID"], made["X-App"] = "<scan@erp>", "scanner"
    made.set_content("The plain text\n")
    made.add_alternative('<p>The HTML <img src="cid:logo@x"></p>\n', subtype="html")
    if inline:
        html = made.get_payload(1)
        assert isinstance(html, EmailMessage)
        html.add_related(noise(inline), "image", "png", cid="<logo@x>")
    for number, size in enumerate(sizes):
        name = f"Anhang {number} ü.pdf"
        made.add_attachment(noise(size, number), maintype="application", subtype="pdf", filename=name)
    return made


def as_message(made: EmailMessage | bytes, *recipients: str) -> Message:
    raw = made if isinstance(made, bytes) else made.as_bytes()
    head, _, body = raw.partition(b"\r\n\r\n")
    return message(
        *(recipients or ("ann@example.com",)), sender=MAILBOX, headers=head + b"\r\n", body=MemoryBody.of(body)
    )


def content_of(raw: bytes) -> dict[str, tuple[str, str]]:
    """Each leaf by its name or type: how it is disposed, and the hash of what is in it."""
    found: dict[str, tuple[str, str]] = {}
    for part in email.message_from_bytes(raw, policy=email.policy.default).walk():
        if part.is_multipart():
            continue
        name = part["Content-ID"] or part.get_filename() or part.get_content_type()
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        assert name not in found, "attached twice"
        if part.get_content_maintype() == "text":
            data = data.replace(b"\r\n", b"\n")
        found[name] = (part.get_content_disposition() or "", hashlib.sha256(data).hexdigest())
    return found
