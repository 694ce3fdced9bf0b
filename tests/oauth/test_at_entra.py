"""The relay's tokens at the stand-in Entra, which checks what it is sent with code of its own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from time import time
from typing import Any

import jwt
import pytest

from relay.config import OAuth, Secret
from relay.http import DefaultSettings, HttpClient
from relay.model import Clock
from relay.oauth import TokenSource, claims, source
from relay.sandbox import FederatedCredential, Sandbox, SandboxSettings
from relay.service import serve_http
from tests.oauth.conftest import refusal, refusal_of
from tests.support.keys import certificate, certificate_pem, pem, pfx, public_pem, rsa_key

CERTIFICATE = certificate(rsa_key())
CLUSTER, POD = "https://cluster.example.com/", "system:serviceaccount:mail:relay"


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
    settings = SandboxSettings(
        folder=tmp_path / "sandbox",
        certificates=(certificate_pem(CERTIFICATE),),
        user_password="Passw0rd!",
        federated=(FederatedCredential(CLUSTER, POD, public_pem(rsa_key(1))),),
    )
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


def pod_token(**changes: Any) -> str:
    """What Kubernetes writes into a pod."""
    now = int(time())
    token = {"iss": CLUSTER, "sub": POD, "aud": ["api://AzureADTokenExchange"], "iat": now, "exp": now + 3600}
    return jwt.encode(token | changes, rsa_key(1), "RS256")


async def test_a_pod_that_its_cluster_vouches_for(tenant: Tenant, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(pod_token())
    tokens = tenant.account(token_endpoint_auth_method="private_key_jwt", federated_token_file=file)
    token = await tokens.get()
    assert claims(token)["roles"] == ["SMTP.SendAsApp"]
    file.write_text(pod_token(exp=int(time()) - 400))
    error = await refusal_of(tokens.replace(token))
    assert error.codes == (700024,)
    assert "check that its file is being renewed" in error.hint


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": CLUSTER.rstrip("/")}, 700211),
        ({"sub": POD.upper()}, 700213),
        ({"aud": "https://kubernetes.default.svc"}, 700212),
    ],
)
async def test_a_pod_that_nobody_entered(tenant: Tenant, tmp_path: Path, changes: dict[str, Any], code: int) -> None:
    (tmp_path / "token").write_text(pod_token(**changes))
    keys = {"token_endpoint_auth_method": "private_key_jwt", "federated_token_file": tmp_path / "token"}
    error = await refusal(tenant.account(**keys))
    assert (error.codes, error.error, error.temporary) == ((code,), "invalid_client", False)
    assert "Federated credentials" in error.hint


PERSON = {
    "grant": "password",
    "username": "noreply@sandbox.onmicrosoft.com",
    "token_endpoint_auth_method": "none",
    "scopes": ("https://outlook.office.com/SMTP.Send",),
}


async def test_a_users_password(tenant: Tenant) -> None:
    token = await tenant.account(**PERSON, password=Secret("Passw0rd!")).get()
    told = claims(token)
    assert (told["upn"], told["scp"], "roles" in told) == ("noreply@sandbox.onmicrosoft.com", "SMTP.Send", False)
    assert token.scope == "https://outlook.office.com/SMTP.Send"


@pytest.mark.parametrize(
    ("changes", "code"), [({"password": Secret("wrong")}, 50126), ({"username": "nobody@example.com"}, 50034)]
)
async def test_a_user_who_may_not(tenant: Tenant, changes: dict[str, Any], code: int) -> None:
    error = await refusal(tenant.account(**(PERSON | {"password": Secret("Passw0rd!")} | changes)))
    assert (error.codes, error.temporary) == ((code,), False)
    assert error.retry_after == pytest.approx(900, abs=10)
    assert "accounts.office.username" in error.hint


@pytest.mark.parametrize("by", ["tenant", "tenant_id"])
async def test_an_issuer_finds_the_tenant(tenant: Tenant, by: str) -> None:
    at = tenant.sandbox
    issuer = f"{at.graph_endpoint}/{getattr(at.settings, by)}/v2.0"
    secret = Secret(at.settings.client_secret)
    token = await tenant.account(token_endpoint=None, issuer=issuer, client_secret=secret).get()
    assert claims(token)["tid"] == at.settings.tenant_id


async def test_an_issuer_for_all_tenants(tenant: Tenant) -> None:
    """Its metadata are believed; that an application has no token there is Entra's to say."""
    issuer = f"{tenant.sandbox.graph_endpoint}/common/v2.0"
    error = await refusal(tenant.account(token_endpoint=None, issuer=issuer, client_secret=Secret("x"), entra=False))
    assert error.codes == (50059,)


async def test_the_assertion_is_for_the_endpoint_that_was_found(tenant: Tenant, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(pem(rsa_key()) + certificate_pem(CERTIFICATE))
    keys = {"token_endpoint_auth_method": "private_key_jwt", "private_key_file": tmp_path / "key.pem"}
    token = await tenant.account(**keys, token_endpoint=None, issuer=tenant.sandbox.issuer).get()
    assert claims(token)["roles"] == ["SMTP.SendAsApp"]


async def test_a_tenant_that_does_not_exist(tenant: Tenant) -> None:
    issuer = f"{tenant.sandbox.graph_endpoint}/contoso.com/v2.0"
    error = await refusal(tenant.account(token_endpoint=None, issuer=issuer, client_secret=Secret("x")))
    assert (error.error, error.temporary) == ("no_metadata", False)
