"""Texts of mail on a page: escaped, with links that can be followed; sources as they are."""

import re

from markupsafe import Markup, escape

_LINK = re.compile(r"https?://[^\s<>\"'`\\{}|^]{1,2000}")
_TRAILING = ".,;:!?)]"
_MOST_LINKS = 2000


def linked(text: str) -> Markup:
    """`text` escaped, its addresses of pages as links."""
    out: list[Markup] = []
    at = 0
    for number, match in enumerate(_LINK.finditer(text)):
        if number >= _MOST_LINKS:
            break
        address = match[0].rstrip(_TRAILING)
        out.append(escape(text[at : match.start()]))
        link = '<a href="{0}" target="_blank" rel="noopener noreferrer nofollow">{0}</a>'
        out.append(Markup(link).format(address))  # noqa: S704 (a text of ours; what is put in is escaped)
        at = match.start() + len(address)
    out.append(escape(text[at:]))
    return Markup("").join(out)


def source(octets: bytes) -> str:
    """A message's source as text: UTF-8, and what is none made visible."""
    return octets.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
