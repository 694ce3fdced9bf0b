"""Listeners: where they are, their TLS, and that none of them is an open relay."""

from pathlib import Path

import pytest
import trustme

from relay.config import tls
from relay.config.findings import Findings
from tests.config.conftest import MICROSOFT, SMARTHOST, Configure, Problems, encrypt_key, told, without_rights

SINK = '[accounts.sink]\nprovider = "sink"\n'
OPEN = '[listeners.lan]\nbind = ["0.0.0.0:2525"]\n'
LOCAL = '[listeners.lan]\nbind = ["127.0.0.1:2525"]\n'
LOGIN = '[clients.a]\npassword = "x"\n'
LAN = '[clients.a]\nnetworks = ["192.168.0.0/16"]\n'
EVERYONE = '[clients.a]\nnetworks = ["0.0.0.0/0", "::/0"]\n'
TLS = 'tls = "starttls"\ncertificate = "certificate.pem"\nkey = "key.pem"\n'


def test_defaults(configure: Configure) -> None:
    listener = configure("").listeners["default"]
    assert (listener.tls, listener.certificate, listener.min_tls, listener.require_tls) == ("off", None, "1.2", False)
    assert (listener.max_message_size, listener.max_recipients) == (35 * 1024 * 1024, 1000)
    assert (listener.max_connections, listener.max_connections_per_client, listener.timeout) == (500, 100, 600)


def test_any_listener_replaces_the_built_in_one(configure: Configure) -> None:
    settings = configure(LOCAL)
    assert list(settings.listeners) == ["lan"]
    assert settings.clients["local"].listeners == ("lan",)


@pytest.mark.parametrize(
    ("text", "required"),
    [
        (MICROSOFT, False),
        (MICROSOFT + LOCAL + LOGIN, False),
        (MICROSOFT + LOCAL + TLS + LOGIN, False),
        (MICROSOFT + LOCAL + TLS + LOGIN.replace("[c", "require_tls = true\n[c", 1), True),
        (MICROSOFT + OPEN + TLS + LOGIN, True),
        (MICROSOFT + OPEN + TLS + "require_tls = false\n" + LOGIN, False),
        (MICROSOFT + OPEN + "require_tls = false\n" + LOGIN, False),
        (MICROSOFT + OPEN + LAN, False),
        (SINK + OPEN + LOGIN, False),
        (SINK + OPEN, False),
        (SINK + OPEN + EVERYONE, False),
        (MICROSOFT + LOCAL + EVERYONE, False),
        (MICROSOFT + SINK + OPEN + EVERYONE + 'account = "sink"\n', False),
    ],
)
@pytest.mark.usefixtures("certificate")
def test_when_logins_need_tls(configure: Configure, text: str, required: bool) -> None:
    (listener,) = configure(text).listeners.values()
    assert listener.require_tls is required


def test_a_sink_for_everyone(configure: Configure) -> None:
    """The container: bound to every interface, callers come from the engine's network, nothing can leave."""
    settings = configure(OPEN)
    assert list(map(str, settings.clients["local"].networks)) == ["0.0.0.0/0", "::/0"]
    assert settings.clients["local"].any_login


@pytest.mark.parametrize(
    "bind", ["0.0.0.0:25", "[::]:25", "192.168.1.5:25", "[2001:db8::1]:25", '127.0.0.1:1", "10.0.0.1:1']
)
@pytest.mark.parametrize(
    ("clients", "key", "parts"),
    [
        (
            "",
            "listeners.lan.bind",
            ("client local", "whoever logs in", "write [clients.NAME] with a password or networks"),
        ),
        (EVERYONE, "clients.a.networks", ("an open relay", "give it a password", "192.168.0.0/16")),
        (EVERYONE.replace('"0.0.0.0/0", ', ""), "clients.a.networks", ("an open relay",)),
        (EVERYONE.replace('"0.0.0.0/0"', '"0.0.0.0/1", "128.0.0.0/1"'), "clients.a.networks", ("an open relay",)),
        (EVERYONE.replace('"0.0.0.0/0"', '"::ffff:0:0/96"'), "clients.a.networks", ("an open relay",)),
    ],
)
@pytest.mark.parametrize("account", [MICROSOFT, SMARTHOST])
def test_never_an_open_relay(
    problems: Problems, account: str, bind: str, clients: str, key: str, parts: tuple[str, ...]
) -> None:
    text = account + f'[listeners.lan]\nbind = ["{bind}"]\n' + clients
    assert told(problems(text), key, "listener lan can be reached from other machines", *parts)


