"""The grant `password`: what is sent, and how little often when it is refused."""

from pathlib import Path

from starlette.responses import JSONResponse

from relay.config import Secret
from tests.oauth.conftest import Account, Provider, refusal
from tests.support.clock import FakeClock

USER = {"grant": "password", "username": "ann@example.com", "token_endpoint_auth_method": "none"}


async def test_what_is_sent(account: Account, provider: Provider) -> None:
    await account(**USER, password=Secret("the~password")).get()
    assert provider.forms == [
        {
            "grant_type": "password",
            "username": "ann@example.com",
            "password": "the~password",
            "scope": "mail",
            "client_id": "the-client",
        }
    ]


async def test_without_scopes_and_with_a_secret(account: Account, provider: Provider) -> None:
    keys = USER | {"token_endpoint_auth_method": "client_secret_basic", "client_secret": Secret("s"), "scopes": ()}
    await account(**keys, password=Secret("the~password")).get()
    assert set(provider.forms[0]) == {"grant_type", "username", "password"}
    assert provider.requests[0].headers["authorization"].startswith("Basic ")


async def test_a_new_password_on_disk(account: Account, provider: Provider, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("old\n")
    tokens = account(**USER, password=Secret(file=file))
    token = await tokens.get()
    file.write_text("new\n")
    await tokens.replace(token)
    assert [form["password"] for form in provider.forms] == ["old", "new"]


async def test_a_wrong_password_is_not_tried_until_the_user_is_locked_out(
    account: Account, provider: Provider, clock: FakeClock
) -> None:
    said = {"error": "invalid_grant", "error_description": "no user with the~password"}
    provider.answers = [JSONResponse(said, 400) for _ in range(20)]
    tokens = account(**USER, password=Secret("the~password"))
    error = await refusal(tokens)
    assert (error.temporary, error.retry_after) == (False, 900.0)
    assert "Correct accounts.office.username and accounts.office.password before wrong tries lock" in error.hint
    assert "the~password" not in f"{error}{vars(error)}"
    for _ in range(60):
        await clock.advance(60)
        await refusal(tokens)
    assert len(provider.forms) == 1 + 60 * 60 / 900


async def test_passing_trouble_is_waited_for_as_ever(account: Account, provider: Provider) -> None:
    provider.answers = [JSONResponse({"error": "temporarily_unavailable"}, 503)]
    error = await refusal(account(**USER, password=Secret("p")))
    assert (error.temporary, error.retry_after) == (True, 30.0)
