"""The one line that a person reads when there is no token."""

from urllib.parse import quote_plus

from relay.config.secret import SecretError
from relay.http import HttpError
from relay.oauth import errors
from relay.oauth.errors import Refused, TokenError

MICROSOFT = (
    "AADSTS7000222: The provided client secret keys for app '1111' are expired. Visit the Azure portal to create new"
    " keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security."
    "{gap}Trace ID: 0000aaaa{gap}Correlation ID: aaaa0000{gap}Timestamp: 2026-11-21 10:00:00Z"
)


def line(answer: Refused) -> str:
    return str(errors.refused("office", "login.microsoftonline.com", answer, None))


def test_microsoft() -> None:
    for gap in ("\r\n", " "):
        answer = Refused("invalid_client", MICROSOFT.format(gap=gap), False, (7000222,), "trace 0000aaaa")
        assert line(answer) == (
            "office: the token endpoint login.microsoftonline.com refused: AADSTS7000222 invalid_client: The provided"
            " client secret keys for app '1111' are expired. — The client secret has expired. Create a new one under"
            " App registrations > Certificates & secrets and put its *Value* into accounts.office.oauth.client_secret."
        )


def test_the_facts() -> None:
    answer = Refused("invalid_client", "AADSTS7000222: x", False, (7000222,), "trace 0000aaaa")
    error = errors.refused("office", "h", answer, 60.0)
    assert (error.error, error.codes, error.temporary, error.retry_after) == ("invalid_client", (7000222,), False, 60.0)
    assert error.trace == "trace 0000aaaa"
    assert "0000aaaa" not in str(error)
    assert error.hint.startswith("The client secret has expired.")


def test_one_sentence_without_the_ids() -> None:
    answer = Refused("invalid_scope", "AADSTS70011: The scope is wrong Trace ID: 1 Correlation ID: 2", False, (70011,))
    assert "refused: AADSTS70011 invalid_scope: The scope is wrong — " in line(answer)


def test_no_description_and_no_hint() -> None:
    assert (
        line(Refused("odd_error", "", False))
        == "office: the token endpoint login.microsoftonline.com refused: odd_error"
    )


def test_an_answer_that_is_none() -> None:
    answer = Refused("invalid_response", "status 503, 5 octets of text/html, not a JSON object", True, hint="Wait")
    expected = "gave no usable answer: status 503, 5 octets of text/html, not a JSON object — Wait"
    assert line(answer) == f"office: the token endpoint login.microsoftonline.com {expected}"


def test_it_stays_one_line_of_bounded_length() -> None:
    text = line(
        Refused("bad\nerror\x1b[2J", "\x1b[31mred\x00" + "x" * 4000 + "\nforged line", False, tuple(range(1, 10)))
    )
    assert text.isprintable()
    assert len(text) < 800


def test_secrets_that_the_server_quotes_are_masked() -> None:
    secret = "p+w:d %&/ü"
    said = f"bad secret {secret} sent as {quote_plus(secret)} with QWxhZGRpbg=="
    answer = Refused(secret, said, False, trace=secret).without([secret, "QWxhZGRpbg==", "", "bad"])
    assert answer.description == "bad secret *** sent as *** with ***"
    assert (answer.error, answer.trace) == ("***", "***")


def test_a_secret_within_another_leaves_nothing_behind() -> None:
    assert Refused("e", "value-and-more", False).without(["value", "value-and-more"]).description == "***"


def test_unreachable() -> None:
    error = errors.unreachable("office", HttpError("connect", "h refused the connection", "Check it"))
    assert str(error) == "office: no token: h refused the connection — Check it"
    assert error.reason == "office: h refused the connection — Check it"
    assert (error.error, error.temporary) == ("unreachable", True)


def test_a_missing_secret_needs_a_person() -> None:
    error = errors.secret_unreadable("office", SecretError("/run/s: does not exist. Create it"))
    assert str(error) == "office: no token: /run/s: does not exist. Create it"
    assert not error.temporary


def test_waiting_is_the_same_error_with_the_time_that_is_left() -> None:
    error = TokenError("t", error="e", temporary=True, description="d", codes=(1,), hint="h", trace="x", retry_after=30)
    later = error.waiting(12.5)
    assert later is not error
    assert vars(later) == vars(error) | {"retry_after": 12.5}
    assert str(later) == str(error) == "t — h"
