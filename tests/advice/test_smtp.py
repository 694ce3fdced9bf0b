"""What people are told about an SMTP reply: the cause and a step that can be taken as it stands."""

import pytest

from relay.advice.smtp import family, hint

MAILBOX = "noreply@contoso.com"
DISABLED = "Authentication unsuccessful, SmtpClientAuthentication is disabled for the"


def told(line: str, provider: str = "microsoft") -> str:
    code, status, text = line.split(" ", 2)
    return hint(int(code), status, text, provider, mailbox=MAILBOX, account="office")


@pytest.mark.parametrize(
    ("line", "step"),
    [
        (f"535 5.7.139 {DISABLED} Mailbox.", f"Set-CASMailbox {MAILBOX} -SmtpClientAuthenticationDisabled $false"),
        (f"535 5.7.139 {DISABLED} Tenant.", "Set-TransportConfig -SmtpClientAuthenticationDisabled $false"),
        (f"535 5.7.139 {DISABLED} Tenant.", f"Set-CASMailbox {MAILBOX} -SmtpClientAuthenticationDisabled $false"),
        ("535 5.7.139 x, basic authentication is disabled", "[accounts.office.oauth]"),
        ("550 5.7.30 Basic authentication is not supported", "[accounts.office.oauth]"),
        ("535 5.7.139 x, the user credentials were incorrect", "[accounts.office.oauth]"),
        ("535 5.7.139 x, the request did not meet the criteria", "Conditional Access"),
        ("535 5.7.139 x, user is locked by your organization's security defaults policy", "security defaults"),
        ("535 5.7.139 x, account locked", "unlock"),
        ("535 5.7.139 x, federated STS service was unreachable", "AD FS"),
        ("535 5.7.3 Authentication unsuccessful", "New-ServicePrincipal"),
        ("535 5.7.3 Authentication unsuccessful", "`relay doctor office`"),
        ("535 5.7.3 Authentication unsuccessful", f"Add-MailboxPermission {MAILBOX}"),
        ("530 5.7.57 Client not authenticated to send mail. Error: 535 5.7.139 y", "accounts.office"),
        (f"530 5.7.57 Client not authenticated. Error: 535 5.7.139 {DISABLED} Mailbox.", f"Set-CASMailbox {MAILBOX}"),
        ("501 5.5.127 Invalid XOAUTH2 auth data - Token will expire soon error", 'refresh_margin = "20m"'),
        ("535 5.7.144 Invalid API permissions", f"Add-HVEAppAccess -Identity {MAILBOX}"),
        ("550 5.7.240 The application is not allowed", f"Add-HVEAppAccess -Identity {MAILBOX}"),
        ("550 5.5.105 External sending is not supported", "internal recipients"),
        ("432 4.3.2 Concurrent connections limit exceeded", "accounts.office.concurrency"),
        ("554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException", "24 hours"),
        ("550 5.1.90 you've reached your daily limit for message recipients", "24 hours"),
        ("550 5.7.60 SMTP; Client does not have permissions", f"-Trustee {MAILBOX} -AccessRights SendAs"),
        ("554 5.2.252 SendAsDenied; a not allowed to send as b", 'sender = "force"'),
        ("554 5.2.2 mailbox full; STOREDRV.Submission", "MessageCopyForSMTPClientSubmissionEnabled $false"),
        ("550 5.1.8 Access denied, bad outbound sender", "Restricted entities"),
        ("550 5.7.705 Access denied, tenant has exceeded threshold", "support"),
        ("550 5.7.708 Access denied, traffic not accepted", "support"),
        ("550 5.7.750 Service unavailable", "accepted domains"),
        ("550 5.7.233 exceeded", "licences"),
        ("550 5.7.236 exceeded", "domain of your own"),
        ("552 5.3.4 Message size exceeds fixed maximum message size", f"Set-Mailbox {MAILBOX} -MaxSendSize"),
        ("554 5.4.14 Hop count exceeded", "circle"),
        ("550 5.7.512 Access denied", "From"),
        ("550 5.1.20 Multiple From addresses", "Sender"),
        ("550 5.7.64 TenantAttribution; Relay Access Denied", "connector"),
        ("550 5.7.68 TenantInboundAttribution; Direct Send", "RejectDirectSend $false"),
        ("550 5.7.506 Bad HELO", "hostname"),
        ("451 4.7.500 Access denied, please try again later", "slows"),
    ],
)
def test_exchange(line: str, step: str) -> None:
    assert step in told(line)


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("550 5.4.5 Daily user sending limit exceeded", "24 hours"),
        ("550 5.7.1 Daily SMTP relay limit exceeded for customer", "daily limit"),
        ("550 5.7.0 Mail relay denied 192.0.2.1", "SMTP relay service"),
        ("550 5.7.1 Invalid credentials for relay", "SMTP relay service"),
        ("454 4.7.0 Too many login attempts", "ten minutes"),
        ("421 4.7.0 TLS required for RCPT domain", "accounts.office.tls"),
        ("530 5.7.0 Must issue a STARTTLS command first", "accounts.office.tls"),
        ("534 5.7.9 Application-specific password required", "app password"),
        ("535 5.7.8 Username and Password not accepted", "https://mail.google.com/"),
        ("530 5.7.0 Authentication Required", "accounts.office"),
        ("501 5.5.4 HELO/EHLO argument is invalid", "hostname"),
        ("550 5.7.26 unauthenticated", "SPF"),
        ("552 5.7.0 blocked", "content"),
        ("552 5.2.3 exceeded", "25 MB"),
        ("550 5.7.1 likely unsolicited", "From"),
    ],
)
def test_gmail(line: str, step: str) -> None:
    assert step in told(line, "google")
    assert step in told(f"{line} abc - gsmtp", "smtp")


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("535 5.7.8 no", "accounts.office.username"),
        ("530 5.7.0 no", "accounts.office"),
        ("538 5.7.11 no", "accounts.office.tls"),
        ("552 5.3.4 no", "larger"),
    ],
)
def test_any_server(line: str, step: str) -> None:
    assert step in told(line, "smtp")


@pytest.mark.parametrize("line", ["550 5.1.1 unknown user", "451 4.3.0 later", "554 5.7.1 spam"])
def test_where_the_reply_says_it_all_nothing_is_added(line: str) -> None:
    assert told(line, "smtp") == ""


def test_what_is_not_known_stays_a_placeholder() -> None:
    advice = hint(535, "5.7.139", f"{DISABLED} Mailbox.", "microsoft")
    assert "Set-CASMailbox MAILBOX " in advice


@pytest.mark.parametrize(
    ("provider", "text", "whose"),
    [
        ("microsoft", "anything - gsmtp", "microsoft"),
        ("google", "anything", "google"),
        ("smtp", "no such user - gsmtp", "google"),
        ("smtp", "no - gcdp", "google"),
        ("smtp", "x [Hostname=AM0.eurprd06.PROD.OUTLOOK.COM]", "microsoft"),
        ("smtp", "STOREDRV.Submission", "microsoft"),
        ("smtp", "SMTP; Client does not have permissions", "microsoft"),
        ("smtp", "relaying denied", ""),
    ],
)
def test_whose_reply_it_is(provider: str, text: str, whose: str) -> None:
    assert family(provider, text) == whose
