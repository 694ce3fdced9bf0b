"""The key of a service account, as Google hands it out: a JSON file with the key, its id and the account's address."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relay.config.private_key import SigningKey, key_of_pem
from relay.config.secret import SecretError, read_octets

_NEXT = "Name the JSON file that Google Cloud gives under IAM & Admin > Service Accounts > Keys > Add key"


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """`email` is the account's own address, `key_id` names the key among those of the account."""

    email: str
    key_id: str
    key: SigningKey = field(repr=False)


class ServiceAccountReader:
    """Reads one key file whenever it is used, and takes it apart anew when its content has changed."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._digest = b""
        self._account: ServiceAccount | None = None

    def read(self) -> ServiceAccount:
        """The account as the file has it now. Raises SecretError."""
        content = read_octets(self._file)
        digest = hashlib.sha256(content).digest()
        if self._account is None or digest != self._digest:
            self._account = _service_account(self._file, content)
            self._digest = digest
        return self._account


def _service_account(file: Path, content: bytes) -> ServiceAccount:
    try:
        document = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise SecretError(f"{file}: is not JSON. {_NEXT}") from None
    if not isinstance(document, dict):
        raise SecretError(f"{file}: is not a service account's key. {_NEXT}")
    kind = document.get("type")
    if kind != "service_account":
        # A user's consent or an OAuth client, which are handed out in the same way.
        found = f'its type is "{kind}"' if isinstance(kind, str) and kind.isidentifier() else "it has no type"
        raise SecretError(f"{file}: is not a service account's key ({found}). {_NEXT}")
    key = key_of_pem(file, _text(file, document, "private_key").encode("utf-8", "replace"))
    return ServiceAccount(_text(file, document, "client_email"), _text(file, document, "private_key_id"), key)


def _text(file: Path, document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value or any(0xD800 <= ord(char) < 0xE000 for char in value):
        raise SecretError(f"{file}: has no {name}. {_NEXT}")
    return value
