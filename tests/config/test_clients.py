"""Clients: recognised by login or address, resolved, and never to be mistaken for each other."""

import pytest

from tests.config.conftest import MICROSOFT, SMARTHOST, Configure, Problems, told
from tests.support.door import QUICK_HASH

SINK = '[accounts.sink]\nprovider = "sink"\n'
TWO = SMARTHOST + SINK


def test_a_login_client(configure: Configure) -> None:
    client = configure(MICROSOFT + '[clients.printer]\npassword = "x"').clients["printer"]
    assert (client.login, client.has_login, client.any_login) == ("printer", True, False)
    assert (client.networks, client.listeners, client.account) == ((), ("default",), "office")
    assert (client.senders, client.recipients) == (("noreply@contoso.com",), ("*",))
    assert (client.sender, client.from_name, client.reply_to) == ("keep", None, None)
    assert (client.reply, client.reply_timeout, client.max_age, client.max_message_size) == ("queued", 25, None, None)


def test_a_login_of_another_name(configure: Configure) -> None:
    text = MICROSOFT + '[clients.printer]\nlogin = "Drucker 1"\npassword_file = "/dev/null"'
    client = configure(text.replace('password_file = "/dev/null"', 'password = "x"')).clients["printer"]
    assert client.login == "Drucker 1"


def test_a_hash_makes_a_login(configure: Configure) -> None:
    made = QUICK_HASH.hash("hunter2")
    client = configure(SINK + f"[clients.a]\npassword_hash = '{made}'").clients["a"]
    assert client.login == "a"
    assert client.password_hash is not None
    assert client.password_hash.read() == made


def test_a_client_known_by_its_address(configure: Configure) -> None:
    client = configure(SINK + '[clients.a]\nnetworks = ["192.0.2.0/24", "2001:db8::1"]').clients["a"]
    assert (client.login, client.has_login) == (None, False)
    assert list(map(str, client.networks)) == ["192.0.2.0/24", "2001:db8::1/128"]


def test_a_client_of_a_sink_sends_as_anyone_and_hears_the_end(configure: Configure) -> None:
    client = configure(SINK + '[clients.a]\npassword = "x"').clients["a"]
    assert (client.senders, client.reply) == (("*",), "delivered")


def test_what_is_written_is_kept(configure: Configure) -> None:
    text = (
        TWO
        + '[listeners.a]\nbind = ["127.0.0.1:1"]\n[listeners.b]\nbind = ["127.0.0.1:2"]\n'
        + '[clients.c]\npassword = "x"\naccount = "sink"\nlisteners = ["b"]\nsenders = ["*@example.com"]\n'
        + 'recipients = ["me@example.com"]\nsender = "keep"\nfrom_name = "Ünit 7"\nreply_to = ""\nreply = "queued"\n'
        + 'max_message_size = "1MiB"\nmax_age = "1h"\nreply_timeout = "5s"\n'
        + '[clients.d]\npassword = "x"\naccount = "hub"\n'
    )
    client = configure(text).clients["c"]
    assert (client.listeners, client.account, client.reply) == (("b",), "sink", "queued")
    assert (client.senders, client.recipients) == (("@example.com",), ("me@example.com",))
    assert (client.from_name, client.reply_to) == ("Ünit 7", "")
    assert (client.max_message_size, client.max_age, client.reply_timeout) == (1024 * 1024, 3600, 5)


def test_any_client_replaces_the_built_in_one(configure: Configure) -> None:
    assert list(configure(SINK + '[clients.a]\npassword = "x"').clients) == ["a"]


