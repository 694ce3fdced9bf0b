"""What counts as a change of a running relay's configuration."""

import base64
import os
from collections.abc import Callable
from pathlib import Path

import trustme

from relay import config
from relay.config import Settings
from relay.service.changes import Snapshot, fingerprint, in_force, need_restart, shut_out, watched

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
    assert before.same("accounts", "smart", Snapshot.of(loaded(tmp_path)))
    (tmp_path / "password").write_text("second", encoding="utf-8")
    assert not before.same("accounts", "smart", Snapshot.of(config.load(tmp_path / "relay.toml", {})))
    authority("two")
    renewed = Snapshot.of(loaded(tmp_path))
    assert not before.same("accounts", "smart", renewed)
    assert before.same("accounts", "bin", renewed)
    moved = Snapshot.of(loaded(tmp_path, BASE.replace("smtp.example.com", "mx.example.com")))
    assert not renewed.same("accounts", "smart", moved)
    gone = Snapshot.of(loaded(tmp_path, BASE.replace("accounts.bin", "accounts.basket")))
    assert not renewed.same("accounts", "bin", gone)
    assert not renewed.same("accounts", "basket", gone)


def test_tokens_stay_where_only_the_pace_is_another(tmp_path: Path, authority: Callable[[str], None]) -> None:
    authority("one")
    before = Snapshot.of(loaded(tmp_path))
    slower = BASE.replace('password_file = "password"', 'password_file = "password"\nrate = ["5 messages/1m"]')
    after = Snapshot.of(loaded(tmp_path, slower))
    assert before.same_tokens("smart", after)
    assert not before.same("accounts", "smart", after)
    assert not before.same_tokens("nobody", after)


def test_what_has_changed_is_told_by_its_name(tmp_path: Path, authority: Callable[[str], None]) -> None:
    authority("one")
    before = Snapshot.of(loaded(tmp_path))
    assert before.changes(Snapshot.of(loaded(tmp_path))) == []
    text = BASE.replace("accounts.bin", "accounts.basket").replace('password = "x"', 'password = "y"')
    text += '[queue]\nmax_age = "1d"\n[listeners.inside]\nbind = ["127.0.0.1:2526"]\n'
    assert before.changes(Snapshot.of(loaded(tmp_path, 'hostname = "other.example.com"\n' + text))) == [
        "listeners.inside is new",
        "listeners.default is removed",
        "clients.app has changed",
        "accounts.basket is new",
        "accounts.bin is removed",
        "queue.max_age has changed",
        "hostname has changed",
    ]


def test_who_has_to_show_himself_anew(tmp_path: Path, authority: Callable[[str], None]) -> None:
    authority("one")
    before = loaded(tmp_path)
    assert shut_out(before, loaded(tmp_path, BASE.replace('senders = ["*"]', 'senders = ["a@x.org"]'))) == frozenset()
    assert shut_out(before, loaded(tmp_path, BASE.replace('password = "x"', 'password = "y"'))) == {"app"}
    assert shut_out(before, loaded(tmp_path, BASE.replace("clients.app", "clients.web"))) == {"app"}


def test_what_cannot_change_is_named_and_stays(tmp_path: Path, authority: Callable[[str], None]) -> None:
    authority("one")
    before = loaded(tmp_path)
    assert need_restart(before, before) == []
    text = BASE.replace('"state"', '"elsewhere"') + '\n[web]\nbind = ["127.0.0.1:8026"]\n[http]\ntimeout = "9s"\n'
    after = loaded(tmp_path, text)
    assert need_restart(before, after) == ["state_folder", "http.timeout", "web.bind"]
    used = in_force(before, after)
    assert need_restart(before, used) == []
    assert (used.state_folder, used.http, used.web.bind) == (before.state_folder, before.http, before.web.bind)
    assert need_restart(before, loaded(tmp_path, BASE + '\n[queue]\nmax_age = "1d"\n')) == []
    database = loaded(tmp_path, BASE + f'\n[queue]\ndatabase = "sqlite:///{tmp_path}/other.db"\n')
    assert need_restart(before, database) == ["queue.database"]
    memory = loaded(tmp_path, BASE + '\n[queue]\nmax_bytes_in_memory = "64MiB"\n')
    assert need_restart(before, memory) == ["queue.max_bytes_in_memory"]
    assert in_force(before, database).database_file == before.database_file


def test_a_certificate_that_the_relay_makes_stays_in_its_folder(tmp_path: Path) -> None:
    text = '[listeners.default]\nbind = ["127.0.0.1:0"]\ntls = "starttls"\ncertificate = "self-signed"\n'
    before = loaded(tmp_path, f'state_folder = "one"\n{text}')
    after = in_force(before, loaded(tmp_path, f'state_folder = "two"\n{text}'))
    assert after.listeners["default"] == before.listeners["default"]


def test_files_folders_and_secrets_are_watched(tmp_path: Path, authority: Callable[[str], None]) -> None:
    authority("one")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.toml").write_text('[accounts.extra]\nprovider = "fail"\n', encoding="utf-8")
    found = watched(loaded(tmp_path))
    assert found == {tmp_path / name for name in ("relay.toml", "more", "more/a.toml", "ca.pem", "password")}


def test_the_page_s_certificate_is_watched(tmp_path: Path, authority: Callable[[str], None]) -> None:
    authority("one")
    server = trustme.CA().issue_cert("localhost")
    server.private_key_pem.write_to_path(tmp_path / "page.key")
    server.cert_chain_pems[0].write_to_path(tmp_path / "page.pem")
    settings = loaded(tmp_path, f'{BASE}[web]\ncertificate = "page.pem"\nkey = "page.key"\n')
    assert watched(settings) >= {tmp_path / "page.pem", tmp_path / "page.key"}


def test_what_is_read_at_the_start_needs_a_restart_and_a_proxys_password_none(
    tmp_path: Path, authority: Callable[[str], None]
) -> None:
    authority("one")
    (tmp_path / "proxy").write_text("http://u:one@proxy.example:8080", encoding="utf-8")
    (tmp_path / "store").write_bytes(base64.b64encode(b"k" * 32))
    text = BASE + '[http]\nca_file = "ca.pem"\nproxy_file = "proxy"\n[store]\nkey_file = "store"\n'
    before = Snapshot.of(loaded(tmp_path, text))
    (tmp_path / "proxy").write_text("http://u:two@proxy.example:8080", encoding="utf-8")
    assert before.needs_restart(Snapshot.of(loaded(tmp_path, text))) == []
    authority("two")
    (tmp_path / "store").write_bytes(base64.b64encode(b"l" * 32))
    after = Snapshot.of(loaded(tmp_path, text))
    both = ["http.ca_file (its content)", "store.key (its content)"]
    assert before.needs_restart(after) == both
    # It was told, and is told again: the relay still goes by what it has read.
    assert before.in_force(after).needs_restart(after) == both
    slower = Snapshot.of(loaded(tmp_path, text.replace("[http]", '[http]\ntimeout = "9s"')))
    assert before.needs_restart(slower) == ["http.timeout", *both]
