"""The HTML of mail, made ready for a frame in which it can run nothing and fetch nothing.

The frame's own policy holds it: no script, no form, an origin of its own, nothing from elsewhere (measured in a
browser). What is taken out here are the few things that a policy does not reach, and what the frame needs: images that
came with the message stand in it as data, and links open apart.
"""

import base64
import re
from collections.abc import Sequence

from relay.sink import message as opening
from relay.sink import page
from relay.sink.parts import Part, decoded
from relay.sink.rows import Source

LARGEST_IMAGES = 16 * 1024 * 1024
"""Octets of all images that are put into one page."""
_MOST_COUNTED = 1000
# A link can have a name looked up or a page fetched in advance, a meta element can lead elsewhere.
_TAKEN_OUT = re.compile(r"(?i)<(?:link|meta|base)(?=[\s/>])[^>]{0,10000}>?")
_STYLESHEET = re.compile(r"(?i)rel\s*=\s*[\"']?\s*stylesheet")
_REMOTE = re.compile(
    r"(?i)(?:\b(?:src|srcset|background|poster|data)\s*=\s*[\"']?\s*|url\(\s*[\"']?\s*|@import\s+[\"'])"
    r"((?:https?:)?//[^\s\"'<>)]{1,2000})"
)
_SAFE_IMAGE = re.compile(r"image/[a-z0-9.+-]{1,50}")


def policy(*, remote: bool) -> str:
    """The Content-Security-Policy of the frame; `remote`: images, styles and fonts may come from elsewhere."""
    from_elsewhere = " http: https:" if remote else ""
    return (
        "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none';"
        f" img-src data:{from_elsewhere}; style-src 'unsafe-inline'{from_elsewhere}; font-src data:{from_elsewhere};"
        " form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
    )


HEADERS = {
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-dns-prefetch-control": "off",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def framed(source: Source, octets: bytes, html: str, *, remote: bool) -> str:
    """`html` of a message for the frame."""
    with_data = page.with_images(html, _Images(source, octets).address)
    return page.with_new_windows(_TAKEN_OUT.sub(lambda found: _kept(found[0], remote=remote), with_data))


def _kept(element: str, *, remote: bool) -> str:
    """Only a stylesheet stays, and only where it may be fetched."""
    return element if remote and element[:5].lower() == "<link" and _STYLESHEET.search(element) else ""


def remote_addresses(html: str) -> list[str]:
    """What the page would fetch from elsewhere if it could, each once."""
    found: dict[str, None] = {}
    for match in _REMOTE.finditer(html):
        found[match[1]] = None
        if len(found) >= _MOST_COUNTED:
            break
    return list(found)


class _Images:
    """The images of one message as data URLs, by Content-ID; each is put in as often as it is named, within a limit."""

    def __init__(self, source: Source, octets: bytes) -> None:
        self._octets = octets
        parts: Sequence[Part] = opening.structure_of(source, octets).parts
        self._by_id = {part.content_id: part for part in reversed(parts) if part.content_id}
        self._left = LARGEST_IMAGES
        self._made: dict[str, str] = {}

    def address(self, content_id: str) -> str | None:
        """The data URL; None where there is no such image, or too much of them."""
        part = self._by_id.get(content_id)
        if part is None or not _SAFE_IMAGE.fullmatch(part.content_type):
            return None
        if content_id not in self._made:
            data = base64.b64encode(decoded(self._octets, part)).decode()
            self._made[content_id] = f"data:{part.content_type};base64,{data}"
        url = self._made[content_id]
        if len(url) > self._left:
            return None
        self._left -= len(url)
        return url
