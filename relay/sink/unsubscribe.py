"""The List-Unsubscribe field (RFC 2369, RFC 8058): its links, and what is wrong with it in Mailpit's words."""

import re
from dataclasses import dataclass

_LINK = re.compile(r"<([^<>]*)>")
_COMMENT = re.compile(r"\([^()]*\)")
_SEPARATED = re.compile(r"\s*<[^<>]*>\s*(?:,\s*<[^<>]*>\s*)*")
_SCHEMES = ("http://", "https://", "mailto:")


@dataclass(frozen=True, slots=True)
class ListUnsubscribe:
    """The field, at most one mailto and one web link of it, the errors joined by commas, and List-Unsubscribe-Post."""

    header: str = ""
    links: tuple[str, ...] = ()
    errors: str = ""
    post: str = ""


def read(header: str, post: str) -> ListUnsubscribe:
    """Take the field apart; all empty when there is none."""
    if not header:
        return ListUnsubscribe(post=post)
    bare = _COMMENT.sub("", header).strip()
    links = [link.strip() for link in _LINK.findall(bare)]
    if not links:
        return ListUnsubscribe(header, (), f'"{header}" no valid unsubscribe links found', post)
    errors: list[str] = []
    if not (bare.startswith("<") and bare.endswith(">")):
        errors.append(f'"{header}" should be enclosed in <>')
    elif not _SEPARATED.fullmatch(bare):
        errors.append(f'"{header}" <> should be split with a comma and optional spaces')
    if len(links) > 2:
        errors.append(f'"{header}" should include a maximum of one email and one HTTP link')
    good: dict[str, str] = {}
    for link in links:
        kind = "mailto:" if link.lower().startswith("mailto:") else "HTTP link"
        if " " in link:
            errors.append(f'"{link}" should not contain spaces')
        elif not link.lower().startswith(_SCHEMES):
            errors.append(f'"{link}" should start with either http(s):// or mailto:')
        elif kind in good:
            errors.append(f'"{link}" should only contain one {kind}')
        else:
            good[kind] = link
    return ListUnsubscribe(header, tuple(good.values()), ", ".join(errors), post)
