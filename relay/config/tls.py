"""Certificates and keys: loaded once while the configuration is checked, so that a wrong file shows before any client.

The files are read with the same functions that the listener and the upstreams use later.
"""

import ssl
from pathlib import Path

from relay.config.findings import Findings, KeyPath
from relay.config.secret import Secret, SecretError
from relay.config.secrets import warn_if_open
from relay.config.settings import Account, Listener, Web

SELF_SIGNED = "self-signed"
"""In place of a certificate's file: the relay makes one, in its state folder."""


def check_listener(listener: Listener, path: KeyPath, findings: Findings) -> None:
    """A listener's own certificate. Problems name the key and the next step."""
    _check_versions(listener, path, findings)
    if listener.tls == "off":
        if listener.client_ca:
            findings.problem((*path, "client_ca"), 'needs TLS: write tls = "starttls", "implicit" or "auto"')
        if listener.certificate:
            findings.warn((*path, "certificate"), 'is not used while tls = "off": write tls = "starttls" to offer TLS')
        return
    if listener.client_ca:
        check_authority(listener.client_ca, (*path, "client_ca"), findings)
    if wants_self_signed(listener):
        if listener.key:
            findings.problem((*path, "key"), f'has no meaning with certificate = "{SELF_SIGNED}", which makes one')
        return
    for key, holds in (("certificate", "the certificate and its chain"), ("key", "the private key")):
        if getattr(listener, key) is None and not findings.has_problem((*path, key)):
            findings.problem((*path, key), f'is missing: tls = "{listener.tls}" needs the PEM file that holds {holds}')
    if listener.certificate and listener.key:
        check_pair(listener.certificate, listener.key, listener.key_password, path, findings)


def check_files(listener: Listener, path: KeyPath, findings: Findings) -> None:
    """The files of a listener of which nobody knows whether it is to have TLS."""
    if listener.client_ca:
        check_authority(listener.client_ca, (*path, "client_ca"), findings)
    if listener.certificate and listener.key and listener.certificate.name != SELF_SIGNED:
        check_pair(listener.certificate, listener.key, listener.key_password, path, findings)


def wants_self_signed(listener: Listener) -> bool:
    """Whether the relay is to make the listener's certificate itself."""
    return listener.tls != "off" and listener.certificate is not None and listener.certificate.name == SELF_SIGNED


def with_self_signed(made: dict[str, Listener], folder: Path) -> dict[str, Listener]:
    """The listeners, with the files in `folder` where a certificate that the relay makes will be."""
    places = {"certificate": folder / f"{SELF_SIGNED}.pem", "key": folder / f"{SELF_SIGNED}.key", "self_signed": True}
    return {
        name: listener.model_copy(update=places) if wants_self_signed(listener) else listener
        for name, listener in made.items()
    }


def _check_versions(listener: Listener, path: KeyPath, findings: Findings) -> None:
    """TLS 1.0 and 1.1 are broken (RFC 8996): only where somebody has said that old devices are the reason."""
    if listener.profile != "legacy" and listener.min_tls in ("1.0", "1.1"):
        findings.problem(
            (*path, "min_tls"),
            f'"{listener.min_tls}" is too old to be safe: write "1.2", or profile = "legacy" beside it for devices '
            "that know nothing newer",
        )


def check_account(account: Account, path: KeyPath, findings: Findings) -> None:
    """An account's TLS versions, client certificate and certificate authority."""
    if account.min_tls > account.max_tls:
        findings.problem((*path, "max_tls"), f'is "{account.max_tls}", below min_tls = "{account.min_tls}": raise it')
    if account.certificate and account.key:
        check_pair(account.certificate, account.key, None, path, findings)
    elif account.certificate or account.key:
        there, other = ("certificate", "key") if account.certificate else ("key", "certificate")
        findings.problem((*path, other), f"is missing: a client certificate is {there} and {other} together")
    if account.ca_file:
        check_authority(account.ca_file, (*path, "ca_file"), findings)


def check_page(web: Web, findings: Findings) -> None:
    """The page's certificate: with it, it is served by https."""
    if web.certificate and web.key:
        check_pair(web.certificate, web.key, None, ("web",), findings)
        return
    for key, other, holds in (
        ("certificate", "key", "the certificate and its chain"),
        ("key", "certificate", "its key"),
    ):
        if getattr(web, other) and not getattr(web, key) and not findings.has_problem(("web", key)):
            text = f"is missing: https needs it beside {other}, the PEM file that holds {holds}"
            findings.problem(("web", key), text)


def check_authority(file: Path, path: KeyPath, findings: Findings) -> None:
    """A file of certificate authorities."""
    if (content := _text(file, path, findings)) is None:
        return
    if not _is_certificate(content):
        findings.problem(path, f"{file}: holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)")


def check_pair(certificate: Path, key: Path, password: Secret | None, path: KeyPath, findings: Findings) -> None:
    """A certificate and its key: both readable, both PEM, one for the other, and the password right."""
    certificate_text = _text(certificate, (*path, "certificate"), findings)
    key_text = _text(key, (*path, "key"), findings)
    if certificate_text is None or key_text is None:
        return
    if not _is_certificate(certificate_text):
        text = f"{certificate}: holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
        findings.problem((*path, "certificate"), text)
    elif "PRIVATE KEY-----" not in key_text:
        findings.problem((*path, "key"), f"{key}: holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)")
    else:
        warn_if_open(key, (*path, "key"), findings)
        _check_match(certificate, key, password, path, findings)


def _check_match(certificate: Path, key: Path, password: Secret | None, path: KeyPath, findings: Findings) -> None:
    asked = False

    def answer() -> str:
        # Also called without a password to give: OpenSSL would otherwise ask on the terminal.
        nonlocal asked
        asked = True
        return password.read() if password else ""

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, answer)
    except SecretError:
        return  # Told with all other secrets.
    except (ssl.SSLError, OSError, ValueError) as error:
        if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
            findings.problem((*path, "key"), f"{key}: is not the key of the certificate {certificate}: name its own")
        elif asked and password:
            findings.problem((*path, "key_password"), f"does not open {key}: correct it ({password.origin})")
        elif asked:
            add = "add key_password_file, or " if path[0] == "listeners" else ""
            findings.problem((*path, "key"), f"{key}: is encrypted: {add}store it without password")
        else:
            reason = getattr(error, "reason", None) or error.strerror if isinstance(error, OSError) else error
            findings.problem((*path, "key"), f"{key}: cannot be used ({reason}): check that the file is whole")


def _is_certificate(content: str) -> bool:
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=content)
    except (ssl.SSLError, ValueError):
        return False
    return "-----BEGIN CERTIFICATE-----" in content


def _text(file: Path, path: KeyPath, findings: Findings) -> str | None:
    try:
        return file.read_text("utf-8", errors="replace").encode("ascii", "replace").decode()
    except FileNotFoundError:
        findings.problem(path, f"{file}: does not exist: correct the path")
    except IsADirectoryError:
        findings.problem(path, f"{file}: is a folder: name the PEM file in it")
    except PermissionError:
        findings.problem(path, f"{file}: may not be read by this user: give the relay's user the right to read it")
    except (OSError, ValueError) as error:
        findings.problem(path, f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}")
    return None
