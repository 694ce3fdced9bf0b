"""The answers of token endpoints, kind and hostile."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.http import HttpResponse
from relay.oauth.access_token import Granted
from relay.oauth.errors import Refused
from relay.oauth.response import parse

NOW = 1_800_000_000.0


def answer(document: object, status: int = 200, content_type: str = "application/json") -> Granted | Refused:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return parse(HttpResponse(status, {"content-type": content_type}, body), NOW)


def granted(document: object) -> Granted:
    result = answer(document)
    assert isinstance(result, Granted), result
    return result


def refused(document: object, status: int = 200, content_type: str = "application/json") -> Refused:
    result = answer(document, status, content_type)
    assert isinstance(result, Refused), result
    return result


def token(**more: Any) -> dict[str, Any]:
    return {"token_type": "Bearer", "access_token": "eyJ0.abc-_.sig", **more}


class TestGranted:
    def test_microsoft(self) -> None:
        assert granted(token(expires_in=3599, ext_expires_in=3599)) == Granted("eyJ0.abc-_.sig", 3599.0)

    def test_refresh_in_and_scope(self) -> None:
        result = granted(token(expires_in=86399, refresh_in=43199, scope="a b"))
        assert result == Granted("eyJ0.abc-_.sig", 86399.0, 43199.0, "a b")

    def test_a_managed_identity_writes_numbers_as_text(self) -> None:
        document = token(expires_in="3599", expires_on=str(int(NOW) + 9), refresh_in="1800", refresh_token="")
        assert granted(document) == Granted("eyJ0.abc-_.sig", 3599.0, 1800.0)

    @pytest.mark.parametrize("end", [NOW + 1000, str(int(NOW + 1000))])
    def test_only_the_end_is_given(self, end: object) -> None:
        assert granted(token(expires_on=end)).lifetime == 1000.0

    @pytest.mark.parametrize("expires_in", [None, "soon", "", [], {}, True, math.nan, "1e9", "--5", "٣", "0x10"])
    def test_no_usable_lifetime_is_an_hour(self, expires_in: object) -> None:
        assert granted(token(expires_in=expires_in)).lifetime == 3600.0
        assert granted(token()).lifetime == 3600.0

    @pytest.mark.parametrize("expires_in", [1e300, math.inf, 10**400, "9" * 15, 10**12])
    def test_a_lifetime_without_end_has_one(self, expires_in: object) -> None:
        assert granted(token(expires_in=expires_in)).lifetime == 30 * 86400.0

    @pytest.mark.parametrize("refresh_in", [0, -1, "x", None, [], -math.inf])
    def test_a_useless_refresh_in(self, refresh_in: object) -> None:
        assert granted(token(expires_in=3600, refresh_in=refresh_in)).refresh_in is None

    @pytest.mark.parametrize("token_type", ["Bearer", "bearer", "BEARER", None])
    def test_token_types(self, token_type: object) -> None:
        granted(token(token_type=token_type))

    def test_of_two_keys_the_last_counts(self) -> None:
        """JSON leaves it open; what matters is that both cannot be believed at once."""
        result = granted(b'{"access_token": "a", "expires_in": 1, "access_token": "b", "expires_in": "60"}')
        assert (result.value, result.lifetime) == ("b", 60.0)

    @pytest.mark.parametrize("field", ["refresh_token", "id_token"])
    @pytest.mark.parametrize("value", ["a b", "a\r\nb", "tök", "", 5, ["x"], None, "x" * 70_000])
    def test_what_cannot_be_used_beside_a_good_token(self, field: str, value: object) -> None:
        result = granted(token(**{field: value}))
        assert (result.refresh_token, result.id_token) == ("", "")

    @pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"1e999", b"null", b'"Infinity"', b"-Infinity", b"-0x1"])
    def test_numbers_that_json_does_not_have(self, number: bytes) -> None:
        check(answer(b'{"access_token": "a", "expires_in": ' + number + b"}"))

    def test_a_byte_order_mark(self) -> None:
        granted(b"\xef\xbb\xbf" + json.dumps(token()).encode())

    def test_the_value_is_not_in_its_repr(self) -> None:
        assert "eyJ0" not in repr(granted(token()))


class TestStrange:
    @pytest.mark.parametrize(
        "value",
        ["a b", "a\nb", "a\x01auth=Bearer", "\x7f", "tök", "\ud800", " ", "", 5, ["x"], {"x": 1}, True, "x" * 70_000],
    )
    def test_a_token_that_cannot_be_sent(self, value: object) -> None:
        result = refused(token(access_token=value))
        assert result.error == "invalid_response"
        assert result.temporary
        assert result.hint
        assert "auth=Bearer" not in str(result)

    @pytest.mark.parametrize("token_type", ["pop", "DPoP", "mac", "", 5, [], {}, True])
    def test_a_token_type_that_is_of_no_use(self, token_type: object) -> None:
        assert "token_type" in refused(token(token_type=token_type)).description

    @pytest.mark.parametrize(
        "more",
        [{"expires_in": 0}, {"expires_in": -5}, {"expires_in": "-5"}, {"expires_in": 0.5}, {"expires_on": NOW - 1}],
    )
    def test_a_token_that_has_ended(self, more: dict[str, object]) -> None:
        result = refused(token(**more))
        assert "already expired" in result.description
        assert "clock" in result.hint

    @pytest.mark.parametrize("document", [{}, {"access_token": None}, {"token": "x"}, {"error": None}])
    def test_success_without_a_token(self, document: object) -> None:
        result = refused(document)
        assert "no access_token" in result.description
        assert result.temporary

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"<html><title>Sign in</title></html>",
            b"access_token=abc&expires_in=3600",
            b"[]",
            b'"text"',
            b"null",
            b"5",
            b'{"access_token": "abc"',
            b"{'access_token': 'abc'}",
            b'{"access_token": "abc", "expires_in": ' + b"9" * 5000 + b"}",
            b"[" * 100_000,
            b'{"a":' * 100_000,
            b'{"access_token": "abc", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            b"\xff\xfe\x00",
            b'{"access_token": "\xff"}',
        ],
    )
    def test_what_is_no_json_object(self, body: bytes) -> None:
        result = refused(body, content_type="text/html; charset=utf-8")
        assert result.error == "invalid_response"
        assert result.description == f"status 200, {len(body):,} octets of text/html, not a JSON object"
        assert result.temporary
        assert "token_endpoint" in result.hint

    @pytest.mark.parametrize(
        ("status", "temporary"), [(503, True), (500, True), (429, True), (408, True), (404, False), (400, False)]
    )
    def test_a_page_for_people(self, status: int, temporary: bool) -> None:
        result = refused(b"<html>Service unavailable</html>", status, "text/html")
        assert result.temporary is temporary
        assert "html>" not in result.description

    def test_a_redirect(self) -> None:
        result = refused(b"", 302)
        assert "redirect" in result.description
        assert not result.temporary


class TestRefused:
    def test_microsoft(self) -> None:
        description = "AADSTS7000222: The provided keys are expired.\r\nTrace ID: 0000\r\nTimestamp: 2016-01-09"
        document = {
            "error": "invalid_client",
            "error_description": description,
            "error_codes": [7000222],
            "trace_id": "0000aaaa",
            "correlation_id": "aaaa0000",
        }
        assert refused(document, 401) == Refused(
            "invalid_client", description, False, (7000222,), "trace 0000aaaa, correlation aaaa0000"
        )

    @pytest.mark.parametrize(
        ("listed", "description", "codes"),
        [
            ([0.5, 0, -1, 10**9, 1e400], "", ()),
            ([70011], "", (70011,)),
            (["70011", "50126"], "", (70011, 50126)),
            ([70011], "AADSTS50126: x AADSTS70011", (70011, 50126)),
            (None, "AADSTS90002: Tenant not found", (90002,)),
            ("70011", "", ()),
            ([True, None, -1, 0, 1e30, "x", [], math.inf], "", ()),
            ({"70011": 1}, "AADSTSx AADSTS", ()),
        ],
    )
    def test_codes(self, listed: object, description: str, codes: tuple[int, ...]) -> None:
        document = {"error": "invalid_request", "error_description": description, "error_codes": listed}
        assert refused(document, 400).codes == codes

    @pytest.mark.parametrize(
        ("status", "error", "codes", "temporary"),
        [
            (400, "invalid_client", [7000215], False),
            (401, "invalid_client", [], False),
            (400, "invalid_grant", [], False),
            (400, "invalid_grant", [50126], False),
            (400, "something_new", [], False),
            (400, "temporarily_unavailable", [], True),
            (400, "server_error", [], True),
            (400, "invalid_request", [90033], True),
            (400, "invalid_grant", [50196], True),
            (400, "invalid_grant", [90055], True),
            (429, "invalid_client", [], True),
            (500, "invalid_client", [7000215], True),
            (503, "unknown", [], True),
            (200, "invalid_client", [], False),
        ],
    )
    def test_whether_waiting_can_help(self, status: int, error: str, codes: list[int], temporary: bool) -> None:
        assert refused({"error": error, "error_codes": codes}, status).temporary is temporary

    def test_googles_other_form(self) -> None:
        document = {"error": {"code": 403, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED"}}
        assert refused(document, 403) == Refused("RESOURCE_EXHAUSTED", "Quota exceeded", False)

    def test_app_service(self) -> None:
        document = {"statusCode": 400, "message": "no identity"}
        assert refused(document, 400) == Refused("400", "no identity", False)

    def test_an_object_that_says_nothing(self) -> None:
        result = refused({}, 400)
        assert (result.error, result.description) == ("invalid_response", "status 400 without an error code")
        assert refused({"error": [], "error_description": "so"}, 500).description == "status 500: so"


hostile = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.from_regex(r"[0-9.]{1,20}", fullmatch=True),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = ["access_token", "token_type", "expires_in", "expires_on", "refresh_in", "scope", "error", "error_description"]
KEYS += ["refresh_token", "id_token", "error_codes", "trace_id", "correlation_id", "message", "statusCode"]
documents = st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, hostile | st.just("Bearer") | st.just("abc")))


def check(result: Granted | Refused) -> None:
    """What every answer must come out as, whatever went in."""
    if isinstance(result, Granted):
        assert result.value.isascii()
        assert result.value.isprintable()
        assert " " not in result.value
        assert 1 <= result.lifetime <= 30 * 86400
        assert result.refresh_in is None or result.refresh_in > 0
        result.scope.encode()
        assert all(each.isascii() and " " not in each for each in (result.refresh_token, result.id_token))
    else:
        assert result.error
        assert len(result.error) <= 100
        assert all(0 < code < 10**9 for code in result.codes)
        f"{result.error}{result.description}{result.trace}".encode()


@given(documents, st.integers(100, 599))
def test_any_document_is_a_token_or_a_refusal(document: dict[str, object], status: int) -> None:
    check(answer(document, status))


@given(st.binary(), st.integers(100, 599), st.text())
def test_any_octets_are_a_refusal(body: bytes, status: int, content_type: str) -> None:
    check(parse(HttpResponse(status, {"content-type": content_type}, body), NOW))


@given(st.integers(0, 200), st.binary(min_size=1, max_size=3))
def test_a_good_answer_damaged_in_one_place(at: int, damage: bytes) -> None:
    body = json.dumps(token(expires_in=3599, scope="x", error_codes=[1])).encode()
    check(answer(body[:at] + damage + body[at + len(damage) :]))
