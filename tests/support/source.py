"""The relay's own source text as syntax trees, for the tests that hold how it is built."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Module:
    """One source file: `name` is what other modules import it by."""

    name: str
    path: Path
    text: str
    tree: ast.Module


def modules(root: Path = ROOT, package: str = "relay") -> Iterator[Module]:
    """Every module of `package` below `root`."""
    for path in sorted((root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text(encoding="utf-8")
        yield Module(name, path, text, ast.parse(text, str(path)))