def test_one_open_door_is_enough(problems: Problems) -> None:
    text = MICROSOFT + LOCAL + OPEN.replace("lan", "wan").replace("2525", "25") + EVERYONE + 'listeners = ["wan"]\n'
    assert told(problems(text), "clients.a.networks", "listener wan")


def test_a_door_that_is_not_for_them(configure: Configure) -> None:
    text = SINK + MICROSOFT + LOCAL + OPEN.replace("lan", "wan").replace("2525", "25")
    text += EVERYONE + 'listeners = ["lan"]\naccount = "office"\n[clients.b]\npassword = "x"\naccount = "sink"\n'
    assert set(configure(text).listeners) == {"lan", "wan"}


@pytest.mark.parametrize(
    ("text", "key", "parts"),
    [
        ("[listeners.a]", "listeners.a.bind", ("is missing", 'bind = ["127.0.0.1:2525"]')),
        ("[listeners.a]\nbind = []", "listeners.a.bind", ("is an empty list",)),
        ('[listeners.a]\nbind = "127.0.0.1:25"', "listeners.a.bind", ('write ["127.0.0.1:25"]',)),
        ('[listeners.a]\nbind = [":25"]', "listeners.a.bind", ("does not say which address",)),
        ('[listeners.a]\nbind = ["localhost:25", "127.0.0.1:25"]', "listeners.a.bind", ("holds 127.0.0.1:25 twice",)),
        (LOCAL + '[web]\nbind = ["127.0.0.1:2525"]', "web.bind", ("also bound by listeners.lan", "another port")),
        (LOCAL + LOCAL.replace("lan", "b"), "listeners.b.bind", ("also bound by listeners.lan",)),
        (LOCAL + 'tls = "ssl"', "listeners.lan.tls", ('write "off" or "starttls" or "implicit" or "auto"',)),
        (
            LOCAL + 'tls = "starttls"',
            "listeners.lan.certificate",
            ("is missing", 'tls = "starttls" needs the PEM file'),
        ),
        (LOCAL + 'tls = "implicit"', "listeners.lan.key", ("is missing", "the private key")),
        (LOCAL + "require_tls = true", "listeners.lan.require_tls", ('but tls = "off"', "add certificate and key")),
        (LOCAL + 'require_tls = "yes"', "listeners.lan.require_tls", ("true or false, without quotes",)),
        (MICROSOFT + OPEN + LOGIN, "listeners.lan.tls", ("cross the network readable", "require_tls = false")),
        (LOCAL + "min_tls = 1.2", "listeners.lan.min_tls", ("must be text",)),
        (LOCAL + 'min_tls = "1.1"', "listeners.lan.min_tls", ("is too old to be safe", 'write "1.2"')),
        (LOCAL + "max_message_size = 36700160", "listeners.lan.max_message_size", ('write "35MiB"',)),
        (LOCAL + "max_recipients = 0", "listeners.lan.max_recipients", ("0 is out of range",)),
        (LOCAL + "timeout = 600", "listeners.lan.timeout", ('write "600s"',)),
        (LOCAL + 'timeout = "0s"', "listeners.lan.timeout", ("no time at all",)),
    ],
)
def test_what_is_wrong_is_told(problems: Problems, text: str, key: str, parts: tuple[str, ...]) -> None:
    assert told(problems(text), key, *parts)


def test_port_zero_is_any_free_port(configure: Configure) -> None:
    text = '[listeners.a]\nbind = ["127.0.0.1:0"]\n[listeners.b]\nbind = ["127.0.0.1:0"]\n[web]\nbind = ["127.0.0.1:0"]'
    assert [bind.port for listener in configure(text).listeners.values() for bind in listener.bind] == [0, 0]


def test_no_page(configure: Configure) -> None:
    assert configure("[web]\nbind = []").web.bind == ()


@pytest.mark.parametrize("kind", ["starttls", "implicit"])
def test_a_certificate(configure: Configure, certificate: tuple[Path, Path], kind: str) -> None:
    listener = configure(LOCAL + TLS.replace("starttls", kind)).listeners["lan"]
    assert (listener.tls, listener.certificate, listener.key) == (kind, *certificate)


