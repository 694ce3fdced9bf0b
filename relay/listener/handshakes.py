"""Why a TLS handshake has failed, and what somebody has to change: OpenSSL says only what it has met."""

import ssl

_OLD = 'the client has only TLS that is too old for min_tls. Update it, or use a listener with profile = "legacy" and a'
_DISTRUST = "the client does not trust the certificate. Have it trust this one or its authority, or set certificate and"
_ADVICE = (
    ("WRONG_VERSION_NUMBER", 'what came is no TLS. Turn TLS on in the client, or write tls = "auto" for the listener'),
    ("HTTP_REQUEST", "what came is an HTTP request. The web page is at web.bind"),
    ("UNSUPPORTED_PROTOCOL", f"{_OLD} lower min_tls"),
    ("VERSION_TOO_LOW", f"{_OLD} lower min_tls"),
    ("NO_SHARED_CIPHER", f"client and relay know no cipher in common, or {_OLD} lower min_tls"),
    ("ALERT_UNKNOWN_CA", f"{_DISTRUST} key to one that it trusts"),
    ("ALERT_BAD_CERTIFICATE", f"{_DISTRUST} key to one that it trusts"),
    ("ALERT_CERTIFICATE_UNKNOWN", f"{_DISTRUST} key to one that it trusts"),
    ("ALERT_CERTIFICATE_EXPIRED", "the certificate has expired for the client. Renew it, or set the client's clock"),
    ("ALERT_PROTOCOL_VERSION", "the client wants no TLS that the relay has: look at min_tls, and at its own settings"),
    ("CERTIFICATE_VERIFY_FAILED", "the client's own certificate is signed by nobody whom client_ca names"),
)
"""What OpenSSL's reasons hold, and what they mean to a listener; the first that fits."""


def explained(error: ssl.SSLError) -> str:
    """OpenSSL's words for people: with their meaning and the next step, where there is one."""
    words = str(error).rpartition(" (_ssl.c:")[0] or str(error) or type(error).__name__
    advice = next((text for reason, text in _ADVICE if reason in (error.reason or "")), "")
    return f"{words}: {advice}" if advice else words
