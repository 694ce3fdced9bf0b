"""Secrets that are about to be sent: read as one snapshot, and held to be text."""

from relay.config.secret import Secret, SecretError, read_together


def read_sendable(*secrets: Secret) -> tuple[str, ...]:
    """The secrets as they are now, each of which can be written in UTF-8. Raises SecretError."""
    values = read_together(*secrets)
    for secret, value in zip(secrets, values, strict=True):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            # JSON can hold half a surrogate pair.
            raise SecretError(f"{secret.origin}: is not text that can be sent. Write it as UTF-8") from None
    return values
