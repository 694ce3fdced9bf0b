"""How a client is recognised beyond passwords and networks: files of users, certificates; what a listener needs."""

from pathlib import Path

import pytest

from relay.config import describe
from tests.config.conftest import Configure, Problems, told

SINK = '[accounts.sink]\nprovider = "sink"\n'
HASH = "$2b$04$" + "x" * 53


def htpasswd(folder: Path, text: str) -> str:
    file = folder / "htpasswd"
    file.write_text(text)
    file.chmod(0o600)
    return f'{SINK}[clients.a]\nhtpasswd_file = "htpasswd"\n'


def test_a_file_of_users(configure: Configure, tmp_path: Path) -> None:
    settings = configure(htpasswd(tmp_path, f"one:{HASH}\ntwo:{HASH}\n"))
    assert settings.clients["a"].htpasswd_file == tmp_path / "htpasswd"
    assert settings.clients["a"].has_login
    assert any("by the logins in" in line for line in describe(settings))


def test_a_user_who_cannot_log_in_is_named(configure: Configure, tmp_path: Path) -> None:
    (warning,) = configure(htpasswd(tmp_path, f"one:{HASH}\ntwo:$apr1$abc$def\n")).warnings
    assert "line 2: the password of two is an MD5 hash of Apache (apr1)" in warning
    assert "htpasswd -B" in warning


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("one:{SHA}abc\n", "SHA-1"),
        ("one:$6$abc$def\n", "SHA-512 hash of crypt"),
        ("one:secret\n", "no Argon2 hash"),
        ("one\n", "no colon"),
        (f"one:{HASH.replace('$04$', '$31$')}\n", "cost 31"),
        ("# nobody\n", "does not hold a user"),
    ],
)
def test_a_file_that_nobody_can_log_in_with(problems: Problems, tmp_path: Path, text: str, said: str) -> None:
    assert told(problems(htpasswd(tmp_path, text)), "clients.a.htpasswd_file", said, "htpasswd -B")


def test_a_file_that_is_not_there(problems: Problems) -> None:
    assert told(problems(f'{SINK}[clients.a]\nhtpasswd_file = "none"\n'), "clients.a.htpasswd_file", "does not exist")


def test_the_one_login_is_not_in_the_file(problems: Problems, tmp_path: Path) -> None:
    text = htpasswd(tmp_path, f"one:{HASH}\n") + 'login = "two"\n'
    assert told(problems(text), "clients.a.htpasswd_file", 'does not hold the login "two"')


def test_a_bcrypt_hash(configure: Configure, problems: Problems) -> None:
    assert configure(f"{SINK}[clients.a]\npassword_hash = '{HASH}'").clients["a"].has_login
    assert told(
        problems(f"{SINK}[clients.a]\npassword_hash = '$1$a$b'"), "clients.a.password_hash", "MD5", "hash-password"
    )


@pytest.mark.parametrize(
    ("keys", "key", "parts"),
    [
        ('password = "x"\nhtpasswd_file = "f"', "password", ["htpasswd_file are both given"]),
        ('password = "x"\ncertificate_subject = "s"', "password", ["certificate_subject are both given"]),
        ('certificate_subject = "s"\nlogin = "l"', "login", ["has no password with it"]),
        ('certificate_subject = "s"', "certificate_subject", ["client_ca"]),
    ],
)
def test_one_kind_of_proof(problems: Problems, keys: str, key: str, parts: list[str]) -> None:
    assert any(
        problem.key == f"clients.a.{key}" and all(part in problem.text for part in parts)
        for problem in problems(f"{SINK}[clients.a]\n{keys}\n")
    )


def listener(keys: str) -> str:
    return f'[listeners.a]\nbind = ["127.0.0.1:2525"]\n{keys}\n'


def test_old_tls_only_where_it_is_said_to_be_old(
    configure: Configure, problems: Problems, certificate: tuple[Path, Path]
) -> None:
    tls = f'tls = "auto"\ncertificate = "{certificate[0]}"\nkey = "{certificate[1]}"\nmin_tls = "1.0"\n'
    assert told(problems(listener(tls)), "listeners.a.min_tls", 'profile = "legacy"')
    made = configure(listener(tls + 'profile = "legacy"')).listeners["a"]
    assert (made.min_tls, made.profile, made.tls) == ("1.0", "legacy", "auto")


def test_a_certificate_made_here(configure: Configure, problems: Problems, tmp_path: Path) -> None:
    keys = 'tls = "starttls"\ncertificate = "self-signed"\n'
    state = f'state_folder = "{tmp_path}/state"\n'
    made = configure(state + listener(keys)).listeners["a"]
    assert (made.certificate, made.key) == (tmp_path / "state/self-signed.pem", tmp_path / "state/self-signed.key")
    assert made.self_signed
    assert told(problems(listener(keys + 'key = "k"')), "listeners.a.key", "has no meaning")


def test_client_certificates_need_tls(problems: Problems, certificate: tuple[Path, Path]) -> None:
    assert told(problems(listener(f'client_ca = "{certificate[0]}"')), "listeners.a.client_ca", "needs TLS")


def test_whoever_is_behind_a_load_balancer_is_not_on_this_machine(problems: Problems) -> None:
    account = '[accounts.hub]\nprovider = "smtp"\nhost = "mail.example"\nmailbox = "hub@example.com"\n'
    found = problems(account + listener('proxy_protocol = ["127.0.0.1"]') + '[clients.a]\npassword = "x"\n')
    assert told(found, "listeners.a.tls", "logins would cross the network readable")


def test_a_conversation_of_nobody(problems: Problems, configure: Configure) -> None:
    clients = f'{SINK}[clients.printer]\npassword = "x"\n[log]\nconversations = '
    assert configure(f'{clients}["printer"]').log.conversations == ("printer",)
    assert configure(f'{clients}"printer"').log.conversations == ("printer",)
    assert told(problems(f'{clients}["printr"]'), "log.conversations", 'no client and no account "printr"', "printer")
    (warning,) = configure(f'{clients}["printer", "sink"]').warnings
    assert 'the account "sink" sends nothing, so nothing is said there' in warning
