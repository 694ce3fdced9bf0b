"""Applications that sign: what the stand-in Entra takes, and its answers to what it does not."""

import hashlib
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx2
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from relay.sandbox import FederatedCredential, Sandbox
from tests.sandbox.conftest import RecordingClock, Start, client_of
from tests.sandbox.token_requests import CLIENT, FORM, SECRET, check_error, path
from tests.support.keys import certificate, certificate_pem, public_pem, rsa_key

KEY, STRANGER = rsa_key(), rsa_key(1)
CERTIFICATE = certificate(KEY, begin=datetime(2026, 1, 1, tzinfo=UTC), days=3650)
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
PAGE = " Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials ."


def thumbprint(made: x509.Certificate, kind: str = "sha256") -> bytes:
    return hashlib.new(kind, made.public_bytes(Encoding.DER)).digest()


def x5t(made: x509.Certificate, kind: str = "sha256") -> str:
    return jwt.utils.base64url_encode(thumbprint(made, kind)).decode()


@pytest.fixture
async def sandbox(start: Start, clock: RecordingClock) -> Sandbox:
    return await start(clock, http=True, certificates=(certificate_pem(CERTIFICATE),))


def signed(sandbox: Sandbox, *, key: Any = KEY, alg: str = "PS256", header: Any = None, **changes: Any) -> str:
    """An assertion that is right but for `changes`."""
    now = sandbox.clock.time()
    claims = {
        "aud": sandbox.token_endpoint,
        "iss": CLIENT,
        "sub": CLIENT,
        "jti": str(uuid.uuid4()),
        "nbf": now,
        "iat": now,
        "exp": now + 600,
    }
    kept = {name: value for name, value in (claims | changes).items() if value is not None}
    return jwt.encode(kept, key, alg, {"x5t#S256": x5t(CERTIFICATE)} if header is None else header)


