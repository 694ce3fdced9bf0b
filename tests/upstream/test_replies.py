"""What each reply means: Microsoft's and Google's row by row (docs/sources.md), and RFC 5321 for the rest."""

import pytest

from relay.model import Outcome, Result, Scope
from relay.upstream.replies import Stage, classify, default_status, token_may_be_stale
from relay.upstream.smtp.reply import ReplyReader

CONNECT, EHLO, STARTTLS, AUTH = Stage.CONNECT, Stage.EHLO, Stage.STARTTLS, Stage.AUTH
MAIL, RCPT, DATA, END = Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.END
LATER, NEVER, SENT = Outcome.DEFERRED, Outcome.FAILED, Outcome.SENT
ONE, THIS, MAILBOX, ALL = Scope.RECIPIENT, Scope.MESSAGE, Scope.IDENTITY, Scope.ACCOUNT
HOUR = 3600.0

Row = tuple[Stage, str, Outcome, Scope, float | None]

STORE = "STOREDRV.Submission.Exception:"
DISABLED = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the"

EXCHANGE: list[Row] = [
    (
        END,
        "432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/x. [Hostname=A]",
        LATER,
        MAILBOX,
        None,
    ),
    (END, "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded [Hostname=A]", LATER, MAILBOX, None),
    (CONNECT, "421 4.3.2 Service not available", LATER, MAILBOX, None),
    (MAIL, "421 4.3.2 Service not active", LATER, MAILBOX, None),
    (END, "421 4.3.2 Service not active", LATER, THIS, None),
    (MAIL, "421 4.4.1 Connection timed out", LATER, MAILBOX, None),
    (END, "451 4.4.1 Connection timed out", LATER, THIS, None),
    (RCPT, "421 4.4.2 Connection dropped due to SocketError", LATER, ONE, None),
    (END, "421 4.4.2 Message submission rate for this client has exceeded the limit", LATER, MAILBOX, None),
    (AUTH, "451 4.7.0 Temporary server error. Please try again later. PRX4", LATER, MAILBOX, None),
    (MAIL, "451 4.7.0 Temporary server error. Please try again later. PRX6", LATER, THIS, None),
    (END, "451 4.3.2 Temporary server error. Please try again later ATTR17", LATER, THIS, None),
    (END, "451 4.3.111 Temporary server error. MRH1", LATER, THIS, None),
    (MAIL, "450 4.7.3 Organization queue quota exceeded", LATER, ALL, HOUR / 6),
    (DATA, "452 4.3.1 Insufficient system resources", LATER, THIS, None),
    (END, "451 4.4.0 Message failed to be replicated", LATER, THIS, None),
    (CONNECT, "451 4.7.500 Access denied, please try again later", LATER, MAILBOX, HOUR / 6),
    (MAIL, "451 4.7.699 Access denied, please try again later", LATER, MAILBOX, HOUR / 6),
    (MAIL, "451 4.7.850 Access denied, please try again later", LATER, MAILBOX, HOUR / 6),
    (MAIL, "451 4.7.899 Access denied, please try again later", LATER, MAILBOX, HOUR / 6),
    (RCPT, "452 4.5.3 Too many recipients", LATER, ONE, None),
    (MAIL, "530 5.7.57 Client not authenticated to send mail. [A]", LATER, MAILBOX, None),
    (
        MAIL,
        "530 5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM",
        LATER,
        MAILBOX,
        None,
    ),
    (AUTH, "535 5.7.3 Authentication unsuccessful [SN2PR00CA0018.namprd00.prod.outlook.com]", LATER, MAILBOX, None),
    (AUTH, f"{DISABLED} Tenant. Visit https://aka.ms/smtp_auth_disabled for more information.", LATER, ALL, None),
    (AUTH, f"{DISABLED} Mailbox. Visit https://aka.ms/smtp_auth_disabled.", LATER, MAILBOX, None),
    (AUTH, "535 5.7.139 Authentication unsuccessful, basic authentication is disabled. [A]", LATER, MAILBOX, None),
    (AUTH, "535 5.7.139 Authentication unsuccessful, the user credentials were incorrect. [A]", LATER, MAILBOX, None),
    (AUTH, "535 5.7.139 Authentication unsuccessful, the request did not meet the criteria", LATER, MAILBOX, None),
    (AUTH, "535 5.7.139 x, user is locked by your organization's security defaults policy.", LATER, ALL, None),
    (AUTH, "535 5.7.139 Authentication unsuccessful, account locked", LATER, MAILBOX, None),
    (AUTH, "535 5.7.139 Authentication unsuccessful, federated STS service was unreachable", LATER, MAILBOX, None),
    (AUTH, "550 5.7.30 Basic authentication is not supported for Client Submission.", LATER, MAILBOX, None),
    (MAIL, "550 5.7.30 Basic authentication is not supported for Client Submission.", LATER, MAILBOX, None),
    (MAIL, "550 5.7.60 SMTP; Client does not have permissions to send as this sender", NEVER, THIS, None),
    (END, "550 5.7.60 SMTP; Client does not have permissions to send as this sender", NEVER, THIS, None),
    (END, f"554 5.2.252 SendAsDenied; a@x not allowed to send as b@x; {STORE}SendAsDeniedException", NEVER, THIS, None),
    (END, f"554 5.2.0 {STORE}SendAsDeniedException.MapiExceptionSendAsDenied; Failed", NEVER, THIS, None),
    (END, f"554 5.2.0 {STORE}SubmissionQuotaExceededException; Failed", LATER, MAILBOX, 2 * HOUR),
    (END, "550 5.1.90 Your message can't be sent because you've reached your daily limit", LATER, MAILBOX, 2 * HOUR),
    (END, "554 5.2.2 Submission quota exceeded", LATER, MAILBOX, 2 * HOUR),
    (END, f"554 5.2.2 mailbox full; {STORE}QuotaExceededException.MapiExceptionShutoffQuota", LATER, MAILBOX, None),
    (END, "550 5.1.8 Access denied, bad outbound sender", LATER, MAILBOX, None),
    (END, "550 5.7.501 Access denied, spam abuse detected", LATER, MAILBOX, None),
    (END, "550 5.7.502 Access denied, banned sender", LATER, MAILBOX, None),
    (END, "550 5.7.503 Access denied, banned sender", LATER, MAILBOX, None),
    (END, "550 5.7.705 Access denied, tenant has exceeded threshold", LATER, ALL, None),
    (END, "550 5.7.708 Access denied, traffic not accepted from this IP", LATER, ALL, None),
    (END, "550 5.7.750 Service unavailable. Client blocked from unregistered domains", LATER, ALL, None),
    (END, "550 5.7.232 exceeded tenant external recipient rate limit", LATER, ALL, 2 * HOUR),
    (END, "550 5.7.233 exceeded tenant external recipient rate limit", LATER, ALL, 2 * HOUR),
    (END, "550 5.7.236 onmicrosoft.com", LATER, ALL, 2 * HOUR),
    (MAIL, "552 5.3.4 Message size exceeds fixed maximum message size", NEVER, THIS, None),
    (END, "552 5.3.4 Message size exceeds fixed maximum message size", NEVER, THIS, None),
    (END, "554 5.4.14 Hop count exceeded - possible mail loop", NEVER, THIS, None),
    (END, "550 5.6.11 SMTPSEND.BareLinefeedsAreIllegal; x", NEVER, THIS, None),
    (END, "550 5.7.512 Access denied, message must be RFC 5322 section 3.6.2 compliant", NEVER, THIS, None),
    (END, "550 5.1.20 Multiple From addresses are not allowed without Sender address", NEVER, THIS, None),
    (RCPT, "550 5.7.64 TenantAttribution; Relay Access Denied", LATER, ALL, None),
    (RCPT, "451 4.4.62 Mail sent to the wrong Office 365 region", LATER, ALL, None),
    (MAIL, "550 5.7.68 TenantInboundAttribution; Direct Send not allowed", LATER, ALL, None),
    (EHLO, "550 5.7.506 Bad HELO", LATER, MAILBOX, None),
    (MAIL, "550 5.7.506 Bad HELO", LATER, MAILBOX, None),
    (MAIL, "501 5.5.4 Invalid arguments", NEVER, THIS, None),
    (DATA, "503 5.5.2 Need rcpt command", NEVER, THIS, None),
    (EHLO, "500 5.3.3 Unrecognized command", LATER, MAILBOX, None),
    # High Volume Email, 3.8.
    (AUTH, "501 5.5.127 Invalid XOAUTH2 auth data - Token will expire soon error", LATER, MAILBOX, None),
    (AUTH, "501 5.5.124 Invalid XOAUTH2 auth data", LATER, MAILBOX, None),
    (AUTH, "535 5.7.142 Token will expire soon", LATER, MAILBOX, None),
    (AUTH, "535 5.7.143 Expired token", LATER, MAILBOX, None),
    (AUTH, "535 5.7.144 XOAUTH2 authentication failed. Invalid API permissions", LATER, MAILBOX, None),
    (AUTH, "535 5.7.139 the organization configuration does not allow this authentication", LATER, ALL, None),
    (MAIL, "550 5.7.240 The application is not allowed for use with this account", LATER, MAILBOX, None),
    (RCPT, "550 5.5.105 External sending is not supported for High Volume Email accounts", NEVER, ONE, None),
]

