"""Key files of service accounts."""

from pathlib import Path

import pytest

from relay.config.private_key import KeyFiles, KeyReader
from relay.config.secret import SecretError
from relay.config.service_account import ServiceAccountReader
from tests.support.keys import pem, rsa_key, service_account


def test_as_google_hands_it_out(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text(service_account(rsa_key()))
    reader = ServiceAccountReader(file)
    account = reader.read()
    assert (account.email, account.key_id) == ("relay@relay.iam.gserviceaccount.com", "0123456789abcdef")
    assert reader.read() is account
    assert "PRIVATE KEY" not in repr(account)
    file.write_text(service_account(rsa_key(1), private_key_id="new"))
    assert reader.read().key_id == "new"


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("~hunter2~", "is not JSON"),
        pytest.param("[" * 100_000, "is not JSON", id="deep"),
        ('["~hunter2~"]', "is not a service account's key"),
        ("{}", "(it has no type)"),
        ('{"type": 3}', "(it has no type)"),
        ('{"type": "authorized_user"}', '(its type is "authorized_user")'),
        (service_account(rsa_key(), client_email=None), "has no client_email"),
        (service_account(rsa_key(), private_key_id=""), "has no private_key_id"),
        (service_account(rsa_key(), private_key=["~hunter2~"]), "has no private_key"),
        (service_account(rsa_key(), client_email="\ud83d"), "has no client_email"),
        (service_account(rsa_key(), private_key="~hunter2~"), "holds no private key"),
        (
            service_account(rsa_key(), private_key=pem(rsa_key()).decode()[:99] + "\n-----END PRIVATE KEY-----"),
            "damaged",
        ),
    ],
)
def test_what_is_none(tmp_path: Path, content: str, part: str) -> None:
    file = tmp_path / "key.json"
    file.write_text(content)
    with pytest.raises(SecretError) as caught:
        ServiceAccountReader(file).read()
    assert part in str(caught.value)
    assert str(file) in str(caught.value)
    assert "~hunter2~" not in str(caught.value).removeprefix(str(file))


def test_in_the_place_of_a_pem_file_it_is_recognised(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text(service_account(rsa_key()))
    with pytest.raises(SecretError, match='goes with grant = "jwt_bearer"'):
        KeyReader(KeyFiles(file)).read()
