"""Which senders the doctor tries at an account."""

from pathlib import Path

from relay import config
from relay.doctor.smtp import senders_of

TWO = """
[accounts.a]
provider = "smtp"
host = "a.example.com"
mailbox = "a@example.com"

[accounts.b]
provider = "smtp"
host = "b.example.com"
mailbox = "b@example.com"

[clients.erp]
password = "x"
accounts = ["a", "b"]
senders = ["erp@example.com"]
"""


def test_a_client_of_several_accounts_counts_at_each(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text(TWO, encoding="utf-8")
    settings = config.load(file, {})
    assert [senders_of(settings, name) for name in ("a", "b")] == [(["erp@example.com"], [])] * 2
