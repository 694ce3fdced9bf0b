"""Whether an envelope address may be written into a command or a header."""

_SUSPICIOUS = frozenset(' <>"\\').union(map(chr, (*range(32), 127)))


def is_safe(address: str) -> bool:
    """Whether `address` stays an address inside `<...>`: no second command or parameter can hide in it.

    Spaces and brackets may stand in a quoted local part (RFC 5321 4.1.2), control characters nowhere.
    """
    if _SUSPICIOUS.isdisjoint(address):
        return True
    quoted = escaped = False
    for char in address:
        if char < " " or char == "\x7f":
            return False
        if escaped:
            escaped = False
        elif char == '"':
            quoted = not quoted
        elif char == "\\" and quoted:
            escaped = True
        elif char in " <>\\" and not quoted:
            return False
    return not (quoted or escaped)
