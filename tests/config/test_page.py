"""`[web]`: its certificate is held to what a listener's is."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from tests.config.conftest import MICROSOFT, Configure, Problems, encrypt_key

HTTPS = '[web]\ncertificate = "certificate.pem"\nkey = "key.pem"\n'


@pytest.mark.parametrize(("kept", "missing"), [("certificate", "key"), ("key", "certificate")])
def test_one_without_the_other(problems: Problems, certificate: tuple[Path, Path], kept: str, missing: str) -> None:
    file = certificate[0 if kept == "certificate" else 1]
    (problem,) = problems(f'[web]\n{kept} = "{file}"\n')
    assert problem.key == f"web.{missing}"
    assert f"is missing: https needs it beside {kept}, the PEM file" in problem.text


def other_key(key: Path) -> None:
    trustme.CA().issue_cert("other.example.com").private_key_pem.write_to_path(key)


@pytest.mark.parametrize(
    ("damage", "hint"),
    [
        (Path.unlink, "does not exist: correct the path"),
        (other_key, "is not the key of the certificate"),
        (lambda key: encrypt_key(key, b"secret"), "is encrypted: store it without password"),
    ],
    ids=["gone", "of another", "encrypted"],
)
def test_a_key_that_cannot_be_used(
    problems: Problems, certificate: tuple[Path, Path], damage: Callable[[Path], None], hint: str
) -> None:
    damage(certificate[1])
    (problem,) = problems(HTTPS)
    assert (problem.key, hint in problem.text) == ("web.key", True)


def test_a_good_pair(configure: Configure, certificate: tuple[Path, Path]) -> None:
    settings = configure(HTTPS)
    assert (settings.web.certificate, settings.web.key) == certificate
    assert settings.warnings == ()


@pytest.mark.parametrize(("more", "readable"), [("", True), (HTTPS.removeprefix("[web]\n"), False)])
def test_a_page_for_the_network_is_better_by_https(
    configure: Configure, certificate: tuple[Path, Path], more: str, *, readable: bool
) -> None:
    assert certificate[0].is_file()
    (warning,) = configure(f'{MICROSOFT}[web]\nbind = ["0.0.0.0:8025"]\n{more}').warnings
    assert ("crosses the network readable" in warning) is readable
