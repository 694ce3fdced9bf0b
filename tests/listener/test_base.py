"""What the listener leans on in aiosmtpd: each private name is held here, so that an upgrade cannot break it unseen."""

import inspect
from importlib.metadata import version

import aiosmtpd.smtp
import pytest
from aiosmtpd.smtp import SMTP

from relay.listener.submission import SubmissionSession


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
        ("TLSSetupException()", "smtp_STARTTLS"),
        ("dir(self)", "__init__"),
        ("self._timeout_handle", "connection_lost"),
        ("self._timeout_duration", "__init__"),
        ("self.line_length_limit", "__init__"),
        ("self._handle_client()", "connection_made"),
        ("self._reader._buffer.clear()", "connection_made"),
    ],
)
def test_names_that_we_rely_on_are_used_where_we_think(attribute: str, place: str) -> None:
    assert attribute in inspect.getsource(getattr(SMTP, place))


def test_the_version_that_this_was_read_in() -> None:
    assert version("aiosmtpd") == "1.4.6", "read the new smtp.py before you change this line"
    assert aiosmtpd.smtp.__version__


def test_the_constructor_finds_nothing_to_look_through() -> None:
    assert dir(object.__new__(SubmissionSession)) == []
