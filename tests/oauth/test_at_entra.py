"""The relay's tokens at the stand-in Entra, which checks what it is sent with code of its own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from relay.config import OAuth, Secret
from relay.http import DefaultSettings, HttpClient
from relay.model import Clock
from relay.oauth import TokenSource, claims, source
from relay.sandbox import Sandbox, SandboxSettings
from relay.service import serve_http
from tests.oauth.conftest import refusal
from tests.support.keys import certificate, certificate_pem, pem, pfx, rsa_key

CERTIFICATE = certificate(rsa_key())


class Tenant:
    """A running stand-in, and accounts at it."""

    def __init__(self, stack: AsyncExitStack, sandbox: Sandbox) -> None:
        self._stack = stack
        self.sandbox = sandbox

    def account(self, **keys: Any) -> TokenSource:
        http = HttpClient(DefaultSettings(ca_file=self.sandbox.ca_file))
        self._stack.push_async_callback(http.close)
        at = self.sandbox
        defaults: dict[str, Any] = {
            "client_id": Secret(at.settings.client_id),
            "token_endpoint": at.token_endpoint,
            "scopes": ("https://outlook.office365.com/.default",),
            "entra": True,
        }
        return source("office", OAuth(**(defaults | keys)), http, Clock())


@pytest.fixture
async def tenant(tmp_path: Path) -> AsyncIterator[Tenant]:
    settings = SandboxSettings(folder=tmp_path / "sandbox", certificates=(certificate_pem(CERTIFICATE),))
    async with AsyncExitStack() as stack:
        yield Tenant(stack, await stack.enter_async_context(Sandbox(settings, serve_http)))


async def test_a_certificate(tenant: Tenant, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(pem(rsa_key()) + certificate_pem(CERTIFICATE))
    tokens = tenant.account(token_endpoint_auth_method="private_key_jwt", private_key_file=tmp_path / "key.pem")
    token = await tokens.get()
    assert claims(token)["roles"] == ["SMTP.SendAsApp"]
    await tokens.replace(token)
    assert tenant.sandbox.entra.requests == 2, "an assertion is not used again: the stand-in would have refused it"


async def test_a_certificate_that_nobody_uploaded(tenant: Tenant, tmp_path: Path) -> None:
    (tmp_path / "client.pfx").write_bytes(pfx(rsa_key(1), certificate(rsa_key(1)), "pass"))
    keys = {"private_key_file": tmp_path / "client.pfx", "key_password": Secret("pass")}
    error = await refusal(tenant.account(token_endpoint_auth_method="private_key_jwt", **keys))
    assert (error.codes, error.temporary) == ((700027,), False)
    assert "Upload the certificate under App registrations > Certificates & secrets > Certificates" in error.hint


async def test_an_assertion_for_another_application(tenant: Tenant, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(pem(rsa_key()) + certificate_pem(CERTIFICATE))
    keys = {"token_endpoint_auth_method": "private_key_jwt", "private_key_file": tmp_path / "key.pem"}
    error = await refusal(tenant.account(client_id=Secret("11111111-2222-3333-4444-555555555555"), **keys))
    assert error.codes == (700016,)


async def test_a_public_client_is_told_what_is_missing(tenant: Tenant) -> None:
    error = await refusal(tenant.account(token_endpoint_auth_method="none"))
    assert (error.error, error.codes) == ("invalid_client", (7000216,))
