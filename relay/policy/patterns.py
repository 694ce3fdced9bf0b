"""Lists of allowed addresses, as `senders` and `recipients` hold them, made ready for a look-up per message.

Local parts are compared without regard to the case of ASCII letters, as Exchange and every other provider does,
although RFC 5321 2.4 leaves that to the receiving host. Domains are compared in one form whether they are written with
Unicode letters or as A-labels (RFC 5890). A domain's subdomains are not included.
"""

import string
import unicodedata
from collections.abc import Iterable

from relay import mime

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class AddressPatterns:
    """`*` (any), `@example.com` or `*@example.com` (a domain), and addresses. Raises ValueError for anything else."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self.any = False
        self._domains: set[str] = set()
        self._addresses: set[str] = set()
        for pattern in patterns:
            if pattern == "*":
                self.any = True
            elif pattern.startswith(("@", "*@")):
                self._domains.add(fold_domain(pattern.partition("@")[2]))
            else:
                self._addresses.add(_folded(pattern))

    def __bool__(self) -> bool:
        """Whether anybody fits."""
        return self.any or bool(self._domains or self._addresses)

    def __contains__(self, address: object) -> bool:
        if self.any:
            return True
        canonical = mime.canonical(address) if isinstance(address, str) else None
        if canonical is None:
            return False
        folded = fold(canonical)
        return folded in self._addresses or folded.rpartition("@")[2] in self._domains


def _folded(pattern: str) -> str:
    canonical = mime.canonical(pattern)
    if canonical is None:
        raise ValueError(f'"{pattern}" is no address that mail can be compared with')
    return fold(canonical)


def fold(address: str) -> str:
    """The form in which two spellings of one address are equal."""
    local, _, domain = address.rpartition("@")
    return f"{local.translate(_LOWER)}@{fold_domain(domain)}"


def fold_domain(domain: str) -> str:
    """The domain in lower case, its A-labels as the letters that they stand for."""
    if domain.isascii():
        domain = domain.lower()
        return domain if "xn--" not in domain else ".".join(map(_letters, domain.split(".")))
    return ".".join(map(_letters, domain.split(".")))


def _letters(label: str) -> str:
    """One label; what is no A-label, although it looks like one, stays what it is."""
    if label.isascii():
        label = label.lower()
        return _decoded(label) if label.startswith("xn--") else label
    # Without IDNA 2003's mapping: to it "straße" and "strasse" are one name, to today's registries they are two.
    folded = unicodedata.normalize("NFC", label).lower()
    return label if folded.isascii() else folded


def _decoded(label: str) -> str:
    try:
        letters = label[4:].encode("ascii").decode("punycode")
        again = letters.encode("punycode").decode("ascii").lower()
    except (UnicodeError, OverflowError):
        return label
    return letters if again == label[4:] and not letters.isascii() and letters == _letters(letters) else label
