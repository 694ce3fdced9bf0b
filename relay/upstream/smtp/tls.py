"""TLS towards an SMTP server: the context, and what its refusals mean."""

import ssl
from dataclasses import dataclass

from cryptography import x509

from relay.advice import connection as advice
from relay.config import Account

# OpenSSL's numbers (x509_vfy.h): not yet valid, expired; another host name, another address.
_OUT_OF_TIME = (9, 10)
_WRONG_NAME = (62, 64)
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class TlsSetupError(Exception):
    """The account's own TLS files cannot be used; the text names key and file."""


def client_context(name: str, account: Account) -> ssl.SSLContext:
    """The context for all connections of account `name`. Costs 20 ms of CPU: make it once.

    With `ca_file` only the authorities in it are trusted, otherwise the system's. Opportunistic TLS, which is for
    servers that get no credentials, is not verified: without it the mail would go in plain text. Raises TlsSetupError.
    """
    try:
        context = ssl.create_default_context(cafile=account.ca_file)
    except OSError as error:
        raise TlsSetupError(_unusable(f"accounts.{name}.ca_file", str(account.ca_file), error)) from None
    context.minimum_version = _VERSIONS[account.min_tls]
    context.maximum_version = _VERSIONS[account.max_tls]
    if account.tls == "opportunistic":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if account.certificate is not None:
        try:
            # An empty password: OpenSSL would otherwise ask the terminal for that of an encrypted key.
            context.load_cert_chain(account.certificate, account.key, password="")
        except OSError as error:
            raise TlsSetupError(_unusable(f"accounts.{name}.certificate", str(account.certificate), error)) from None
    return context


def unverified_context() -> ssl.SSLContext:
    """A context for looking at a certificate that was refused; nothing but QUIT is ever sent under it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a person needs to know of a server's certificate."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    valid: str

    @classmethod
    def parse(cls, der: bytes) -> "Certificate":
        """Raises ValueError."""
        found = x509.load_der_x509_certificate(der)
        try:
            names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            listed: tuple[str, ...] = ()
        else:
            addresses = (str(address) for address in names.get_values_for_type(x509.IPAddress))
            listed = (*names.get_values_for_type(x509.DNSName), *addresses)
        valid = f"{found.not_valid_before_utc:%Y-%m-%d} to {found.not_valid_after_utc:%Y-%m-%d}"
        return cls(found.subject.rfc4514_string(), found.issuer.rfc4514_string(), listed, valid)

    def __str__(self) -> str:
        names = ", ".join(self.names[:5]) or "no name"
        return f"{self.subject or 'no subject'} for {names}, issued by {self.issuer}, valid {self.valid}"


def refusal(
    error: ssl.SSLError, name: str, account: Account, asked: str, certificate: Certificate | None
) -> tuple[str, str]:
    """Text and hint for a handshake that failed; `asked` is the name that the certificate was to be for."""
    shown = f". It presents {certificate}" if certificate is not None else ""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _WRONG_NAME:
            names = certificate.names if certificate is not None else ()
            return f"the server's certificate is not for {asked}{shown}", advice.wrong_name(name, names)
        text = f"the certificate of {asked} cannot be trusted: {error.verify_message}{shown}"
        return text, advice.expired(name) if error.verify_code in _OUT_OF_TIME else advice.untrusted(name)
    reason = (error.reason or str(error)).replace("_", " ").lower()
    return f"no TLS with {asked}: {reason}", advice.not_tls(name, account.tls)


def _unusable(key: str, file: str, error: OSError) -> str:
    reason = "it is not PEM, or key and certificate do not fit" if isinstance(error, ssl.SSLError) else error.strerror
    return f"{key}: {file} cannot be used: {reason}"
