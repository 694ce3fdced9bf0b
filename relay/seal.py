"""Small secrets, sealed for the database: who has a copy of the file, but not the key, has nothing.

AES-256-GCM (NIST SP 800-38D). A sealed text names the key that opens it and is bound to what it is for, so that one
account's token cannot be put in another's place. It reads `1.KEY-ID.BASE64URL(nonce, ciphertext, tag)`.
"""

import base64
import binascii
import contextlib
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from relay import disk
from relay.config.secret import Secret, SecretError
from relay.config.store_key import OCTETS, octets_of

_FORM = "1"
_NONCE_OCTETS = 12


class SealError(Exception):
    """Something cannot be sealed or opened; the text names the key's place and the next step, never a secret."""


class StoreSettings(Protocol):
    """`[store]`: the key to seal with, and one that only opens what was sealed with it."""

    @property
    def key(self) -> Secret | None: ...
    @property
    def key_previous(self) -> Secret | None: ...


@dataclass(frozen=True, slots=True)
class _Key:
    octets: bytes = field(repr=False)
    place: str
    id: str


class Sealer:
    """Seals and opens with the key of `settings`, or the one in `own_file`, which is made when it is first needed.

    Keys are read anew for each use: one that is exchanged on disk needs no restart.
    """

    def __init__(self, settings: StoreSettings, own_file: Path) -> None:
        self._settings = settings
        self._own_file = own_file

    def seal(self, text: str, purpose: str) -> str:
        """`text` sealed for `purpose`, which must be given again to open it. Raises SealError."""
        key = self._key()
        nonce = secrets.token_bytes(_NONCE_OCTETS)
        sealed = AESGCM(key.octets).encrypt(nonce, text.encode(), _bound(key.id, purpose))
        return f"{_FORM}.{key.id}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, purpose: str) -> str:
        """What was sealed for `purpose`. Raises SealError; nothing is changed then."""
        form, _, rest = sealed.partition(".")
        key_id, _, encoded = rest.partition(".")
        if form != _FORM or not encoded:
            raise SealError(f"the stored {purpose} is not in a form that this version knows: use a newer relay")
        key = self._key_named(key_id, purpose)
        try:
            octets = base64.urlsafe_b64decode(encoded)
            opened = AESGCM(key.octets).decrypt(octets[:_NONCE_OCTETS], octets[_NONCE_OCTETS:], _bound(key_id, purpose))
        except (binascii.Error, ValueError, InvalidTag):
            raise SealError(
                f"the stored {purpose} was changed or damaged: the key in {key.place} is the right one and does not "
                "open it. Restore the database from a backup, or sign in again"
            ) from None
        return opened.decode()

    def is_current(self, sealed: str) -> bool:
        """Whether `sealed` is sealed with the key of now, not with the previous one. Raises SealError."""
        return sealed.split(".")[1:2] == [self._key().id]

    def _key_named(self, key_id: str, purpose: str) -> _Key:
        key = self._key()
        if key.id == key_id:
            return key
        previous = self._settings.key_previous
        if previous is not None:
            old = _read(previous)
            if old.id == key_id:
                return old
        places = key.place if previous is None else f"{key.place} (key {key.id}) or {previous.origin}"
        raise SealError(
            f"the stored {purpose} was sealed with key {key_id}, which is not the one in {places}"
            f"{f' (key {key.id})' if previous is None else ''}. Nothing was changed: put the old key back, "
            "or name it as key_previous_file in [store], or sign in again"
        )

    def _key(self) -> _Key:
        if self._settings.key is not None:
            return _read(self._settings.key)
        try:
            _make(self._own_file)
        except OSError as error:
            raise SealError(
                f"the key {self._own_file} cannot be made: {error.strerror}. Let the relay's user write that folder, "
                "or name another file as key_file in [store]"
            ) from error
        return _read(Secret(file=self._own_file))


def _read(secret: Secret) -> _Key:
    try:
        octets = octets_of(secret.read())
    except SecretError as error:
        raise SealError(f"the key for stored tokens cannot be read: {error}") from None
    except ValueError as error:
        raise SealError(f"the key for stored tokens ({secret.origin}) {error}") from None
    digest = hashes.Hash(hashes.SHA256())
    digest.update(b"relay store key id\0" + octets)
    return _Key(octets, secret.origin, digest.finalize()[:4].hex())


def _bound(key_id: str, purpose: str) -> bytes:
    return f"{_FORM}\0{key_id}\0{purpose}".encode()


def _make(file: Path) -> None:
    """Put a new key into `file` if there is none; whole or not at all, and of two processes one wins."""
    if file.exists():
        return
    text = f"{base64.b64encode(secrets.token_bytes(OCTETS)).decode()}\n"
    draft = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with disk.private(draft, new=True) as opened:
            opened.write(text.encode("ascii"))
            disk.sync(opened)
        with contextlib.suppress(FileExistsError):  # somebody else was quicker: theirs is used
            os.link(draft, file)
        disk.sync_folder(file.parent)
    finally:
        draft.unlink(missing_ok=True)
