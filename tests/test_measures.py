"""The house's measures: how long a function or a file may be, and which names need a docstring."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.source import Module, modules

FUNCTION_LINES = 60
FILE_LINES = 400
SELF_EXPLANATORY_LINES = 6

Function = ast.FunctionDef | ast.AsyncFunctionDef
COMPOUND = (ast.For, ast.AsyncFor, ast.While, ast.If, ast.With, ast.AsyncWith, ast.Try, ast.Match)


def too_long(module: Module) -> Iterator[str]:
    """A file that holds two ideas, a function that cannot be read at one go."""
    lines = module.text.count("\n")
    if lines > FILE_LINES:
        yield f"{module.name}: {lines} lines, {FILE_LINES} are the most"
    for node in ast.walk(module.tree):
        if isinstance(node, Function):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                yield f"{module.name}:{node.lineno} {node.name}: {length} lines, {FUNCTION_LINES} are the most"


def tells_itself(function: Function, owner: ast.ClassDef | None) -> bool:
    """Whether a public function may go without a docstring.

    One statement that the name announces; a function that ends in writing a log line, which is its meaning; and, beside
    its class's docstring, a property, an override of a base class (the base says what it means) and a short method.
    """
    if len(function.body) == 1 and not isinstance(function.body[0], COMPOUND):
        return True
    if owner is None:
        return ast.unparse(function.body[-1]).startswith("event(")
    decorators = {ast.unparse(decorator).split(".")[-1] for decorator in function.decorator_list}
    length = (function.end_lineno or function.lineno) - function.lineno + 1
    overrides = any(ast.unparse(base) != "Protocol" for base in owner.bases)
    return bool(decorators & {"property", "setter", "overload"}) or overrides or length <= SELF_EXPLANATORY_LINES


def undocumented(module: Module) -> Iterator[str]:
    """Public names without a word on what they mean."""
    if not ast.get_docstring(module.tree):
        yield f"{module.name}: no docstring"
    yield from _undocumented(module, module.tree.body, None)


def _undocumented(module: Module, body: list[ast.stmt], owner: ast.ClassDef | None) -> Iterator[str]:
    for node in body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        told = ast.get_docstring(node) or (isinstance(node, Function) and tells_itself(node, owner))
        if not told:
            yield f"{module.name}:{node.lineno} {node.name}: no docstring"
        if isinstance(node, ast.ClassDef):
            yield from _undocumented(module, node.body, node)


def made_up(folder: Path, text: str) -> Module:
    (folder / "relay").mkdir()
    (folder / "relay" / "part.py").write_text(text)
    return next(modules(folder))


@pytest.mark.parametrize("package", ["relay", "tests", "benchmarks"])
def test_files_and_functions_are_short(package: str) -> None:
    assert [row for module in modules(package=package) for row in too_long(module)] == []


def test_public_names_are_documented() -> None:
    assert [row for module in modules() for row in undocumented(module)] == []


def test_the_relay_is_what_is_measured() -> None:
    assert {"relay", "relay.model", "relay.service"} <= {module.name for module in modules()}


@pytest.mark.parametrize(("lines", "found"), [(60, 0), (61, 1)])
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_long_function_is_caught(tmp_path: Path, lines: int, found: int, kind: str) -> None:
    module = made_up(tmp_path, f"class C:\n    {kind} f(self):\n" + "        pass\n" * (lines - 1))
    assert len(list(too_long(module))) == found


@pytest.mark.parametrize(("lines", "found"), [(400, 0), (401, 1)])
def test_a_long_file_is_caught(tmp_path: Path, lines: int, found: int) -> None:
    assert len(list(too_long(made_up(tmp_path, "x = 1\n" * lines)))) == found


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("x = 1\n", ["no docstring"]),
        ('"""Doc."""\ndef f():\n    g()\n    g()\n', ["f"]),
        ('"""Doc."""\nasync def f():\n    while True:\n        g()\n', ["f"]),
        ('"""Doc."""\nclass C:\n    x = 1\n', ["C"]),
        ('"""Doc."""\nclass C:\n    """Doc."""\n    def f(self):\n' + "        pass\n" * 6, ["f"]),
        ('"""Doc."""\nclass C(Protocol):\n    """Doc."""\n    def f(self):\n' + "        pass\n" * 6, ["f"]),
    ],
)
def test_a_missing_docstring_is_caught(tmp_path: Path, text: str, missing: list[str]) -> None:
    found = list(undocumented(made_up(tmp_path, text)))
    assert len(found) == len(missing)
    assert all(f"{name}" in row for name, row in zip(missing, found, strict=True))


def test_what_tells_itself_may_go_without(tmp_path: Path) -> None:
    text = '''"""Doc."""
def connected(host: str) -> None:
    event(20, "connected", f"{host} connected")

def paragraph(text: str) -> str:
    return text.strip() + "."

def _private():
    f()
    f()

class _Private:
    def f(self): ...

class C(asyncio.Protocol):
    """Doc."""
    @property
    def size(self): return 1
    def connection_lost(self, exc):
'''
    assert list(undocumented(made_up(tmp_path, text + "        pass\n" * 10))) == []
