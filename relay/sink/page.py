"""HTML of mail as text, and with the images that came with it. One pass over the text, whatever it holds.

No parser of the standard library: hostile pages cost it time that grows with the square of their size.
"""

import html
import re
from collections.abc import Callable, Iterable

_SILENT = ("style", "script", "title", "template")
_BLOCKS = {
    *("p", "div", "br", "tr", "li", "ul", "ol", "table", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote"),
    *("section", "article", "header", "footer", "hr", "pre", "dd", "dt", "body"),
}
_TAG = re.compile(r"/?([a-zA-Z][a-zA-Z0-9]{0,20})")
_SPACES = re.compile(r"[ \t\r\f\v\u00a0]+")
_CID = re.compile(r"(?i)(\bcid:)([^\s\"'<>()]{1,500})")
_LINK = re.compile(r"(?i)<a(?=\s)")


def to_text(page: str) -> str:
    """HTML without its tags, a line for each block."""
    first, *pieces = page.split("<")
    out = [first]
    silent = ""
    for piece in pieces:
        match = _TAG.match(piece)
        name = match[1].lower() if match is not None else ""
        if silent and not (piece.startswith("/") and name == silent):
            continue
        silent = ""
        if not name:
            # A comment or a declaration, else a "<" of the text itself.
            out.append(piece.partition(">")[2] if piece[:1] in ("!", "?") else f"<{piece}")
            continue
        words = piece.partition(">")[2]
        if name in _SILENT and not piece.startswith("/"):
            silent = name
            continue
        out.append("\n" if name in _BLOCKS else "")
        out.append(words)
    lines = html.unescape("".join(out)).split("\n")
    return _joined(_SPACES.sub(" ", line).strip() for line in lines)


def _joined(lines: Iterable[str]) -> str:
    kept: list[str] = []
    for line in lines:
        if line or (kept and kept[-1]):
            kept.append(line)
    return "\n".join(kept).strip("\n").encode("utf-8", "replace").decode("utf-8")


def with_images(page: str, address: Callable[[str], str | None]) -> str:
    """`page` with each `cid:` address (RFC 2392) replaced by what `address` gives for its Content-ID."""

    def replaced(match: re.Match[str]) -> str:
        return address(match[2]) or match[0]

    return _CID.sub(replaced, page)


def with_new_windows(page: str) -> str:
    """`page` with links that open apart from where it is embedded."""
    return _LINK.sub('<a target="_blank" rel="noreferrer noopener"', page)
