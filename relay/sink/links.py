"""The links that a message names, in its text and in its HTML; nobody asks whether they work.

To ask would fetch what mail names: the sender would learn that it is read and from where, and mail could have this
machine ask for addresses that only it can reach.
"""

import html as markup
import re

NOT_ASKED = "Not asked: the relay fetches nothing that mail names"
_MOST = 1000
_IN_TEXT = re.compile(r"https?://[^\s<>\"'`\\{}|^]{1,2000}")
_IN_HTML = re.compile(
    r"""(?i)\b(?:href|src)\s*=\s*(?:"\s*(https?://[^"]{1,2000})|'\s*(https?://[^']{1,2000})|(https?://[^\s>"']{1,2000}))"""
)


def found(text: str, html: str) -> list[str]:
    """Each link once, those of the HTML first, a thousand at most."""
    links: dict[str, None] = {}
    for match in _IN_HTML.finditer(html):
        links[markup.unescape(next(filter(None, match.groups()))).strip()] = None
        if len(links) >= _MOST:
            return list(links)
    for match in _IN_TEXT.finditer(text):
        links[match[0].rstrip(".,;:!?)]")] = None
        if len(links) >= _MOST:
            break
    return list(links)
