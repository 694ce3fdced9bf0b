"""Client authentication other than by a secret in form or Basic: what reaches the server, judged by other code."""

from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from relay.config import Secret
from relay.config.private_key import KeyFiles
from relay.config.secret import SecretError
from relay.oauth.client_secret import ClientSecretHeader, PublicClient
from relay.oauth.private_key_jwt import PrivateKeyJwt
from relay.oauth.request import TokenRequest
from tests.oauth.conftest import Account, Provider, refusal
from tests.support.clock import FakeClock
from tests.support.keys import Key, certificate, certificate_pem, pem, pfx, public_pem, rsa_key

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
JWT = "private_key_jwt"


def key_file(folder: Path, key: Key, name: str = "key.pem") -> Path:
    (folder / name).write_bytes(pem(key))
    return folder / name


def verified(assertion: str, key: Key, alg: str, provider: Provider, clock: FakeClock) -> dict[str, Any]:
    """The claims, taken apart by PyJWT with nothing left unchecked but the time, which is the test's own."""
    options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    claims: dict[str, Any] = jwt.decode(assertion, public_pem(key), [alg], options, audience=provider.url)
    assert claims["nbf"] <= clock.now < claims["exp"] <= claims["nbf"] + 600
    assert claims["iat"] == claims["nbf"]
    return claims


