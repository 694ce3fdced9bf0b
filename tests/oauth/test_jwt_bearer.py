"""A service account at the stand-in Google, which checks what it is sent with code of its own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import jwt
import pytest

from relay.config import OAuth
from relay.http import DefaultSettings, HttpClient
from relay.model import Clock
from relay.oauth import TokenSource, source
from relay.sandbox import Sandbox, SandboxSettings, ServiceAccount
from relay.service import serve_http
from tests.oauth.conftest import Account, Provider, refusal
from tests.support.clock import FakeClock
from tests.support.keys import public_pem, rsa_key, service_account

MAILBOX = "noreply@sandbox.onmicrosoft.com"
KNOWN = ServiceAccount("relay@relay.iam.gserviceaccount.com", "0123456789abcdef", public_pem(rsa_key()))


class Workspace:
    """A running stand-in, and accounts at it that use the key file `key.json`."""

    def __init__(self, stack: AsyncExitStack, sandbox: Sandbox, folder: Path) -> None:
        self._stack = stack
        self.sandbox = sandbox
        self.file = folder / "key.json"
        self.file.write_text(service_account(rsa_key()))

    def account(self, *, shift: float = 0.0, **keys: Any) -> TokenSource:
        http = HttpClient(DefaultSettings(ca_file=self.sandbox.ca_file))
        self._stack.push_async_callback(http.close)
        clock = FakeClock(Clock().time() + shift)
        defaults: dict[str, Any] = {
            "grant": "jwt_bearer",
            "private_key_file": self.file,
            "subject": MAILBOX,
            "token_endpoint": self.sandbox.google_token_endpoint,
            "scopes": ("https://mail.google.com/",),
        }
        return source("gmail", OAuth(**(defaults | keys)), http, clock)


@pytest.fixture
async def workspace(tmp_path: Path) -> AsyncIterator[Workspace]:
    settings = SandboxSettings(folder=tmp_path / "sandbox", service_account=KNOWN)
    async with AsyncExitStack() as stack:
        yield Workspace(stack, await stack.enter_async_context(Sandbox(settings, serve_http)), tmp_path)


async def test_a_token_for_a_mailbox(workspace: Workspace) -> None:
    tokens = workspace.account()
    token = await tokens.get()
    assert workspace.sandbox.google.issued[token.value] == MAILBOX
    assert token.expires_at - 3600 == pytest.approx(Clock().time(), abs=30)
    assert (await tokens.replace(token)).value != token.value


@pytest.mark.parametrize(
    ("keys", "error", "hint"),
    [
        ({"scopes": ("https://www.googleapis.com/auth/gmail.send",)}, "unauthorized_client", "*numeric* client ID"),
        ({"subject": "nobody@example.com"}, "invalid_grant", "Correct accounts.gmail.oauth.subject"),
        ({"shift": -4000.0}, "invalid_grant", "Set this machine's clock (NTP)"),
        ({"shift": 4000.0}, "invalid_grant", "Set this machine's clock (NTP)"),
    ],
)
async def test_what_google_says_tells_what_to_do(
    workspace: Workspace, keys: dict[str, Any], error: str, hint: str
) -> None:
    refused = await refusal(workspace.account(**keys))
    assert (refused.error, refused.temporary) == (error, False)
    assert hint in refused.hint


async def test_a_key_that_was_deleted(workspace: Workspace) -> None:
    tokens = workspace.account()
    token = await tokens.get()
    workspace.file.write_text(service_account(rsa_key(1)))
    with pytest.raises(Exception, match="Invalid JWT Signature") as caught:
        await tokens.replace(token)
    assert "accounts.gmail.oauth.private_key_file" in str(caught.value)


async def test_a_file_that_is_gone(workspace: Workspace) -> None:
    tokens = workspace.account()
    workspace.file.unlink()
    error = await refusal(tokens)
    assert (error.error, error.temporary) == ("secret_unreadable", False)
    assert "key.json: does not exist" in str(error)


async def test_what_is_sent(account: Account, provider: Provider, clock: FakeClock, tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text(service_account(rsa_key()))
    keys: dict[str, Any] = {
        "grant": "jwt_bearer",
        "private_key_file": tmp_path / "key.json",
        "subject": "a@example.com",
    }
    await account(**keys, client_id=None, scopes=("one", "two"), extra_parameters={"more": "x"}).get()
    (form,) = provider.forms
    assert set(form) == {"grant_type", "assertion", "more"}
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert "authorization" not in provider.requests[0].headers
    assert jwt.get_unverified_header(form["assertion"]) == {"alg": "RS256", "typ": "JWT", "kid": "0123456789abcdef"}
    options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    claims = jwt.decode(form["assertion"], public_pem(rsa_key()), ["RS256"], options, audience=provider.url)
    assert (claims["iss"], claims["sub"]) == ("relay@relay.iam.gserviceaccount.com", "a@example.com")
    assert claims["scope"] == "one two"
    assert claims["iat"] <= clock.now < claims["exp"] <= claims["iat"] + 3600
