"""An application's own tokens from the foreign server: each way to prove itself, discovery, and its refusals."""

import pytest

from relay.config import Secret
from tests.oauth.foreign.parts import SECRET, Account, refusal_of
from tests.oauth.foreign.server import LIFETIME, Foreign
from tests.support import keys


@pytest.mark.parametrize("name", ["basic", "post", "key"])
async def test_each_client_authentication(foreign: Foreign, account: Account, name: str) -> None:
    tokens = account(name)
    token = await tokens.get()
    (issued,) = foreign.records.issued
    assert (issued.client_id, issued.access_token, issued.scope) == (name, token.value, "mail")
    assert token.scope == "mail"
    assert 0 < token.expires_at - token.refresh_at < LIFETIME


async def test_an_assertion_is_made_for_each_request(foreign: Foreign, account: Account) -> None:
    for _ in range(2):
        await account("key").get()
    assert len(foreign.records.assertions) == 2


async def test_it_is_found_by_its_issuer(foreign: Foreign, account: Account) -> None:
    await account("basic", token_endpoint=None, issuer=foreign.issuer).get()
    assert len(foreign.records.issued) == 1


async def test_get_as_request_method(foreign: Foreign, account: Account) -> None:
    await account("basic", token_request_method="GET", extra_parameters={"audience": "mail.example.com"}).get()
    (asked,) = foreign.records.asked
    assert (asked["method"], asked["audience"]) == ("GET", "mail.example.com")


async def test_a_new_token_when_one_is_rejected(foreign: Foreign, account: Account) -> None:
    tokens = account("post")
    first = await tokens.get()
    second = await tokens.replace(first)
    assert [issued.access_token for issued in foreign.records.issued] == [first.value, second.value]


@pytest.mark.parametrize("name", ["basic", "post"])
async def test_a_wrong_secret(foreign: Foreign, account: Account, name: str) -> None:
    error = await refusal_of(account(name, client_secret=Secret("another-secret")).get())
    assert (error.error, error.temporary) == ("invalid_client", False)
    assert "localhost refused: invalid_client" in str(error)
    assert error.hint
    assert "another-secret" not in str(error)


async def test_a_key_that_is_not_registered(foreign: Foreign, account: Account) -> None:
    foreign.records.clients["key"].public_key = keys.public_pem(keys.rsa_key(1)).decode()
    error = await refusal_of(account("key").get())
    assert (error.error, error.temporary) == ("invalid_client", False)


async def test_an_application_that_is_unknown(account: Account) -> None:
    error = await refusal_of(account("post", client_id=Secret("nobody")).get())
    assert error.error == "invalid_client"


async def test_a_scope_that_it_does_not_have(account: Account) -> None:
    error = await refusal_of(account("basic", scopes=("mail", "everything")).get())
    assert (error.error, error.temporary) == ("invalid_scope", False)


async def test_a_grant_that_it_may_not_use(foreign: Foreign, account: Account) -> None:
    foreign.records.clients["basic"].grants = ()
    error = await refusal_of(account("basic").get())
    assert (error.error, error.temporary) == ("unauthorized_client", False)


@pytest.mark.parametrize("name", ["basic", "post"])
async def test_a_secret_is_exchanged(
    foreign: Foreign, account: Account, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """The server has both, then only the new one, as an administrator does it."""
    secrets = foreign.records.clients[name].secrets
    secrets.add("the-new-secret")
    tokens = account(name, client_secret_next=Secret("the-new-secret"))
    token = await tokens.get()
    assert "the first can go" not in caplog.text
    secrets.discard(SECRET)
    assert (await tokens.replace(token)).value == foreign.records.issued[-1].access_token
    assert "office: the provider takes client_secret_next and not client_secret: the first can go" in caplog.text
