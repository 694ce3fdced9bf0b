"""What the listener leans on in aiosmtpd: each private name is held here, so that an upgrade cannot break it unseen."""

import inspect
from importlib.metadata import version

import aiosmtpd.smtp
import pytest
from aiosmtpd.smtp import SMTP

from relay.listener.base import Commands, with_status
from relay.listener.submission import Submission


@pytest.mark.parametrize(
    "name",
    [
        "_handle_client",
        "_reset_timeout",
        "_timeout_cb",
        "_create_envelope",
        "_create_session",
        "connection_made",
        "push",
    ],
)
def test_methods_that_we_call_or_replace_exist(name: str) -> None:
    assert callable(getattr(SMTP, name))


@pytest.mark.parametrize(
    ("attribute", "place"),
    [
        ("self._reader", "_cb_client_connected"),
        ("self._writer", "_cb_client_connected"),
        ("self._original_transport", "smtp_STARTTLS"),
        ("self._smtp_methods.get(command)", "_handle_client"),
        ("dir(self)", "__init__"),
        ("self.command_size_limits", "_handle_client"),
        ("self.line_length_limit", "__init__"),
        ("self.handle_exception(error)", "_handle_client"),
        ("self._reader._buffer.clear()", "connection_made"),
    ],
)
def test_names_that_we_rely_on_are_used_where_we_think(attribute: str, place: str) -> None:
    assert attribute in inspect.getsource(getattr(SMTP, place))


def test_the_version_that_this_was_read_in() -> None:
    assert version("aiosmtpd") == "1.4.6", "read the new smtp.py before you change this line"
    assert aiosmtpd.smtp.__version__


def test_the_constructor_finds_nothing_to_look_through_and_commands_are_found_all_the_same() -> None:
    session = object.__new__(Submission)
    assert dir(session) == []
    commands = Commands(session)
    assert commands.get("DATA") == session.smtp_DATA
    assert commands.get("POST") is not None
    assert commands.get("__class__") is None
    assert commands.get("") is None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (b"250 OK", b"250 2.0.0 OK"),
        (b"500 Error: bad syntax", b"500 5.5.2 bad syntax"),
        (b"503 5.5.1 Already", b"503 5.5.1 Already"),
        (b"220 host ESMTP", b"220 host ESMTP"),
        (b"250-host\r\n250 SIZE 1", b"250-host\r\n250 SIZE 1"),
        (b"354 go", b"354 go"),
        (b"334 VXNlcm5hbWU6", b"334 VXNlcm5hbWU6"),
    ],
)
def test_replies_of_aiosmtpd_get_an_enhanced_code(given: bytes, told: bytes) -> None:
    assert with_status(given) == told
