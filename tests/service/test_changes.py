"""What counts as a change of a running relay's configuration."""

import os
from collections.abc import Callable
from pathlib import Path

from relay import config
from relay.config import Settings
from relay.service.changes import Snapshot, fingerprint, need_restart, watched

BASE = """\
state_folder = "state"
include = ["more/*.toml"]

[accounts.smart]
provider = "smtp"
host = "smtp.example.com"
username = "u"
password_file = "password"
ca_file = "ca.pem"

[accounts.bin]
provider = "discard"

[clients.app]
login = "app"
password = "x"
account = "smart"
senders = ["*"]
"""


def loaded(folder: Path, text: str = BASE) -> Settings:
    """The settings of a file in `folder`, which holds everything that it names."""
    file = folder / "relay.toml"
    file.write_text(text, encoding="utf-8")
    (folder / "more").mkdir(exist_ok=True)
    (folder / "password").write_text("first", encoding="utf-8")
    return config.load(file, {})


def test_content_counts_and_time_does_not(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("one", encoding="utf-8")
    first = fingerprint([file])
    os.utime(file, (1, 1))
    assert fingerprint([file]) == first
    file.write_text("two", encoding="utf-8")
    assert fingerprint([file]) != first


def test_a_new_name_in_a_folder_counts(tmp_path: Path) -> None:
    first = fingerprint([tmp_path])
    (tmp_path / "new.toml").touch()
    assert fingerprint([tmp_path]) != first


def test_absent_and_present_differ(tmp_path: Path) -> None:
    file = tmp_path / "a"
    absent = fingerprint([file])
    file.write_text("here", encoding="utf-8")
    assert fingerprint([file]) != absent


def test_an_account_changes_with_its_settings_or_its_files(tmp_path: Path, authority: Callable[[str], None]) -> None:
    authority("one")
    before = Snapshot.of(loaded(tmp_path))
    assert before.same_account("smart", Snapshot.of(loaded(tmp_path)))
    (tmp_path / "password").write_text("second", encoding="utf-8")
    assert before.same_account("smart", Snapshot.of(config.load(tmp_path / "relay.toml", {})))
    authority("two")
    renewed = Snapshot.of(loaded(tmp_path))
    assert not before.same_account("smart", renewed)
    assert before.same_account("bin", renewed)
    moved = Snapshot.of(loaded(tmp_path, BASE.replace("smtp.example.com", "mx.example.com")))
    assert not renewed.same_account("smart", moved)
    gone = Snapshot.of(loaded(tmp_path, BASE.replace("accounts.bin", "accounts.basket")))
    assert not renewed.same_account("bin", gone)
    assert not renewed.same_account("basket", gone)


def test_what_cannot_change_is_named_as_administrators_know_it(
    tmp_path: Path, authority: Callable[[str], None]
) -> None:
    authority("one")
    before = loaded(tmp_path)
    assert need_restart(before, before) == []
    text = BASE.replace('"state"', '"elsewhere"') + '\n[web]\nbind = ["127.0.0.1:8026"]\n[http]\ntimeout = "9s"\n'
    assert need_restart(before, loaded(tmp_path, text)) == ["state_folder", "queue.database", "[http]", "[web]"]
    assert need_restart(before, loaded(tmp_path, BASE + '\n[queue]\nmax_age = "1d"\n')) == []


def test_files_folders_and_certificates_are_watched(tmp_path: Path, authority: Callable[[str], None]) -> None:
    authority("one")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.toml").write_text('[accounts.extra]\nprovider = "fail"\n', encoding="utf-8")
    found = watched(loaded(tmp_path))
    assert set(found) == {tmp_path / name for name in ("relay.toml", "more", "more/a.toml", "ca.pem")}