GMAIL: list[Row] = [
    (CONNECT, "421 4.3.0 Temporary System Problem.  Try again later. x - gsmtp", LATER, MAILBOX, None),
    (MAIL, "421 4.4.5 Server busy, try again later. x - gsmtp", LATER, MAILBOX, None),
    (CONNECT, "421 4.7.0 Try again later, closing connection. x - gsmtp", LATER, MAILBOX, None),
    (END, "421 4.7.0 Connection expired, try reconnecting. x - gsmtp", LATER, MAILBOX, None),
    (MAIL, "421 4.7.0 TLS required for RCPT domain, closing connection. - gsmtp", LATER, MAILBOX, None),
    (END, "421 4.7.28 Our system has detected an unusual rate - gsmtp", LATER, MAILBOX, HOUR / 6),
    (RCPT, "450 4.2.1 The user you are trying to contact is receiving mail too quickly - gsmtp", LATER, ONE, HOUR / 6),
    (END, "451 4.3.0 Mail server temporarily rejected message. - gsmtp", LATER, THIS, None),
    (END, "451 4.4.2 Timeout - closing connection. - gsmtp", LATER, THIS, None),
    (END, "451 4.5.0 SMTP protocol violation, see RFC 2821 - gsmtp", LATER, THIS, None),
    (RCPT, "451 4.3.0 Multiple destination domains per transaction is unsupported. - gsmtp", LATER, ONE, None),
    (RCPT, "452 4.2.2 The email account that you tried to reach is over quota. - gsmtp", LATER, ONE, None),
    (RCPT, "452 4.5.3 Your message has too many recipients. - gsmtp", LATER, ONE, None),
    (STARTTLS, "454 4.5.0 SMTP protocol violation, no commands allowed to pipeline - gsmtp", LATER, MAILBOX, None),
    (AUTH, "454 4.7.0 Too many login attempts, please try again later. - gsmtp", LATER, MAILBOX, HOUR / 6),
    (AUTH, "454 4.7.0 Cannot authenticate due to temporary system problem. - gsmtp", LATER, MAILBOX, HOUR / 6),
    (EHLO, "501 5.5.4 HELO/EHLO argument is invalid - gsmtp", LATER, MAILBOX, None),
    (AUTH, "503 5.5.1 No identity changes permitted. - gsmtp", LATER, MAILBOX, None),
    (AUTH, "535 5.5.4 Optional Argument not permitted for that AUTH mode. - gsmtp", LATER, MAILBOX, None),
    (MAIL, "530 5.5.1 Authentication Required. - gsmtp", LATER, MAILBOX, None),
    (MAIL, "530 5.7.0 Authentication Required. - gsmtp", LATER, MAILBOX, None),
    (MAIL, "530 5.7.0 Must issue a STARTTLS command first. - gsmtp", LATER, MAILBOX, None),
    (AUTH, "534 5.7.9 Application-specific password required. - gsmtp", LATER, MAILBOX, None),
    (AUTH, "534 5.7.14 Please log in with your web browser - gsmtp", LATER, MAILBOX, None),
    (AUTH, "535 5.7.8 Username and Password not accepted. - gsmtp", LATER, MAILBOX, None),
    (RCPT, "550 5.1.1 The email account that you tried to reach does not exist. - gsmtp", NEVER, ONE, None),
    (RCPT, "550 5.2.1 The email account that you tried to reach is inactive. - gsmtp", NEVER, ONE, None),
    (RCPT, "553 5.1.2 We weren't able to find the recipient domain. - gsmtp", NEVER, ONE, None),
    (MAIL, "553 5.1.7 The sender address isn't a valid RFC 5321 address. - gsmtp", NEVER, THIS, None),
    (END, "550 5.4.5 Daily user sending limit exceeded. - gsmtp", LATER, MAILBOX, 4 * HOUR),
    (MAIL, "550 5.4.5 Daily SMTP relay limit exceeded for user. - gsmtp", LATER, MAILBOX, 4 * HOUR),
    (MAIL, "550 5.7.1 Daily SMTP relay limit exceeded for customer. - gsmtp", LATER, ALL, 4 * HOUR),
    (MAIL, "450 4.2.1 Peak SMTP relay limit exceeded for customer. - gsmtp", LATER, ALL, HOUR / 6),
    (MAIL, "550 5.7.0 Mail relay denied 192.0.2.1. - gsmtp", LATER, ALL, None),
    (MAIL, "550 5.7.1 Invalid credentials for relay 192.0.2.1. - gsmtp", LATER, ALL, None),
    (END, "550 5.7.1 This message is likely unsolicited email. - gsmtp", NEVER, THIS, None),
    (END, "550 5.7.26 This message does not pass authentication checks (SPF and DKIM). - gsmtp", NEVER, THIS, None),
    (END, "550 5.7.30 This mail is unauthenticated: DKIM. - gsmtp", NEVER, THIS, None),
    (RCPT, "552 5.2.2 The email account that you tried to reach is over quota. - gsmtp", NEVER, ONE, None),
    (MAIL, "552 5.2.3 Your message exceeded Google's message size limits. - gsmtp", NEVER, THIS, None),
    (END, "552 5.3.4 Your message exceeded Google's message size limits. - gsmtp", NEVER, THIS, None),
    (END, "552 5.7.0 This message was blocked because its content presents a risk. - gsmtp", NEVER, THIS, None),
    (END, "554 5.6.0 Mail message is malformed. Not accepted. - gsmtp", NEVER, THIS, None),
    (END, "554 5.4.6 Message exceeded 50 hops. - gsmtp", NEVER, THIS, None),
]

