"""The direction of the imports: who may know whom.

The layers, the gatekeepers and the purity rules below are the design's own tables. Every rule is also tried on a
made-up package that breaks it, so that a rule which has stopped looking is noticed.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.source import ROOT, Module, modules

# A part may import the parts on lower lines, never one beside it or above it.
LAYERS = [
    {"__main__"},
    {"cli", "pytest_plugin"},
    {"service"},
    {"listener", "delivery", "web"},
    {"doctor"},
    # The sink is a store as the spool is; upstream gets it handed in.
    # alerts: the doctor shows its deadlines, and it watches accounts and their tokens; of the mail it knows nothing.
    {"policy", "spool", "upstream", "sink", "alerts"},
    {"oauth"},
    {"limits"},
    {"bounce", "http", "database", "seal", "advice"},
    {"config", "mime"},
    {"model", "log", "metrics", "providers", "disk"},
]
HEIGHT = {part: -depth for depth, layer in enumerate(LAYERS) for part in layer}

# The stand-in Microsoft shares nothing with what it is there to check, or one mistake would pass every test.
SANDBOX_MAY_IMPORT = {"model", "log"}
MAY_IMPORT_SANDBOX = {"cli", "pytest_plugin", "service"}

# Each third-party package has one door, so that it can be exchanged behind it.
GATEKEEPERS = {
    "aiosmtpd": {"relay.listener", "relay.sandbox"},
    "aiosmtplib": {"relay.upstream"},
    "argon2": {"relay.cli", "relay.listener"},
    "click": {"relay.cli"},
    "httpx2": {"relay.http"},
    "jinja2": {"relay.web"},
    "jwt": {"relay.oauth"},
    "prometheus_client": {"relay.metrics"},
    "psycopg": {"relay.database"},
    "pydantic": {"relay.config"},
    "pydantic_settings": {"relay.config"},
    "sqlite3": {"relay.database"},
    "uvicorn": {"relay.service"},
    "uvloop": {"relay.service"},
}

# What decides takes values and returns values: the clock, chance and the network are its caller's.
PURE = {
    "relay.advice",
    "relay.bounce",
    "relay.mime",
    "relay.policy",
    "relay.providers",
    "relay.upstream.graph.replies",
    "relay.upstream.recipients",
    "relay.upstream.replies",
}
IMPURE_MODULES = {"asyncio", "random", "secrets", "socket", "subprocess", "threading", "time"}
IMPURE_NAMES = {"uuid.uuid1", "uuid.uuid4", "email.utils.localtime", "email.utils.make_msgid", "os.urandom"}
IMPURE_CALLS = {"now", "today", "utcnow"}


def imported(module: Module) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that `module` imports, also inside functions and `if TYPE_CHECKING`."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{source}.{alias.name}") for alias in node.names)


def part(name: str) -> str:
    """`config` for relay.config.secret; "" for the package itself and for what is not the relay's."""
    pieces = name.split(".")
    return pieces[1] if pieces[0] == "relay" and len(pieces) > 1 else ""


