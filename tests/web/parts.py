"""What the tests of the page have in common: a relay that bothers nobody, a password, and mail that would do harm."""

import smtplib
from email.message import EmailMessage

from tests.support.door import QUICK_HASH
from tests.support.process import PATIENCE, RelayProcess

PASSWORD = "correct horse battery"


def hashed(password: str) -> str:
    return QUICK_HASH.hash(password)


PAGE = """<html><head><meta http-equiv="refresh" content="0; url=http://evil.example/"><base href="http://evil.example/">
<link rel="dns-prefetch" href="//evil.example"><style>p { color: green }</style></head><body onload="alert(1)">
<script>alert(1)</script><p>Visible</p><img src="cid:logo"><img src="http://evil.example/pixel.gif">
<a href="https://example.com/">link</a><svg onload="alert(1)"></svg></body></html>"""


def mail(subject: str, html: str = "") -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "App <app@example.com>", "Kim <kim@example.com>", subject
    made.set_content(f"Text of {subject}. See https://example.com/a?b=1&c=2.\n")
    if html:
        made.add_alternative(html, subtype="html")
        page = made.get_body(preferencelist=("html",))
        assert isinstance(page, EmailMessage)
        page.add_related(PNG, "image", "png", cid="<logo>")
        made.add_attachment(b"<script>alert(1)</script>", maintype="text", subtype="html", filename='a"b<.html')
    return made


def send(process: RelayProcess, made: EmailMessage) -> None:
    with smtplib.SMTP("127.0.0.1", process.port, timeout=PATIENCE) as client:
        client.send_message(made, "app@example.com", ["kim@example.com", "hidden@example.com"])


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6364f8cf500f0003860180 5a34 7d6a0000000049454e44ae426082".replace(" ", "")
)