ANYBODY: list[Row] = [
    (CONNECT, "554 no SMTP service here", LATER, MAILBOX, None),
    (EHLO, "502 what", LATER, MAILBOX, None),
    (STARTTLS, "454 TLS not available", LATER, MAILBOX, None),
    (AUTH, "504 Unrecognized authentication type", LATER, MAILBOX, None),
    (AUTH, "535 no", LATER, MAILBOX, None),
    (MAIL, "530 Authentication required", LATER, MAILBOX, None),
    (MAIL, "550 sender rejected", NEVER, THIS, None),
    (MAIL, "451 4.7.1 Greylisting in action", LATER, THIS, None),
    (RCPT, "550 5.1.1 unknown user", NEVER, ONE, None),
    (RCPT, "451 try later", LATER, ONE, None),
    (RCPT, "552 too many recipients", LATER, ONE, None),
    (RCPT, "552 5.2.2 mailbox full", NEVER, ONE, None),
    (DATA, "554 no valid recipients", NEVER, THIS, None),
    (END, "554 5.7.1 spam", NEVER, THIS, None),
    (END, "452 4.3.1 disk full", LATER, THIS, None),
    (END, "571 what a code", NEVER, THIS, None),
    (END, "499 what a code", LATER, THIS, None),
    # The numbers of one provider mean nothing at another.
    (MAIL, "550 5.7.30 no", NEVER, THIS, None),
    (MAIL, "550 5.4.5 no", NEVER, THIS, None),
]


