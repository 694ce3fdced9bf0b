"""The stand-in Google: what it takes from a service account, and its answers to what it does not."""

from typing import Any

import httpx2
import jwt
import pytest

from relay.sandbox import Sandbox, ServiceAccount
from tests.sandbox.conftest import RecordingClock, Start, client_of
from tests.support.keys import public_pem, rsa_key

USER = "noreply@sandbox.onmicrosoft.com"
EMAIL, KEY_ID = "relay@project.iam.gserviceaccount.com", "key-1"
GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
NOT_DELEGATED = (
    "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes"
    " requested."
)


@pytest.fixture
async def sandbox(start: Start, clock: RecordingClock) -> Sandbox:
    return await start(clock, http=True, service_account=ServiceAccount(EMAIL, KEY_ID, public_pem(rsa_key())))


def assertion(sandbox: Sandbox, *, key: Any = None, kid: str = KEY_ID, **changes: Any) -> str:
    now = sandbox.clock.time()
    claims = {
        "iss": EMAIL,
        "sub": USER,
        "scope": "https://mail.google.com/",
        "aud": sandbox.google_token_endpoint,
        "iat": now,
        "exp": now + 3600,
    }
    return jwt.encode(claims | changes, key or rsa_key(), "RS256", {"kid": kid})


async def ask(sandbox: Sandbox, assertion: str, grant_type: str = GRANT_TYPE) -> httpx2.Response:
    async with client_of(sandbox) as http:
        return await http.post(sandbox.google_token_endpoint, data={"grant_type": grant_type, "assertion": assertion})


async def test_a_token(sandbox: Sandbox) -> None:
    answer = await ask(sandbox, assertion(sandbox))
    body = answer.json()
    assert (answer.status_code, set(body)) == (200, {"access_token", "expires_in", "token_type"})
    assert (body["expires_in"], body["token_type"], body["access_token"][:5]) == (3599, "Bearer", "ya29.")
    assert sandbox.google.issued == {body["access_token"]: USER}


@pytest.mark.parametrize(
    ("changes", "status", "error", "part"),
    [
        ({"scope": "https://www.googleapis.com/auth/gmail.send"}, 401, "unauthorized_client", NOT_DELEGATED),
        ({"scope": ""}, 400, "invalid_scope", "Empty or missing scope"),
        ({"sub": "nobody@example.com"}, 400, "invalid_grant", "Invalid email or User ID"),
        ({"iss": "other@project.iam.gserviceaccount.com"}, 400, "invalid_grant", "account not found"),
        ({"aud": "https://example.com/"}, 400, "invalid_grant", "audience"),
        ({"exp": 1}, 400, "invalid_grant", "Token must be a short-lived token (60 minutes)"),
        ({"iat": 1}, 400, "invalid_grant", "Token must be a short-lived token (60 minutes)"),
        ({"key": rsa_key(1)}, 400, "invalid_grant", "Invalid JWT Signature."),
        ({"kid": "key-2"}, 400, "invalid_grant", "Invalid JWT Signature."),
    ],
)
async def test_refusals(sandbox: Sandbox, changes: dict[str, Any], status: int, error: str, part: str) -> None:
    answer = await ask(sandbox, assertion(sandbox, **changes))
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert part in answer.json()["error_description"]


async def test_what_is_no_assertion(sandbox: Sandbox, start: Start) -> None:
    assert (await ask(sandbox, "hello")).json()["error"] == "invalid_grant"
    assert (await ask(sandbox, assertion(sandbox), "password")).json()["error"] == "unsupported_grant_type"
