"""What people are told about an error of Graph."""

import pytest

from relay.advice.graph import hint


@pytest.mark.parametrize(
    ("status", "code", "step"),
    [
        (401, "InvalidAuthenticationToken", "accounts.office.oauth.scopes"),
        (401, "80049228", "accounts.office.oauth.scopes"),
        (401, "SomethingNew", "accounts.office.oauth.scopes"),
        (403, "ErrorAccessDenied", "Mail.Send"),
        (403, "ErrorAccessDenied", "Test-ServicePrincipalAuthorization"),
        (403, "Authorization_RequestDenied", "admin consent"),
        (403, "ErrorSendAsDenied", "-Trustee noreply@contoso.com -AccessRights SendAs"),
        (404, "MailboxNotEnabledForRESTAPI", "licence"),
        (404, "ErrorInvalidUser", "accounts.office.mailbox"),
        (404, "Request_ResourceNotFound", "accounts.office.mailbox"),
        (404, "", "accounts.office.mailbox"),
        (400, "ErrorInvalidRecipients", "recipient"),
        (400, "ErrorMessageSizeExceeded", "Set-Mailbox noreply@contoso.com -MaxSendSize"),
        (413, "", 'accounts.office.via = ["graph", "smtp"]'),
        (429, "ErrorExceededMessageLimit", "daily limit"),
        (403, "ErrorMessageSubmissionBlocked", "Restricted entities"),
        (403, "ErrorAccountSuspend", "suspended"),
        (507, "ErrorQuotaExceeded", "full"),
        (429, "ApplicationThrottled", "accounts.office.concurrency"),
        (200, "", "202"),
        (302, "", "accounts.office.mail_endpoint"),
    ],
)
def test_the_next_step(status: int, code: str, step: str) -> None:
    assert step in hint(status, code, mailbox="noreply@contoso.com", account="office")


@pytest.mark.parametrize(("status", "code"), [(503, "serviceNotAvailable"), (500, ""), (400, "BadRequest")])
def test_where_only_waiting_or_the_text_helps(status: int, code: str) -> None:
    assert hint(status, code) == ""