def judged(stage: Stage, line: str, provider: str) -> Result:
    (reply,) = ReplyReader().feed(line.encode() + b"\r\n")
    return classify(stage, reply.code, reply.status, reply.text, provider)


def check(row: Row, provider: str) -> None:
    stage, line, outcome, scope, retry_after = row
    result = judged(stage, line, provider)
    assert (result.outcome, result.scope, result.retry_after) == (outcome, scope, retry_after)
    assert str(result.code) == line[:3]
    assert result.status[0] in (line[0], "4")


@pytest.mark.parametrize("row", EXCHANGE, ids=lambda row: f"{row[0]} {row[1][:40]}")
def test_exchange(row: Row) -> None:
    check(row, "microsoft")


@pytest.mark.parametrize("row", GMAIL, ids=lambda row: f"{row[0]} {row[1][:40]}")
@pytest.mark.parametrize("provider", ["google", "smtp"])
def test_gmail(row: Row, provider: str) -> None:
    """Also behind a plain smarthost account: its replies are marked."""
    check(row, provider)


@pytest.mark.parametrize("row", ANYBODY, ids=lambda row: f"{row[0]} {row[1][:40]}")
def test_any_server(row: Row) -> None:
    check(row, "smtp")


def test_exchange_behind_a_smarthost_account() -> None:
    line = f"554 5.2.0 {STORE}SubmissionQuotaExceededException; Failed [Hostname=A.prod.outlook.com]"
    check((END, line, LATER, MAILBOX, 2 * HOUR), "smtp")


