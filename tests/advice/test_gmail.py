"""What people are told about an error of the Gmail API."""

import pytest

from relay.advice.gmail import hint


@pytest.mark.parametrize(
    ("status", "reason", "step"),
    [
        (401, "authError", "relay authorize g`"),
        (401, "", "relay authorize g`"),
        (403, "insufficientPermissions", "accounts.g.oauth.scopes"),
        (403, "accessNotConfigured", "enable it"),
        (400, "failedPrecondition", "accounts.g.oauth.subject"),
        (400, "failedPrecondition", "noreply@example.com"),
        (404, "", "accounts.g.mailbox"),
        (413, "", "35 MB"),
        (429, "userRateLimitExceeded", "The mail waits"),
        (302, "", "accounts.g.mail_endpoint"),
    ],
)
def test_the_next_step(status: int, reason: str, step: str) -> None:
    assert step in hint(status, reason, mailbox="noreply@example.com", account="g")


def test_where_only_waiting_helps() -> None:
    assert hint(503, "backendError") == ""
