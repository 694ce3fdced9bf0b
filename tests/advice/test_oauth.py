"""The advice for errors of token endpoints."""

import re

import pytest

from relay.advice import oauth
from relay.advice.oauth import CODES, ERRORS, Kind, hint, kind
from relay.advice.table import Advice, read

# Microsoft's table of error codes as the provider fact sheet has it, row by row with its class.
TABLE = """
16000 U; 50001 500011 C; 500021 C; 50011 C; 50012 C; 50013 500133 C; 50020 C; 50027 C; 50034 C; 50048 C; 50053 T
50055 50144 U; 50056 C; 50057 C; 50058 U; 50059 C; 50072 50074 50076 50079 U; 50078 U; 50089 S; 50097 C; 50105 C
50126 C; 50128 C; 50131 C; 50132 50133 U; 50147 501481 S; 50158 U; 50173 U; 50194 C; 50196 T; 53000 53001 C; 53003 C
530032 530035 C; 53011 U; 54005 S; 65001 C; 65004 S; 65005 650056 650057 C; 650052 C; 70000 U; 70001 700016 C
70002 7000215 C; 7000222 C; 7000218 C; 700025 C; 700027 C; 700024 C; 700030 C; 7000112 C; 7000229 C; 70003 C
70008 700082 U; 700084 U; 70011 C; 70016 T; 70018 70019 S; 70021 700211 700212 700213 C; 700022 C; 700229 C; 70043 U
90002 C; 900023 C; 90014 900144 C; 9001023 C; 9002313 C; 90024 50033 50087 90006 90012 90033 90090 T; 90038 C
900382 900432 C; 90055 T; 90061 T; 90094 C
"""
ROWS = [row.split() for row in re.split(r"[;\n]", TABLE.strip())]
KNOWN = {int(code): Kind(row[-1]) for row in ROWS for code in row[:-1]}
"""The class of every code. 50053 and 90061 are "C/T" there: waiting can help."""


def test_every_code_of_the_table_is_there() -> None:
    assert len(KNOWN) == 98
    # Those that are seen but not in it: an application's own token without /.default, and assertions that name another
    # application or another address.
    assert set(CODES) == set(KNOWN) | {1002012, 700021, 700023}


@pytest.mark.parametrize("code", KNOWN)
def test_its_class(code: int) -> None:
    assert kind([code]) is KNOWN[code]


def every_advice() -> list[Advice]:
    return [*CODES.values(), *ERRORS.values(), *oauth._GOOGLE.values()]


@pytest.mark.parametrize("advice", every_advice(), ids=lambda advice: advice.meaning[:40])
def test_advice_is_sentences_that_begin_with_what_to_do(advice: Advice) -> None:
    assert re.fullmatch(r"[A-Z].*\.", advice.meaning)
    assert re.fullmatch(r"[A-Z].*\.", advice.action)
    first = advice.action.split()[0].rstrip(":,")
    assert first in IMPERATIVES or advice.action.startswith(("In the Google", "For a", "It was")), first
    assert "  " not in str(advice)


IMPERATIVES = {
    *("Add", "Allow", "Ask", "Assign", "Change", "Check", "Choose", "Compare", "Copy", "Correct", "Create"),
    *("Dismiss", "Enable", "Exclude", "Exempt", "Finish", "Leave", "Look", "Make", "Put", "Read", "Register", "Remove"),
    *("Reset", "Set", "Sign", "Start", "Stop", "Switch", "Upload", "Use", "Wait", "Write"),
}


def test_the_hint_names_the_accounts_own_key() -> None:
    assert hint("invalid_client", [7000222], "", account="office") == (
        "The client secret has expired. Create a new one under App registrations > Certificates & secrets and put its"
        " *Value* into accounts.office.oauth.client_secret."
    )


def test_no_placeholder_is_left() -> None:
    texts = [hint("", [code], "", account="office") for code in CODES]
    texts += [hint(error, [], "", account="office") for error in ERRORS]
    assert all(texts)
    assert not [text for text in texts if "NAME" in text]
    assert "accounts.NAME.oauth" in hint("invalid_client", [], "")


def test_an_unknown_code_is_looked_up_at_microsoft() -> None:
    link = "https://login.microsoftonline.com/error?code=1234567"
    assert hint("", [1234567], "").endswith(link)
    both = hint("invalid_scope", [1234567], "", account="office")
    assert both.startswith("The scope is unknown")
    assert both.endswith(link)


def test_the_first_code_that_is_known_counts() -> None:
    assert "MFA" not in hint("invalid_grant", [1234567, 50126], "")
    assert hint("invalid_grant", [1234567, 50126], "").startswith("User name or password is wrong.")
    assert kind([1234567, 50126]) is Kind.CONFIGURATION
    assert kind([1234567]) is None
    assert kind([]) is None


@pytest.mark.parametrize(
    ("error", "description", "part"),
    [
        (
            "unauthorized_client",
            "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any.",
            "numeric* client ID",
        ),
        (
            "invalid_grant",
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.",
            "clock",
        ),
        ("invalid_grant", "Invalid JWT Signature.", "Create a new one in the Google Cloud console"),
        ("invalid_grant", "Invalid email or User ID", "accounts.g.oauth.subject"),
        ("invalid_grant", "Token has been expired or revoked.", "relay authorize g"),
    ],
)
def test_google(error: str, description: str, part: str) -> None:
    text = hint(error, [], description, account="g")
    assert part in text
    assert text != hint(error, [], "", account="g")
    assert "Google" in text


@pytest.mark.parametrize(
    "error",
    [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    ],
)
def test_every_error_of_rfc_6749(error: str) -> None:
    assert hint(error, [], "")


def test_an_unknown_error_has_no_hint() -> None:
    assert hint("something_new", [], "whatever") == ""


@pytest.mark.parametrize(
    "text", ["nonsense", "a C Meaning.", "a X Meaning.\n    Do.", "a C Meaning.\n    Do.\na U M.\n    D."]
)
def test_a_table_that_is_not_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an entry|twice"):
        read(text)
