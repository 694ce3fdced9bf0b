"""Small facts that several targets compare with, computed the plain way."""

import re


def count_of_dots(content: bytes) -> int:
    """Lines that begin with a dot."""
    return content.count(b"\r\n.") + content.startswith(b".")


def without_bare_ends(content: bytes) -> bytes:
    return re.sub(rb"\r\n|\r|\n", b"\r\n", content)


def pieces(data: bytes, step: int) -> list[bytes]:
    return [data[start : start + step] for start in range(0, len(data), step)]
