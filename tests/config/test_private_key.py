"""Key files: every form that people have, and what is said about those that cannot be used."""

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa

from relay.config.private_key import KeyFiles, KeyReader
from relay.config.secret import Secret, SecretError
from tests.support.keys import Key, certificate, certificate_der, certificate_pem, pem, pfx, rsa_key

KEY = rsa_key()
CERTIFICATE = certificate(KEY)
OTHER = certificate(rsa_key(1), name="authority")


def reader(folder: Path, key: bytes, password: str | None = None, beside: bytes | None = None) -> KeyReader:
    files = KeyFiles(folder / "key", Secret(password) if password else None, folder / "crt" if beside else None)
    files.key.write_bytes(key)
    if files.certificate and beside:
        files.certificate.write_bytes(beside)
    return KeyReader(files)


@pytest.mark.parametrize(
    ("content", "password", "beside"),
    [
        (pem(KEY), None, certificate_pem(CERTIFICATE)),
        (pem(KEY), None, certificate_der(CERTIFICATE)),
        (pem(KEY), None, certificate_pem(OTHER) + certificate_pem(CERTIFICATE)),
        (pem(KEY) + certificate_pem(CERTIFICATE), None, None),
        (certificate_pem(OTHER) + certificate_pem(CERTIFICATE) + b"Bag Attributes\n" + pem(KEY), None, None),
        (pem(KEY).replace(b"\n", b"\r\n") + certificate_pem(CERTIFICATE), None, None),
        (pem(KEY, "pä ss") + certificate_pem(CERTIFICATE), "pä ss", None),
        (pfx(KEY, CERTIFICATE), None, None),
        (pfx(KEY, CERTIFICATE, "pass"), "pass", None),
        (pfx(KEY, None, "pass"), "pass", certificate_pem(CERTIFICATE)),
    ],
    ids=["pem", "der", "chain", "one file", "openssl pkcs12", "crlf", "encrypted", "pfx", "pfx password", "pfx + crt"],
)
def test_forms(tmp_path: Path, content: bytes, password: str | None, beside: bytes | None) -> None:
    found = reader(tmp_path, content, password, beside).read()
    assert isinstance(found.private, rsa.RSAPrivateKey)
    assert found.private.private_numbers() == KEY.private_numbers()
    assert found.thumbprint == CERTIFICATE.fingerprint(hashes.SHA256())
    assert str(KEY.private_numbers().d) not in repr(found)


@pytest.mark.parametrize("key", [KEY, ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()])
def test_kinds_of_key_and_no_certificate(tmp_path: Path, key: Key) -> None:
    found = reader(tmp_path, pem(key)).read()
    assert isinstance(found.private, type(key))
    assert (found.certificate, found.thumbprint, found.not_after) == (None, None, None)


DSA = dsa.generate_private_key(1024)  # noqa: S505 (quick to make; it signs nothing)


@pytest.mark.parametrize(
    ("content", "password", "beside", "part"),
    [
        (pem(KEY, "hunter2"), None, None, "key: is encrypted. Add key_password_file"),
        (pem(KEY, "hunter2"), "wrong", None, "key: does not open with key_password"),
        (pem(KEY), "hunter2", None, "key: is not encrypted. Remove key_password"),
        (pem(KEY)[:200] + b"\n-----END PRIVATE KEY-----\n", None, None, "damaged"),
        (certificate_pem(CERTIFICATE), None, None, "key: holds no private key"),
        (pem(KEY), None, certificate_pem(OTHER), "crt: the certificate is not that of the key in"),
        (pem(KEY) + certificate_pem(OTHER), None, None, "key: the certificate is not that of the key in"),
        (pem(KEY), None, b"hunter2", "crt: holds no certificate"),
        (pfx(KEY, CERTIFICATE, "hunter2"), None, None, "neither a PEM file nor a PKCS#12 file that opens. If it has"),
        (pfx(KEY, CERTIFICATE, "hunter2"), "wrong", None, "Correct key_password, or the file"),
        (pfx(None, CERTIFICATE), None, None, "holds no private key. Export the certificate again *with* its key"),
        (b"hunter2", None, None, "neither a PEM file"),
        (b"", None, None, "neither a PEM file"),
        (pem(rsa_key(2, 1024)), None, None, "1024 bits is too short. Make one of 2048"),
        (pem(DSA), None, None, "a kind of key that cannot sign"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_used(
    tmp_path: Path, content: bytes, password: str | None, beside: bytes | None, part: str
) -> None:
    with pytest.raises(SecretError) as caught:
        reader(tmp_path, content, password, beside).read()
    assert part in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "wrong" not in str(caught.value)


def test_a_certificate_of_an_unknown_kind_beside_the_right_one(tmp_path: Path) -> None:
    p256, unknown = bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d03017f")
    odd = certificate_der(certificate(ec.generate_private_key(ec.SECP256R1()))).replace(p256, unknown)
    right = certificate(rsa_key())
    odd_pem = ssl.DER_cert_to_PEM_cert(odd).encode()
    key = reader(tmp_path, pem(rsa_key()) + odd_pem + certificate_pem(right)).read()
    assert key.certificate == right
    with pytest.raises(SecretError, match="the certificate is not that of the key"):
        reader(tmp_path, pem(rsa_key()) + odd_pem).read()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="key: does not exist"):
        KeyReader(KeyFiles(tmp_path / "key")).read()


def test_it_is_taken_apart_once_for_each_content(tmp_path: Path) -> None:
    keys = reader(tmp_path, pem(KEY), None, certificate_pem(CERTIFICATE))
    first = keys.read()
    assert keys.read() is first
    (tmp_path / "crt").write_bytes(certificate_pem(certificate(KEY, name="renewed")))
    second = keys.read()
    assert second.thumbprint != first.thumbprint
    (tmp_path / "key").write_bytes(b"half a fi")
    with pytest.raises(SecretError):
        keys.read()
    (tmp_path / "key").write_bytes(pem(KEY))
    assert keys.read() is second, "nothing was lost by the moment in which the file was being written"