def test_success_is_sent_and_keeps_the_new_message_id() -> None:
    text = "OK <new-id@x> [Hostname=A]"
    assert judged(END, f"250 2.0.0 {text}", "microsoft") == Result(SENT, 250, "2.0.0", text)


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.END])
def test_before_the_end_nothing_is_sent(stage: Stage) -> None:
    result = judged(stage, "250 OK", "microsoft")
    assert result.outcome is LATER
    assert result.status == default_status(stage, 250)


@pytest.mark.parametrize("stage", list(Stage))
def test_any_code_is_judged(stage: Stage) -> None:
    """Whatever the code, the result is whole, and in the session nothing is for ever."""
    for code in range(300, 600):
        result = classify(stage, code, "", "", "smtp")
        assert result.status.count(".") == 2
        assert result.outcome is not SENT
        if stage in (CONNECT, EHLO, STARTTLS, AUTH):
            assert result.outcome is LATER


@pytest.mark.parametrize(
    ("stage", "line", "status"),
    [
        (END, "250 OK", "2.0.0"),
        (END, "354 what", "4.0.0"),
        (AUTH, "535 no", "5.7.8"),
        (AUTH, "500 no", "5.7.0"),
        (MAIL, "530 no", "5.7.0"),
        (RCPT, "550 no", "5.1.0"),
        (RCPT, "450 no", "4.1.0"),
        (MAIL, "552 no", "5.3.4"),
        (END, "452 no", "4.3.1"),
        (CONNECT, "421 no", "4.3.2"),
        (END, "554 no", "5.0.0"),
        (END, "451 no", "4.0.0"),
        # A class that contradicts the code is no enhanced code (RFC 2034 4).
        (END, "451 5.1.1 no", "4.0.0"),
    ],
)
def test_a_reply_without_an_enhanced_code_gets_one(stage: Stage, line: str, status: str) -> None:
    assert judged(stage, line, "smtp").status == status


@pytest.mark.parametrize(
    ("line", "stale"),
    [
        ("535 5.7.3 Authentication unsuccessful", True),
        ("535 5.7.8 Username and Password not accepted", True),
        ("535 nope", True),
        ("501 5.5.127 Invalid XOAUTH2 auth data - Token will expire soon error", True),
        ("535 5.7.142 Token will expire soon", True),
        ("535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant", False),
        ("454 4.7.0 Temporary authentication failure", False),
        ("504 5.7.4 Unrecognized authentication type", False),
    ],
)
def test_when_a_fresh_token_is_worth_a_try(line: str, stale: bool) -> None:
    (reply,) = ReplyReader().feed(line.encode() + b"\r\n")
    assert token_may_be_stale(reply.code, reply.status, reply.text) is stale