@pytest.mark.parametrize(
    ("text", "key", "parts"),
    [
        (SINK + "[clients.a]", "clients.a", ("how it is recognised", "password_hash or password", 'networks = ["')),
        (SINK + '[clients.a]\nlogin = "a"', "clients.a.login", ("no password with it",)),
        (
            SINK + '[clients.a]\npassword = "hunter2"\npassword_hash = "hunter2"',
            "clients.a.password",
            ("and password_hash are both given: keep one",),
        ),
        (SINK + '[clients.a]\npassword_hash = "hunter2"', "clients.a.password_hash", ("relay hash-password",)),
        (
            SINK + '[clients.a]\npassword_hash = "$2b$12$hunter2"',
            "clients.a.password_hash",
            ("is no Argon2 hash ($argon2id$...) and no bcrypt hash",),
        ),
        (SINK + '[clients.a]\npassword = ""', "clients.a.password", ("is empty",)),
        (SINK + "[clients.a]\npassword = 31337", "clients.a.password", ("must be text",)),
        (SINK + '[clients.a]\npassword_file = "nowhere"', "clients.a.password_file", ("does not exist",)),
        (SINK + '[clients.a]\nnetworks = []\npassword = "x"', "clients.a.networks", ("is an empty list",)),
        (SINK + '[clients.a]\nnetworks = ["10.0.0.1/8"]', "clients.a.networks", ('write "10.0.0.0/8"',)),
        (SINK + '[clients.a]\nnetworks = "10.0.0.0/8"', "clients.a.networks", ('write ["10.0.0.0/8"]',)),
        (
            SINK + '[clients.a]\nnetworks = ["10.0.0.0/8", "10.0.0.0/8"]',
            "clients.a.networks",
            ("the same entry twice",),
        ),
        (SINK + '[clients.a]\npassword = "x"\naccount = "snik"', "clients.a.account", ("did you mean sink?",)),
        (TWO + '[clients.a]\npassword = "x"', "clients.a.account", ("is missing", "hub, sink")),
        (TWO, "clients", ("several accounts (hub, sink)", "write [clients.NAME] with account")),
        (
            SINK + '[clients.a]\npassword = "x"\nlisteners = ["defualt"]',
            "clients.a.listeners",
            ('no listener "defualt"', "did you mean default?"),
        ),
        (SINK + '[clients.a]\npassword = "x"\nlisteners = []', "clients.a.listeners", ("is an empty list",)),
        (SINK + '[clients.a]\npassword = "x"\nsenders = []', "clients.a.senders", ("is an empty list",)),
        (
            SINK + '[clients.a]\npassword = "x"\nrecipients = ["example.com"]',
            "clients.a.recipients",
            ('"@example.com" for everyone there',),
        ),
        (SINK + '[clients.a]\npassword = "x"\nreply_to = "nobody"', "clients.a.reply_to", ("is no mail address",)),
        (SINK + '[clients.a]\npassword = "x"\nfrom_name = "a\\nb"', "clients.a.from_name", ("control character",)),
        (SINK + '[clients.a]\npassword = "x"\nreply = "later"', "clients.a.reply", ('write "queued" or "delivered"',)),
        (SINK + '[clients.a]\npassword = "x"\nsender = "force"', "clients.a.sender", ("add from_address or mailbox",)),
        (
            SINK + '[clients.a]\npassword = "x"\nsender = "if_not_allowed"',
            "clients.a.sender",
            ("add from_address or mailbox to [accounts.sink]",),
        ),
        (
            SMARTHOST.replace('mailbox = "hub@example.com"', "") + '[clients.a]\npassword = "x"',
            "clients.a.senders",
            ("is missing", "has no mailbox", "mailbox in [accounts.hub]"),
        ),
        (
            SMARTHOST.replace('mailbox = "hub@example.com"', ""),
            "clients.local.senders",
            ("is missing", "mailbox in [accounts.hub]"),
        ),
        (
            SINK + '[clients.a]\nlogin = "x"\npassword = "1"\n[clients.b]\nlogin = "x"\npassword = "2"',
            "clients.b.login",
            ('"x" is also the login of [clients.a]: rename one',),
        ),
        (
            SINK + '[clients.a]\npassword = "1"\n[clients.b]\nlogin = "a"\npassword = "2"',
            "clients.b.login",
            ("also the login of [clients.a]",),
        ),
        (
            SINK + '[clients.a]\nnetworks = ["10.0.0.0/8"]\n[clients.b]\nnetworks = ["10.0.0.0/8", "::1"]',
            "clients.b.networks",
            ("10.0.0.0/8 is also a network of [clients.a]", "narrower"),
        ),
    ],
)
def test_what_is_wrong_is_told(problems: Problems, text: str, key: str, parts: tuple[str, ...]) -> None:
    found = problems(text)
    assert told(found, key, *parts)
    shown = "\n".join(map(str, found))
    assert "hunter2" not in shown
    assert "31337" not in shown


@pytest.mark.parametrize(
    "text",
    [
        # One is recognised by its login, so the networks never compete.
        '[clients.a]\nnetworks = ["10.0.0.0/8"]\n[clients.b]\npassword = "x"\nnetworks = ["10.0.0.0/8"]',
        # The longest prefix wins.
        '[clients.a]\nnetworks = ["10.0.0.0/8"]\n[clients.b]\nnetworks = ["10.0.0.0/9"]',
        # They never meet.
        (
            '[listeners.x]\nbind = ["127.0.0.1:1"]\n[listeners.y]\nbind = ["127.0.0.1:2"]\n'
            '[clients.a]\nnetworks = ["10.0.0.0/8"]\nlisteners = ["x"]\n'
            '[clients.b]\nnetworks = ["10.0.0.0/8"]\nlisteners = ["y"]'
        ),
    ],
)
def test_clients_that_can_be_told_apart(configure: Configure, text: str) -> None:
    assert list(configure(SINK + text).clients) == ["a", "b"]


def test_force_writes_the_account_s_address(configure: Configure) -> None:
    text = SMARTHOST + 'from_address = "x@example.com"\n[clients.a]\npassword = "x"\nsender = "force"\nsenders = ["*"]'
    settings = configure(text)
    assert settings.accounts[settings.clients["a"].account].own_address == "x@example.com"


def test_an_account_that_nobody_uses(configure: Configure) -> None:
    (warning,) = configure(TWO + '[clients.a]\npassword = "x"\naccount = "hub"').warnings
    assert "accounts.sink: no client uses it" in warning


def test_what_staging_and_old_devices_need(configure: Configure) -> None:
    keys = 'password = "x"\ndefault_charset = "windows-1252"\nredirect_to = "test@example.com"'
    client = configure(SINK + f"[clients.a]\n{keys}").clients["a"]
    assert (client.default_charset, client.redirect_to) == ("windows-1252", "test@example.com")


@pytest.mark.parametrize("name", ["nonsense", "utf-16", "base64_codec", "rot13", "cp 1252", "ütf-8"])
def test_no_such_character_set(problems: Problems, name: str) -> None:
    found = problems(SINK + f'[clients.a]\npassword = "x"\ndefault_charset = "{name}"')
    assert told(found, "clients.a.default_charset", f'"{name}"', "windows-1252")
