"""What each answer of Graph means: row by row (docs/sources.md)."""

import json
from typing import Any

import pytest

from relay.model import Outcome, Result, Scope
from relay.upstream.graph.replies import classify, read_error

LATER, NEVER, SENT = Outcome.DEFERRED, Outcome.FAILED, Outcome.SENT
THIS, MAILBOX, ALL = Scope.MESSAGE, Scope.IDENTITY, Scope.ACCOUNT
HOUR = 3600.0


def body(code: str, message: str = "", inner: Any = None) -> bytes:
    error: dict[str, Any] = {"code": code, "message": message}
    if inner is not None:
        error["innerError"] = inner
    return json.dumps({"error": error}).encode()


def judged(status: int, answer: bytes, retry_after: float | None = None) -> Result:
    return classify(status, read_error(answer), retry_after, mailbox="noreply@contoso.com", account="office")


@pytest.mark.parametrize(
    ("status", "code", "outcome", "scope", "wait"),
    [
        (401, "InvalidAuthenticationToken", LATER, MAILBOX, None),
        (401, "80049228", LATER, MAILBOX, None),
        (403, "ErrorAccessDenied", LATER, MAILBOX, None),
        (403, "Authorization_RequestDenied", LATER, ALL, None),
        (403, "ErrorSendAsDenied", NEVER, THIS, None),
        (404, "MailboxNotEnabledForRESTAPI", LATER, MAILBOX, None),
        (404, "ErrorInvalidUser", LATER, MAILBOX, None),
        (404, "Request_ResourceNotFound", LATER, MAILBOX, None),
        (404, "ResourceNotFound", LATER, MAILBOX, None),
        (404, "ErrorItemNotFound", LATER, THIS, None),
        (400, "ErrorInvalidRecipients", NEVER, THIS, None),
        (400, "ErrorMimeContentInvalidBase64String", NEVER, THIS, None),
        (400, "ErrorMimeContentInvalid", NEVER, THIS, None),
        (400, "InvalidInternetMessageHeader", NEVER, THIS, None),
        (400, "InvalidInternetMessageHeaderCollection", NEVER, THIS, None),
        (400, "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize", NEVER, THIS, None),
        (400, "ErrorMessageSizeExceeded", NEVER, THIS, None),
        (413, "ErrorMessageSizeExceeded", NEVER, THIS, None),
        (413, "", NEVER, THIS, None),
        (429, "ErrorExceededMessageLimit", LATER, MAILBOX, 2 * HOUR),
        (400, "ErrorExceededMaxRecipientLimit", LATER, MAILBOX, 2 * HOUR),
        (403, "ErrorExceededHourlyMessageLimit", LATER, MAILBOX, HOUR),
        (403, "ErrorMessageSubmissionBlocked", LATER, MAILBOX, 2 * HOUR),
        (403, "ErrorAccountSuspend", LATER, MAILBOX, 2 * HOUR),
        (507, "ErrorQuotaExceeded", LATER, MAILBOX, None),
        (403, "ErrorQuotaExceeded", LATER, MAILBOX, None),
        (429, "ApplicationThrottled", LATER, ALL, None),
        (429, "MailboxConcurrency", LATER, ALL, None),
        (429, "TooManyRequests", LATER, MAILBOX, None),
        (429, "ErrorTooManyRequests", LATER, MAILBOX, None),
        (429, "", LATER, MAILBOX, None),
        (503, "serviceNotAvailable", LATER, MAILBOX, None),
        (503, "", LATER, MAILBOX, None),
        (504, "UnknownError", LATER, THIS, None),
        (502, "", LATER, THIS, None),
        (500, "ErrorInternalServerTransientError", LATER, THIS, None),
        (503, "ErrorServerBusy", LATER, MAILBOX, None),
        (509, "", LATER, MAILBOX, None),
        # What the table does not name: 4xx is the request's fault, 5xx the server's, 200 proves nothing.
        (200, "", LATER, THIS, None),
        (201, "", LATER, THIS, None),
        (301, "", LATER, MAILBOX, None),
        (400, "BadRequest", NEVER, THIS, None),
        (401, "", LATER, MAILBOX, None),
        (403, "SomethingNew", LATER, MAILBOX, None),
        (404, "", LATER, MAILBOX, None),
        (408, "", LATER, THIS, None),
        (422, "SomethingNew", NEVER, THIS, None),
        (599, "", LATER, THIS, None),
    ],
)
def test_answers(status: int, code: str, outcome: Outcome, scope: Scope, wait: float | None) -> None:
    result = judged(status, body(code, "words") if code else b"<html>Request Entity Too Large</html>")
    assert (result.outcome, result.scope, result.retry_after) == (outcome, scope, wait)
    assert result.code // 100 == int(result.status[0]) == (5 if outcome is NEVER else 4)
    assert str(status) in result.text
    assert code in result.text


def test_only_202_is_success() -> None:
    result = classify(202, read_error(b""), None, request_id="94fb3b52")
    assert result == Result(SENT, 250, "2.0.0", "accepted by Microsoft Graph (request-id 94fb3b52)")


def test_too_large_is_known_by_its_words() -> None:
    assert judged(400, body("BadRequest", "The maximum request length supported is 4MB.")).status == "5.3.4"


def test_retry_after_of_the_answer_wins() -> None:
    assert judged(429, body("TooManyRequests"), 2.128).retry_after == 2.128
    assert judged(429, body("ErrorExceededMessageLimit"), 10.0).retry_after == 10.0


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (body("Forbidden", "no", {"code": "ErrorSendAsDenied"}), "ErrorSendAsDenied"),
        (
            body("ErrorAccessDenied", "no", {"code": "x", "innerError": {"code": "ErrorSendAsDenied"}}),
            "ErrorSendAsDenied",
        ),
        (body("TooManyRequests", "Please retry again later.", {"code": "429", "status": "429"}), "TooManyRequests"),
        (body("Odd", "no", {"code": "AlsoOdd"}), "Odd"),
        (body("Odd", "no", "text"), "Odd"),
        (b'{"error": {"code": "Odd", "innererror": {"code": "ErrorServerBusy"}}}', "ErrorServerBusy"),
        (b'{"error": {"code": 7, "message": []}}', ""),
        (b'{"error": "invalid_grant"}', ""),
        (b"[1, 2]", ""),
        (b"\xff\xfe not JSON", ""),
        (b"", ""),
        (b'{"error":' * 5000, ""),
        (b"[" * 200_000, ""),
    ],
)
def test_the_most_specific_known_code_counts(answer: bytes, code: str) -> None:
    assert read_error(answer).code == code


def test_endless_nesting_ends() -> None:
    nested: dict[str, Any] = {"code": "ErrorServerBusy"}
    for _ in range(50):
        nested = {"code": "x", "innerError": nested}
    assert read_error(json.dumps({"error": nested}).encode()).code == "x"


def test_text_of_the_peer_stays_one_line() -> None:
    assert "\n" not in judged(400, body("BadRequest", "one\r\ntwo\x1b[2J")).text


@pytest.mark.parametrize("status", [500, 502, 503, 504, 509])
def test_who_asks_to_wait_asks_it_of_the_whole_mailbox(status: int) -> None:
    result = judged(status, body("UnknownError"), 2.128)
    assert (result.scope, result.retry_after) == (Scope.IDENTITY, 2.128)