def test_an_encrypted_key(configure: Configure, problems: Problems, certificate: tuple[Path, Path]) -> None:
    encrypt_key(certificate[1], b"p\xc3\xa4ss")
    assert configure(LOCAL + TLS + 'key_password = "päss"').listeners["lan"].key_password is not None
    assert told(problems(LOCAL + TLS), "listeners.lan.key", "is encrypted: add key_password_file")
    wrong = told(problems(LOCAL + TLS + 'key_password = "hunter2"'), "listeners.lan.key_password", "does not open")
    assert "hunter2" not in wrong
    missing = problems(LOCAL + TLS + 'key_password_file = "nowhere"')
    assert [problem.key for problem in missing] == ["listeners.lan.key_password_file"]


def test_certificate_and_key_in_one_file(configure: Configure, tmp_path: Path) -> None:
    issued = trustme.CA().issue_cert("relay.example.com")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    text = LOCAL + 'tls = "starttls"\ncertificate = "both.pem"\nkey = "both.pem"\n'
    assert configure(text).listeners["lan"].key == tmp_path / "both.pem"


def broken(content: bytes) -> bytes:
    """Base64 of the right form that is nothing."""
    lines = content.splitlines(keepends=True)
    return b"".join([lines[0], b"A" * 64 + b"\n", lines[-1]])


@pytest.mark.parametrize(
    ("file", "damage", "key", "hint"),
    [
        ("certificate.pem", None, "listeners.lan.certificate", "does not exist: correct the path"),
        ("key.pem", None, "listeners.lan.key", "does not exist: correct the path"),
        ("certificate.pem", lambda _: b"", "listeners.lan.certificate", "holds no certificate in PEM form"),
        ("certificate.pem", lambda _: b"\x30\x82\xff", "listeners.lan.certificate", "holds no certificate in PEM form"),
        ("certificate.pem", broken, "listeners.lan.certificate", "holds no certificate in PEM form"),
        ("key.pem", lambda _: b"not PEM", "listeners.lan.key", "holds no private key in PEM form"),
        ("key.pem", broken, "listeners.lan.key", "cannot be used"),
    ],
)
def test_damaged_files(
    problems: Problems, certificate: tuple[Path, Path], file: str, damage: object, key: str, hint: str
) -> None:
    path = certificate[0].with_name(file)
    if callable(damage):
        path.write_bytes(damage(path.read_bytes()))
    else:
        path.unlink()
    assert told(problems(LOCAL + TLS), key, str(path), hint)


def test_a_folder_as_certificate(problems: Problems, certificate: tuple[Path, Path]) -> None:
    certificate[0].unlink()
    certificate[0].mkdir()
    assert told(problems(LOCAL + TLS), "listeners.lan.certificate", "is a folder: name the PEM file in it")


def test_a_key_of_another_certificate(problems: Problems, certificate: tuple[Path, Path]) -> None:
    trustme.CA().issue_cert("other.example.com").private_key_pem.write_to_path(certificate[1])
    assert told(problems(LOCAL + TLS), "listeners.lan.key", "is not the key of the certificate", "name its own")


def test_a_key_without_rights(certificate: tuple[Path, Path]) -> None:
    findings = Findings()
    with without_rights(certificate[1]):
        tls.check_pair(*certificate, None, ("listeners", "lan"), findings)
    assert any("key" in one.key and "may not be read by this user" in one.text for one in findings.problems)


def test_a_key_that_everyone_may_read(configure: Configure, certificate: tuple[Path, Path]) -> None:
    certificate[1].chmod(0o644)
    (warning,) = configure(LOCAL + TLS).warnings
    assert f"listeners.lan.key: {certificate[1]} may be read by every user of this machine" in warning


def test_an_unused_certificate_is_warned_of(configure: Configure, certificate: tuple[Path, Path]) -> None:
    (warning,) = configure(LOCAL + TLS.replace('tls = "starttls"\n', "")).warnings
    assert 'listeners.lan.certificate: is not used while tls = "off": write tls = "starttls"' in warning


def test_a_listener_for_nobody_is_warned_of(configure: Configure) -> None:
    text = SINK + LOCAL + '[listeners.b]\nbind = ["127.0.0.1:1"]\n' + LOGIN + 'listeners = ["lan"]'
    (warning,) = configure(text).warnings
    assert "listeners.b: no client may use it" in warning


def test_a_page_for_everyone_is_warned_of(configure: Configure) -> None:
    page = '[web]\nbind = ["0.0.0.0:8025"]\n'
    assert configure(page).warnings == ()
    (warning,) = configure(MICROSOFT + page).warnings
    assert "web.bind: everyone who can reach it may try to log in there" in warning
