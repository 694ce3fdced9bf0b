"""What tokens say about themselves."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.oauth import Token, claims


def jwt(payload: bytes) -> str:
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (b"{}", payload, b"signature"))


@pytest.mark.parametrize("subject", ["a", "ab", "abc", "abcd", "ü?>~"])
def test_claims(subject: str) -> None:
    value = jwt(json.dumps({"sub": subject, "roles": ["SMTP.SendAsApp"]}).encode())
    assert claims(value) == {"sub": subject, "roles": ["SMTP.SendAsApp"]}
    assert claims(Token(value, 0, 0)) == claims(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "ya29.opaque",
        "EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA",
        "a.b",
        "a.b.c.d",
        "..",
        "a.!!!!.c",
        "a.ü.c",
        jwt(b"not json"),
        jwt(b"[1]"),
        jwt(b"\xff"),
        jwt(b"[" * 30_000),
        jwt(json.dumps({"x": "y" * 70_000}).encode()),
        "." * 100_000,
    ],
)
def test_what_says_nothing(value: str) -> None:
    assert claims(value) == {}


@given(st.text())
def test_any_text_is_survived(value: str) -> None:
    assert isinstance(claims(f"a.{value}.c"), dict)
    assert isinstance(claims(value), dict)
