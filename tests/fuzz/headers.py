"""Header blocks, seen as the relay sees them and as Python's own reader does.

What the policy lets pass has to hold for whoever reads it: the only author is one who may be (docs/architecture.md,
promise 4), and no Bcc leaves.
"""

import email
import email.policy
import tempfile
from email.message import Message
from pathlib import Path

from relay import config, mime
from relay.model import Envelope, Origin
from relay.policy import Policy, Refusal
from tests.support.stdlib import getaddresses

ALLOWED = "office@x.org"
_ENVELOPE = Envelope(ALLOWED, ("b@x.org",))
_ORIGIN = Origin("keep", "default", "192.0.2.1", "c", "", "", "")
CONFIGURATION = f"""
hostname = "relay.test"
[accounts.office]
provider = "smtp"
host = "mail.example"
mailbox = "{ALLOWED}"
[clients.keep]
password = "x"
[clients.force]
password = "x"
sender = "force"
reply_to = ""
[clients.either]
password = "x"
sender = "if_not_allowed"
from_name = ""
"""
_rules: list[Policy] = []


def _policy() -> Policy:
    if not _rules:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "relay.toml"
            file.write_text(CONFIGURATION)
            file.chmod(0o600)
            _rules.append(Policy(config.load(file, {"HOME": folder})))
    return _rules[0]


def headers(data: bytes) -> None:
    """Any header block, of clients that keep, force, or repair their sender."""
    block = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") + b"\r\n"
    # What follows an empty line is body.
    block = b"" if block.startswith(b"\r\n") else block.partition(b"\r\n\r\n")[0].removesuffix(b"\r\n") + b"\r\n"
    fields = mime.split_headers(block)
    joined = b"".join(field.raw for field in fields)
    assert block.endswith(joined)
    for name in ("keep", "force", "either"):
        client = _policy().client_by_name(name)
        assert client is not None
        verdict = _policy().check_message(client, _ENVELOPE, fields)
        if isinstance(verdict, Refusal):
            continue
        edited = mime.edit_sender(fields, verdict.edit) if verdict.edit else fields
        hop = mime.Hop(_ORIGIN, _ENVELOPE, "relay.test", "id", 1_800_000_000.0, extended=True)
        _check(mime.prepare(edited, hop))


def _check(block: bytes) -> None:
    assert block.count(b"\r") == block.count(b"\n") == block.count(b"\r\n")
    assert b"\r\n\r\n" not in block, "the block ends before its end"
    seen = email.message_from_bytes(block + b"\r\nbody\r\n", policy=email.policy.compat32)
    for field in ("From", "Sender", "Resent-From", "Resent-Sender"):
        for address in _addresses(seen, field):
            assert address.casefold() == ALLOWED, (field, address)
    # None where a line that is no field ends the block for Python: a From behind it is checked and edited all the same.
    assert len(seen.get_all("From", [])) <= 1
    for field in ("Bcc", "Resent-Bcc"):
        assert field not in seen


def _addresses(seen: Message, field: str) -> list[str]:
    values = [str(value).replace("\r\n", "") for value in seen.get_all(field, [])]
    return [address for _, address in getaddresses(values) if "@" in address]