@pytest.mark.parametrize(
    ("key", "alg"),
    [
        (rsa_key(), "RS256"),
        (ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (ec.generate_private_key(ec.SECP384R1()), "ES384"),
        (ec.generate_private_key(ec.SECP521R1()), "ES512"),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_private_key_jwt(
    account: Account, provider: Provider, clock: FakeClock, tmp_path: Path, key: Key, alg: str
) -> None:
    tokens = account(token_endpoint_auth_method=JWT, private_key_file=key_file(tmp_path, key))
    assert (await tokens.get()).value == "token-1"
    (form,) = provider.forms
    assert set(form) == {"grant_type", "scope", "client_id", "client_assertion_type", "client_assertion"}
    assert (form["client_id"], form["client_assertion_type"]) == ("the-client", ASSERTION_TYPE)
    assert "authorization" not in provider.requests[0].headers
    assert jwt.get_unverified_header(form["client_assertion"]) == {"alg": alg, "typ": "JWT"}
    claims = verified(form["client_assertion"], key, alg, provider, clock)
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("the-client", "the-client", provider.url)


async def test_each_request_has_an_assertion_of_its_own(
    account: Account, provider: Provider, clock: FakeClock, tmp_path: Path
) -> None:
    tokens = account(token_endpoint_auth_method=JWT, private_key_file=key_file(tmp_path, rsa_key()))
    await tokens.replace(await tokens.get())
    ids = [verified(form["client_assertion"], rsa_key(), "RS256", provider, clock)["jti"] for form in provider.forms]
    assert len(set(ids)) == 2


async def test_as_microsoft_wants_it(account: Account, provider: Provider, clock: FakeClock, tmp_path: Path) -> None:
    made = certificate(rsa_key())
    (tmp_path / "cert.pem").write_bytes(certificate_pem(made))
    keys = {"private_key_file": key_file(tmp_path, rsa_key()), "certificate_file": tmp_path / "cert.pem"}
    await account(token_endpoint_auth_method=JWT, entra=True, **keys).get()
    assertion = provider.forms[0]["client_assertion"]
    header = jwt.get_unverified_header(assertion)
    thumbprint = jwt.utils.base64url_encode(made.fingerprint(hashes.SHA256())).decode()
    assert header == {"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint}
    verified(assertion, rsa_key(), "PS256", provider, clock)


async def test_files_changed_on_disk_are_used_at_the_next_request(
    account: Account, provider: Provider, clock: FakeClock, tmp_path: Path
) -> None:
    file, password = tmp_path / "client.pfx", tmp_path / "password"
    file.write_bytes(pfx(rsa_key(), certificate(rsa_key()), "first"))
    password.write_text("first\n")
    tokens = account(token_endpoint_auth_method=JWT, private_key_file=file, key_password=Secret(file=password))
    token = await tokens.get()
    file.write_bytes(pfx(rsa_key(1), certificate(rsa_key(1)), "second"))
    password.write_text("second\n")
    await tokens.replace(token)
    for number, form in enumerate(provider.forms):
        verified(form["client_assertion"], rsa_key(number), "RS256", provider, clock)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (None, "key.pem: does not exist"),
        (b"nothing", "key.pem: is neither a PEM file nor"),
        (pem(ec.generate_private_key(ec.SECP256K1())), "this curve"),
    ],
)
async def test_a_key_that_cannot_be_used_is_not_the_providers_fault(
    account: Account, provider: Provider, tmp_path: Path, content: bytes | None, part: str
) -> None:
    if content is not None:
        (tmp_path / "key.pem").write_bytes(content)
    error = await refusal(account(token_endpoint_auth_method=JWT, private_key_file=tmp_path / "key.pem"))
    assert (error.error, error.temporary) == ("secret_unreadable", False)
    assert part in str(error)
    assert provider.forms == []


def test_a_request_knows_its_assertion_for_a_secret(tmp_path: Path, clock: FakeClock) -> None:
    """What stands in `secrets` is masked in everything that a server says."""
    way = PrivateKeyJwt(Secret("id"), KeyFiles(key_file(tmp_path, rsa_key())), clock)
    request = way.add_to(TokenRequest("https://x.test/", {}))
    assert request.secrets == (request.form["client_assertion"],)
    assert request.form["client_assertion"] not in repr(request)


async def test_a_federated_token_is_read_anew_each_time(account: Account, provider: Provider, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first.token.ok\n")
    tokens = account(token_endpoint_auth_method=JWT, federated_token_file=file)
    token = await tokens.get()
    file.write_text(" second.token.ok \r\n")
    await tokens.replace(token)
    assert [form["client_assertion"] for form in provider.forms] == ["first.token.ok", "second.token.ok"]
    assert {form["client_assertion_type"] for form in provider.forms} == {ASSERTION_TYPE}
    assert {form["client_id"] for form in provider.forms} == {"the-client"}


@pytest.mark.parametrize("content", ["hunter2", "a.b", "a.b.c.d", '{"token": "a.b.c"}', "a.b.ü", "a.b.c d"])
async def test_a_federated_token_that_is_none(
    account: Account, provider: Provider, tmp_path: Path, content: str
) -> None:
    (tmp_path / "token").write_text(content)
    error = await refusal(account(token_endpoint_auth_method=JWT, federated_token_file=tmp_path / "token"))
    assert (error.error, error.temporary) == ("secret_unreadable", False)
    assert "holds no JSON Web Token. Name the file that the platform writes" in str(error)
    assert content not in str(error)
    assert provider.forms == []


async def test_a_secret_in_a_header(account: Account, provider: Provider) -> None:
    keys = {"token_endpoint_auth_method": "client_secret_header", "client_secret_header": "X-Client-Secret"}
    await account(**keys, client_secret=Secret("the secret~")).get()
    assert provider.requests[0].headers["x-client-secret"] == "the secret~"
    assert provider.forms == [{"grant_type": "client_credentials", "scope": "mail", "client_id": "the-client"}]


@given(st.text(min_size=1))
def test_a_header_holds_the_secret_as_it_is_or_nothing(secret: str) -> None:
    way = ClientSecretHeader(Secret("id"), Secret(secret), "X-Secret")
    if all(" " <= char <= "~" for char in secret) and secret == secret.strip():
        request = way.add_to(TokenRequest("https://x.test/", {}))
        assert (request.headers, request.secrets) == ({"x-secret": secret}, (secret,))
    else:
        with pytest.raises(SecretError):
            way.add_to(TokenRequest("https://x.test/", {}))


async def test_a_public_client(account: Account, provider: Provider) -> None:
    await account(token_endpoint_auth_method="none").get()
    assert provider.forms == [{"grant_type": "client_credentials", "scope": "mail", "client_id": "the-client"}]


def test_an_id_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "id.json").write_text('{"id": "\\ud83d"}')
    with pytest.raises(SecretError, match="not text that can be sent"):
        PublicClient(Secret(file=tmp_path / "id.json", pointer="/id")).add_to(TokenRequest("https://x.test/", {}))
