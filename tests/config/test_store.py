"""`[store]`: where the key for stored tokens comes from, and that a wrong one shows while the file is checked."""

from pathlib import Path

import pytest

from relay.config import ConfigError, Settings, describe, load

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


def loaded(folder: Path, text: str = "", **environ: str) -> Settings:
    file = folder / "relay.toml"
    file.write_text(f'state_folder = "state"\n{text}')
    file.chmod(0o600)
    return load(file, {"HOME": str(folder), **environ})


def test_without_the_table_the_key_is_in_the_state_folder(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    assert found.store.key is None
    assert found.store_key_file == tmp_path / "state" / "store.key"


def test_a_key_and_a_previous_one(tmp_path: Path) -> None:
    (tmp_path / "old").write_text(KEY + "\n")
    found = loaded(tmp_path, f'[store]\nkey = "{KEY}"\nkey_previous_file = "old"\n')
    assert found.store.key is not None
    assert found.store.key_previous is not None
    assert (found.store.key.read(), found.store.key_previous.read()) == (KEY, KEY)
    assert KEY not in repr(found)
    assert not any(KEY in line for line in describe(found))


def test_from_the_environment(tmp_path: Path) -> None:
    assert loaded(tmp_path, RELAY_STORE__KEY=KEY).store.key is not None


def test_a_systemd_credential_is_found_unless_a_key_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir()
    assert loaded(tmp_path, CREDENTIALS_DIRECTORY=str(folder)).store.key is None
    (folder / "store_key").write_text(KEY)
    (folder / "store_key").chmod(0o400)
    found = loaded(tmp_path, CREDENTIALS_DIRECTORY=str(folder)).store.key
    assert found is not None
    assert found.file == folder / "store_key"
    named = loaded(tmp_path, f'[store]\nkey = "{KEY}"\n', CREDENTIALS_DIRECTORY=str(folder)).store.key
    assert named is not None
    assert named.file is None


@pytest.mark.parametrize("text", ["short", KEY[:-4], KEY + KEY, "ü" * 44])
def test_what_is_no_key_is_a_problem_that_says_how_to_make_one(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, f'[store]\nkey = "{text}"\n')
    (problem,) = caught.value.problems
    assert problem.key == "store.key"
    assert "openssl rand -base64 32" in problem.text
    assert text not in problem.text


def test_hexadecimal_digits_are_a_key_too(tmp_path: Path) -> None:
    assert loaded(tmp_path, f'[store]\nkey = "{"0f" * 32}"\n').store.key is not None
