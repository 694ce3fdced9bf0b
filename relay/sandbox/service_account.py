"""A service account of the stand-in Google, with the key file that Google hands out for one."""

import json
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from relay.sandbox.settings import ServiceAccount

_EMAIL = "relay@sandbox.iam.gserviceaccount.com"
_SCOPES = ("https://mail.google.com/", "https://www.googleapis.com/auth/gmail.send")


def made(folder: Path) -> tuple[ServiceAccount, Path]:
    """A new account, and its key as `service-account.json` in `folder`. Raises OSError."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    key_id = secrets.token_hex(20)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    file = folder / "service-account.json"
    file.touch(mode=0o600)
    document = {
        "type": "service_account",
        "project_id": "sandbox",
        "private_key_id": key_id,
        "private_key": private.decode(),
        "client_email": _EMAIL,
        "client_id": str(secrets.randbelow(10**21)),
    }
    file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return ServiceAccount(_EMAIL, key_id, public, _SCOPES), file