async def ask(sandbox: Sandbox, assertion: str, **changes: Any) -> httpx2.Response:
    form = FORM | {"client_secret": None, "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
    sent = {name: value for name, value in (form | changes).items() if value is not None}
    async with client_of(sandbox) as http:
        return await http.post(path(sandbox), data=sent)


@pytest.mark.parametrize(
    ("alg", "header"),
    [
        ("PS256", {"x5t#S256": x5t(CERTIFICATE)}),
        ("RS256", {"x5t": x5t(CERTIFICATE, "sha1")}),
        ("RS256", {"x5t#S256": x5t(CERTIFICATE)}),
    ],
)
async def test_it_is_taken(sandbox: Sandbox, alg: str, header: dict[str, str]) -> None:
    answer = await ask(sandbox, signed(sandbox, alg=alg, header=header))
    assert (answer.status_code, answer.json()["token_type"]) == (200, "Bearer")


@pytest.mark.parametrize(
    ("changes", "number", "text"),
    [
        (
            {"iss": "other"},
            700021,
            f"Client assertion application identifier doesn't match 'client_id' parameter.{PAGE}",
        ),
        ({"iss": None}, 700021, f"Client assertion application identifier doesn't match 'client_id' parameter.{PAGE}"),
        ({"sub": "other"}, 50048, "Subject must match Issuer claim in the client assertion."),
        (
            {"aud": "https://login.microsoftonline.com/x/oauth2/v2.0/token"},
            700023,
            f"Client assertion audience claim does not match Realm issuer.{PAGE}",
        ),
        ({"aud": None}, 700023, f"Client assertion audience claim does not match Realm issuer.{PAGE}"),
        ({"exp": None}, 50027, "Invalid JWT token. The claim 'exp' is missing."),
        ({"exp": "soon"}, 50027, "Invalid JWT token. The claim 'exp' is not a number."),
        ({"jti": None}, 50027, "Invalid JWT token. The claim 'jti' is missing."),
        ({"header": {}}, 50027, "Invalid JWT token. No certificate thumbprint specified in token header."),
        (
            {"header": {"x5t": "+"}},
            50027,
            "Invalid JWT token. The certificate thumbprint in the token header is not base64url.",
        ),
    ],
)
async def test_what_is_wrong_in_it(sandbox: Sandbox, changes: dict[str, Any], number: int, text: str) -> None:
    check_error(await ask(sandbox, signed(sandbox, **changes)), 401, "invalid_client", number, text)


@pytest.mark.parametrize("shift", [-901, 301])
async def test_outside_its_time(sandbox: Sandbox, clock: RecordingClock, shift: int) -> None:
    begin = clock.now + shift
    answer = await ask(sandbox, signed(sandbox, nbf=begin, exp=begin + 600))
    stamps = [f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S}.0000000Z" for at in (clock.now, begin, begin + 600)]
    text = "Client assertion is not within its valid time range. Current time: {}, assertion valid from {}, expiry time"
    check_error(answer, 401, "invalid_client", 700024, f"{text} of assertion {{}}.".format(*stamps) + PAGE)


@pytest.mark.parametrize("shift", [-899, 299])
async def test_clocks_may_differ_a_little(sandbox: Sandbox, clock: RecordingClock, shift: int) -> None:
    assert (await ask(sandbox, signed(sandbox, nbf=clock.now + shift, exp=clock.now + shift + 600))).status_code == 200


async def test_a_key_that_is_not_registered(sandbox: Sandbox) -> None:
    other = certificate(STRANGER)
    answer = await ask(sandbox, signed(sandbox, key=STRANGER, header={"x5t#S256": x5t(other)}))
    check_error(
        answer,
        401,
        "invalid_client",
        700027,
        "The certificate with identifier used to sign the client assertion is not registered on application. [Reason -"
        f" The key was not found., Thumbprint of key used by client: '{thumbprint(other).hex().upper()}', Please visit"
        " the Azure Portal, Graph Explorer or directly use MS Graph to see configured keys for app Id"
        f" '{CLIENT}'.]",
    )


@pytest.mark.parametrize("alg", ["PS256", "RS256"])
async def test_a_signature_by_another_key(sandbox: Sandbox, alg: str) -> None:
    answer = await ask(sandbox, signed(sandbox, key=STRANGER, alg=alg))
    assert answer.json()["error_codes"] == [700027]
    assert "Client assertion contains an invalid signature." in answer.json()["error_description"]


async def test_without_a_signature(sandbox: Sandbox) -> None:
    answer = await ask(sandbox, signed(sandbox, key="", alg="none"))
    assert answer.json()["error_codes"] == [700027]


async def test_an_expired_certificate(start: Start, clock: RecordingClock) -> None:
    old = certificate(KEY, begin=datetime(2020, 1, 1, tzinfo=UTC), days=1)
    sandbox = await start(clock, http=True, certificates=(certificate_pem(old),))
    answer = await ask(sandbox, signed(sandbox, header={"x5t#S256": x5t(old)}))
    assert answer.json()["error_codes"] == [700027]
    assert "[Reason - The key used is expired.," in answer.json()["error_description"]


async def test_it_is_taken_once(sandbox: Sandbox) -> None:
    assertion = signed(sandbox, jti="the-id")
    assert (await ask(sandbox, assertion)).status_code == 200
    text = "Invalid JWT token. The assertion with the jti 'the-id' was used before."
    check_error(await ask(sandbox, assertion), 401, "invalid_client", 50027, text)


@pytest.mark.parametrize("assertion", ["", "a.b", "a.b.c", "e30.W10.", "e30.e30.+", "ü.e30.e30", "e30=.e30.e30"])
async def test_what_is_no_token(sandbox: Sandbox, assertion: str) -> None:
    answer = await ask(sandbox, assertion)
    assert (answer.status_code, answer.json()["error_codes"]) == (401, [50027])


async def test_the_form_around_it(sandbox: Sandbox) -> None:
    for changes, number in (
        ({"client_assertion_type": None}, 900144),
        ({"client_assertion_type": "saml"}, 900144),
        ({"client_secret": SECRET}, 9002313),
        ({"client_id": None}, 900144),
    ):
        answer = await ask(sandbox, signed(sandbox), **changes)
        assert answer.json()["error_codes"] == [number]


ISSUER, POD = "https://cluster.example.com", "system:serviceaccount:mail:relay"


@pytest.fixture
async def federated(start: Start, clock: RecordingClock) -> Sandbox:
    credential = FederatedCredential(ISSUER, POD, public_pem(STRANGER))
    return await start(clock, http=True, federated=(credential,))


@pytest.mark.parametrize(
    ("changes", "status", "number"),
    [
        ({}, 200, None),
        ({"aud": ["api://AzureADTokenExchange"]}, 200, None),
        ({"key": KEY}, 401, 50013),
        ({"alg": "PS256"}, 200, None),
        ({"iss": f"{ISSUER}/"}, 401, 700211),
        ({"sub": POD.upper()}, 401, 700213),
        ({"aud": "sts.amazonaws.com"}, 401, 700212),
        ({"aud": [1]}, 401, 50027),
        ({"exp": 1}, 401, 700024),
    ],
)
async def test_a_token_of_another_issuer(
    federated: Sandbox, changes: dict[str, Any], status: int, number: int | None
) -> None:
    told: dict[str, Any] = {"key": STRANGER, "alg": "RS256", "header": {}, "iss": ISSUER, "sub": POD, "jti": None}
    token = signed(federated, **(told | {"aud": "api://AzureADTokenExchange"} | changes))
    for _ in range(2):
        answer = await ask(federated, token)
        assert (answer.status_code, answer.json().get("error_codes", [None])) == (status, [number])


async def test_what_does_not_match_is_named(federated: Sandbox) -> None:
    answer = await ask(federated, signed(federated, key=STRANGER, alg="RS256", header={}, iss=ISSUER, sub="nobody"))
    text = (
        "No matching federated identity record found for presented assertion subject 'nobody'. Check your federated"
        " identity credential Subject, Audience and Issuer against the presented assertion."
        " https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
    )
    check_error(answer, 401, "invalid_client", 700213, text)
