"""What the tests of the configuration share: real files in a folder of the test's own, and no other environment."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from relay.config import ConfigError, Problem, Settings, load

Configure = Callable[..., Settings]
Problems = Callable[..., list[Problem]]

MICROSOFT = """
[accounts.office]
provider = "microsoft"
tenant = "contoso.onmicrosoft.com"
mailbox = "noreply@contoso.com"
[accounts.office.oauth]
client_id = "11111111-2222-3333-4444-555555555555"
client_secret = "the~Value"
"""
SMARTHOST = """
[accounts.hub]
provider = "smtp"
host = "smtp.example.com"
mailbox = "hub@example.com"
"""


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """Load `text` as relay.toml, with exactly the environment that is given."""

    def run(text: str = "", environ: Mapping[str, str] | None = None) -> Settings:
        file = tmp_path / "relay.toml"
        file.write_text(text, encoding="utf-8")
        file.chmod(0o600)
        return load(file, {"HOME": str(tmp_path), **(environ or {})})

    return run


@pytest.fixture
def problems(configure: Configure) -> Problems:
    """The problems of `text`, of which there must be some."""

    def run(text: str = "", environ: Mapping[str, str] | None = None) -> list[Problem]:
        with pytest.raises(ConfigError) as caught:
            configure(text, environ)
        assert str(caught.value) == "\n".join(map(str, caught.value.problems))
        return caught.value.problems

    return run


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate and its key, as files."""
    issued = trustme.CA().issue_cert("relay.example.com")
    files = (tmp_path / "certificate.pem", tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(files[0])
    issued.private_key_pem.write_to_path(files[1])
    files[1].chmod(0o600)
    return files


def encrypt_key(key: Path, password: bytes) -> None:
    """Store the key of `key` under a password."""
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(
        loaded.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password),
        )
    )


@contextlib.contextmanager
def without_rights(path: Path) -> Iterator[None]:
    """Nobody may read `path`. Root may read everything, so root becomes somebody else meanwhile."""
    path.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        path.chmod(0o600)


def told(found: list[Problem], key: str, *parts: str) -> str:
    """The one problem about `key` as a person reads it; its text holds every one of `parts`."""
    about = [problem for problem in found if problem.key == key]
    assert len(about) == 1, found
    missing = [part for part in parts if part not in about[0].text]
    assert not missing, about[0].text
    return str(about[0])
