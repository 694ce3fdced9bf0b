"""What is wrong with a file that is no TOML, and what its author most probably meant. Nothing of the file is quoted."""

import re

_HINTS = (
    (
        re.compile(r"Unescaped '\\' in a string|Invalid hex value|Escaped character is not a Unicode scalar value"),
        r'in "..." a \ begins an escape: write the text in single quotes, or \\ for each \ ',
    ),
    (re.compile(r"Illegal character '\\n'"), "a text ends on its own line: is its closing quote missing?"),
    (re.compile(r"Cannot declare \("), "write each table once, with all its keys below it"),
    (re.compile(r"Cannot overwrite a value"), "the key is there already: keep one"),
)
_AFTER_A_VALUE = re.compile(r"Expected newline or end of document after a statement")
_NO_VALUE = re.compile(r"Invalid value")


def explained(error: str, text: str) -> str:
    """`line 3, column 12: Invalid value` from tomllib's `error` about `text`, with the next step where one is known.

    tomllib quotes at most one character of the file, and so does this.
    """
    what, _, position = error.rpartition(" (at ")
    lines = text.splitlines() or [""]
    line, column, end = len(lines), len(lines[-1]) + 1, " (the file ends here)"
    if match := re.fullmatch(r"line (\d+), column (\d+)\)", position):
        line, column, end = int(match[1]), int(match[2]), ""
    hint = _hint(what, lines[line - 1] if line <= len(lines) else "", column)
    return f"line {line}, column {column}: {what}{end}{f'. Perhaps {hint}' if hint else ''}"


def _hint(what: str, line: str, column: int) -> str:
    if found := next((hint.strip() for pattern, hint in _HINTS if pattern.search(what)), ""):
        return found
    before = line[: column - 1].rstrip()
    if _AFTER_A_VALUE.search(what) and before.endswith('"'):
        return 'the text itself holds a ": write it in single quotes, or \\" for each " in it'
    if _AFTER_A_VALUE.search(what) and before.endswith("'"):
        return "the text itself holds a ': write it in double quotes"
    if _NO_VALUE.search(what) and before.endswith("=") and line[column - 1 :].strip():
        return "quotes are missing: text is written in them"
    return ""