def within(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def wrong_direction(module: Module, target: str) -> str | None:
    """Why `module` may not import `target`, None when it may."""
    here, there = part(module.name), part(target)
    if target.startswith("."):
        return "is a relative import"
    if there in ("", "__version__") or here in ("", there):
        return None
    if here == "sandbox":
        return None if there in SANDBOX_MAY_IMPORT else "the sandbox knows only relay.model and relay.log"
    if there == "sandbox":
        return None if here in MAY_IMPORT_SANDBOX else "only the program's top knows the sandbox"
    unplaced = [name for name in (here, there) if name not in HEIGHT]
    if unplaced:
        return f"relay.{unplaced[0]} has no place in the layers yet"
    return None if HEIGHT[there] < HEIGHT[here] else f"relay.{there} is not below relay.{here}"


def layer_violations(root: Path | None = None) -> list[str]:
    found = []
    for module in modules(root) if root else modules():
        for line, target in imported(module):
            reason = wrong_direction(module, target)
            if reason:
                found.append(f"{module.name}:{line} imports {target}: {reason}")
            door = GATEKEEPERS.get(target.split(".")[0])
            if door and not within(module.name, door):
                found.append(f"{module.name}:{line} imports {target}: only {', '.join(sorted(door))} may")
    return found


def impure_uses(module: Module) -> Iterator[tuple[int, str]]:
    """What ties `module` to the clock, to chance or to the outside."""
    for line, name in imported(module):
        if name.split(".")[0] in IMPURE_MODULES or name in IMPURE_NAMES:
            yield line, f"imports {name}"
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        call = ast.unparse(node.func)
        owner = call.split(".")[-2]
        if (node.func.attr in IMPURE_CALLS and owner in ("datetime", "date")) or call in IMPURE_NAMES:
            yield node.lineno, f"calls {call}"
        elif node.func.attr == "formatdate" and not (node.args or any(key.arg == "timeval" for key in node.keywords)):
            yield node.lineno, f"calls {call} without a time"


def purity_violations(root: Path | None = None) -> list[str]:
    return [
        f"{module.name}:{line} {use}"
        for module in (modules(root) if root else modules())
        if within(module.name, PURE)
        for line, use in impure_uses(module)
    ]


def made_up(folder: Path, files: dict[str, str]) -> Path:
    """A package `relay` below `folder`, by file name."""
    for name, text in files.items():
        path = folder / "relay" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_imports_go_down_only_and_packages_have_one_door() -> None:
    assert layer_violations() == []


def test_every_part_has_a_place() -> None:
    parts = {part(module.name) for module in modules()} - {"", "sandbox"}
    assert parts <= set(HEIGHT)
    assert {"config", "log", "model", "service"} <= parts, "the tree that was read is not the relay's"


def test_the_page_on_architecture_shows_these_layers() -> None:
    page = (ROOT / "docs/architecture.md").read_text().split("\n## Layers\n")[1]
    shown = [set(line.split(" | ")) for line in page.split("```")[1].strip().splitlines()]
    present = {part(module.name) for module in modules()} - {"__main__"}
    assert shown == [layer & present for layer in LAYERS if layer & present]


def test_what_decides_is_pure() -> None:
    assert purity_violations() == []


def test_no_pure_module_has_moved_away() -> None:
    """A renamed classifier would silently leave the rule."""
    assert {module.name for module in modules()} >= PURE


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        (
            "listener/session.py",
            "from relay.delivery.worker import Worker",
            "relay.delivery is not below relay.listener",
        ),
        ("listener/session.py", "def f():\n    import relay.web", "relay.web is not below relay.listener"),
        ("spool/store.py", "from relay import upstream", "relay.upstream is not below relay.spool"),
        ("log.py", "from relay import config", "relay.config is not below relay.log"),
        ("mime.py", "from relay.config import Settings", "relay.config is not below relay.mime"),
        ("oauth/source.py", "from relay.service import serve_http", "relay.service is not below relay.oauth"),
        ("oauth/source.py", "from .cache import Cache", "is a relative import"),
        ("oauth/source.py", "from . import cache", "is a relative import"),
        ("sandbox/exchange.py", "from relay.mime import split_headers", "the sandbox knows only"),
        ("sandbox/graph.py", "import relay.service", "the sandbox knows only"),
        ("upstream/smtp.py", "from relay.sandbox import Sandbox", "only the program's top knows the sandbox"),
        ("gadgets.py", "from relay import log", "relay.gadgets has no place in the layers yet"),
        ("delivery/worker.py", "import aiosmtplib", "only relay.upstream may"),
        ("service.py", "from aiosmtpd.smtp import SMTP", "only relay.listener, relay.sandbox may"),
        ("sandbox/exchange.py", "import uvicorn", "only relay.service may"),
        ("spool/store.py", "import sqlite3", "only relay.database may"),
        ("oauth/source.py", "import httpx2", "only relay.http may"),
        ("policy.py", "from pydantic import BaseModel", "only relay.config may"),
    ],
)
def test_a_wrong_import_is_caught(tmp_path: Path, file: str, text: str, reason: str) -> None:
    found = layer_violations(made_up(tmp_path, {file: text}))
    assert len(found) == 1
    assert reason in found[0]


def test_right_imports_pass(tmp_path: Path) -> None:
    files = {
        "cli.py": "import click\nfrom relay import __version__, sandbox\nimport relay.service",
        "listener/session.py": "import aiosmtpd\nfrom relay.listener.auth import Auth\nfrom relay import policy, spool",
        "sandbox/__init__.py": "from relay import log, model\nfrom relay.sandbox.graph import app",
        "upstream/smtp.py": "import aiosmtplib\nfrom relay.oauth import Token\nfrom relay.http import HttpClient",
        "config/__init__.py": "import pydantic\nfrom relay.config.secret import Secret\nfrom relay import providers",
    }
    assert layer_violations(made_up(tmp_path, files)) == []


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("policy.py", "import asyncio", "imports asyncio"),
        ("policy.py", "from time import monotonic", "imports time.monotonic"),
        ("mime.py", "import random", "imports random"),
        ("mime.py", "from email.utils import make_msgid", "imports email.utils.make_msgid"),
        ("mime.py", "import email.utils\nx = email.utils.make_msgid()", "calls email.utils.make_msgid"),
        ("mime.py", "import email.utils\nx = email.utils.formatdate(localtime=True)", "without a time"),
        ("policy.py", "import datetime\nx = datetime.datetime.now(datetime.UTC)", "calls datetime.datetime.now"),
        ("policy.py", "from datetime import date\nx = date.today()", "calls date.today"),
        ("upstream/replies.py", "import uuid\nx = uuid.uuid4()", "calls uuid.uuid4"),
        ("upstream/graph/replies.py", "import socket", "imports socket"),
        ("advice/smtp.py", "import secrets", "imports secrets"),
    ],
)
def test_an_impure_decision_is_caught(tmp_path: Path, file: str, text: str, reason: str) -> None:
    found = purity_violations(made_up(tmp_path, {file: text}))
    assert len(found) == 1
    assert reason in found[0]


def test_values_may_be_worked_with(tmp_path: Path) -> None:
    files = {
        "mime.py": "from email.utils import formatdate\nimport email.utils\n"
        "def date(now: float) -> str:\n    return email.utils.formatdate(now, localtime=True)",
        "policy.py": "from datetime import datetime, UTC\nx = datetime.fromtimestamp(0, UTC)",
        "listener/session.py": "import asyncio, time",
    }
    assert purity_violations(made_up(tmp_path, files)) == []
