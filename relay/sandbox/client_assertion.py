"""Applications that prove themselves with a signed assertion, as Entra checks it ("Certificate credentials").

One thing is stricter than at Entra, which lets an assertion be used again while it lasts: an id (`jti`) is taken
once, so that a client which signs nothing anew is noticed.
"""

import binascii
from collections.abc import Mapping

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from relay.model import Clock
from relay.sandbox import jws
from relay.sandbox.aadsts import EntraError
from relay.sandbox.federation import check as check_federated
from relay.sandbox.settings import SandboxSettings
from relay.sandbox.validity import check_times

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_MOST_IDS = 10_000


class ClientAssertions:
    """Checks what applications sign; remembers the ids of what it took."""

    def __init__(self, settings: SandboxSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._certificates = [x509.load_pem_x509_certificate(pem) for pem in settings.certificates]
        self._taken: dict[str, None] = {}

    def check(self, parameters: Mapping[str, str], endpoint: str) -> None:
        """Take the assertion in `parameters`, posted to the address `endpoint`, or raise EntraError."""
        if parameters.get("client_assertion_type") != ASSERTION_TYPE:
            raise EntraError(900144, parameter="client_assertion_type")
        try:
            signed = jws.read(parameters["client_assertion"])
            if _is_foreign(signed, parameters["client_id"]):
                check_federated(signed, self._settings.federated, self._clock.time())
                return
            self._check_certificate(signed, parameters["client_id"])
            self._check_claims(signed, parameters["client_id"], endpoint)
        except jws.MalformedError as error:
            raise EntraError(50027, reason=str(error)) from None

    def _check_certificate(self, signed: jws.Signed, client_id: str) -> None:
        used = _thumbprint(signed.header)
        certificate = next((one for one in self._certificates if used in _fingerprints(one)), None)
        facts = {"thumbprint": used.hex().upper(), "client_id": client_id}
        if certificate is None:
            what = "The certificate with identifier used to sign the client assertion is not registered on application."
            raise EntraError(700027, what=what, reason="The key was not found.", **facts)
        invalid = "Client assertion contains an invalid signature."
        if not signed.is_signed_by(certificate.public_key()):
            reason = "The provided signature value did not match the expected signature value."
            raise EntraError(700027, what=invalid, reason=reason, **facts)
        if certificate.not_valid_after_utc.timestamp() < self._clock.time():
            raise EntraError(700027, what=invalid, reason="The key used is expired.", **facts)

    def _check_claims(self, signed: jws.Signed, client_id: str, endpoint: str) -> None:
        if signed.text("iss").lower() != client_id.lower():
            raise EntraError(700021)
        if signed.text("sub") != signed.text("iss"):
            raise EntraError(50048)
        if signed.text("aud") != endpoint:
            raise EntraError(700023)
        check_times(signed, self._clock.time())
        identifier = signed.text("jti")
        if not identifier:
            raise jws.MalformedError("The claim 'jti' is missing.")
        if identifier in self._taken:
            raise jws.MalformedError(f"The assertion with the jti '{identifier}' was used before.")
        self._taken[identifier] = None
        if len(self._taken) > _MOST_IDS:
            del self._taken[next(iter(self._taken))]


def _is_foreign(signed: jws.Signed, client_id: str) -> bool:
    """Whether another issuer made it, and not the application with its certificate."""
    return signed.text("iss").lower() != client_id.lower() and not signed.header.keys() & {"x5t", "x5t#S256"}


def _thumbprint(header: Mapping[str, object]) -> bytes:
    """The certificate's SHA-256, or in the older form its SHA-1."""
    found = header.get("x5t#S256", header.get("x5t"))
    if not isinstance(found, str):
        raise jws.MalformedError("No certificate thumbprint specified in token header.")
    try:
        return jws.decoded(found)
    except binascii.Error:
        raise jws.MalformedError("The certificate thumbprint in the token header is not base64url.") from None


def _fingerprints(certificate: x509.Certificate) -> tuple[bytes, bytes]:
    return certificate.fingerprint(hashes.SHA256()), certificate.fingerprint(hashes.SHA1())  # noqa: S303 (a name of the file, no proof)
