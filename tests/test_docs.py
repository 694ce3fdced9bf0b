"""What is written for people and what the program does are the same: keys, commands, examples, links."""

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import trustme

from relay import cli, config
from relay.config.schema import every_key
from tests.support.keys import rsa_key, service_account
from tests.support.process import QUIET, relay
from tests.support.source import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
KEYS_PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
COMMANDS_PAGE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
"""All but that of the benchmarks, which docs/development.md leads to."""
EXAMPLE = (ROOT / "config.example.toml").read_text(encoding="utf-8")
KEYS = {".".join(path) for path in every_key()}
# A secret's twin `k_file` is one rule for all of them: it need not be told at each.
TWINS = {key for key in KEYS if key.endswith("_file") and key.removesuffix("_file") in KEYS}


def section(title: str, text: str = README) -> str:
    """What stands under a heading, up to the next one of its level."""
    start = text.index(f"\n## {title}\n")
    end = text.find("\n## ", start + 4)
    return text[start : end if end > 0 else len(text)]


def documented_keys() -> dict[str, str]:
    """The keys in the page's tables, each under the table that its heading names, with what stands for its default."""
    found = {}
    for part in KEYS_PAGE.split("\n## ")[1:]:
        heading = re.match(r"`\[([\w.]+)\]`\n", part)
        prefix = f"{heading[1]}." if heading else ""
        for key, default in re.findall(r"^\| `([\w.]+)` \| (.*?) \|", part, re.MULTILINE):
            found[prefix + key] = default
    return found


def example_lines(text: str) -> Iterator[tuple[str, str]]:
    """The keys in an example file with their lines, those that are commented out (`#key = ...`) included."""
    table = ""
    for line in text.splitlines():
        if header := re.fullmatch(r"#? ?\[([\w.]+)\] *(?:#.*)?", line):
            parts = header[1].split(".")
            named = parts[0] in ("listeners", "clients", "accounts")
            table = ".".join([parts[0], "NAME", *parts[2:]] if named else parts) + "."
        elif key := re.match(r"#? ?([a-z_]+) *=", line):
            yield table + key[1], line


def example_keys(text: str) -> set[str]:
    return {key for key, _ in example_lines(text)}


def as_written(value: object) -> str:
    """A TOML value as the page writes defaults."""
    if isinstance(value, list):
        return ", ".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def commands(group: click.Command = cli.main, name: str = "relay") -> Iterator[tuple[str, click.Command]]:
    """Every command by its whole name."""
    if not isinstance(group, click.Group):
        yield name, group
        return
    for word, command in group.commands.items():
        yield from commands(command, f"{name} {word}")


def fenced(language: str, text: str) -> list[str]:
    return [
        block
        for kind, block in re.findall(r"^ *```(\w*)\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
        if kind == language
    ]


def test_the_page_explains_every_key_and_no_other() -> None:
    told = set(documented_keys())
    assert told - KEYS == set()
    assert KEYS - TWINS - told == set()


def test_the_page_and_the_example_tell_the_same_defaults() -> None:
    """In the example `#key = value` is the default. The page may say it in words; a value there must be that one."""
    told = documented_keys()
    compared = []
    for key, line in example_lines(EXAMPLE):
        if line.startswith("#") and not line.startswith("# ") and re.match(r"[`0-9]", told[key]):
            (value,) = tomllib.loads(line[1:]).values()
            assert as_written(value) in re.sub('[`"]', "", told[key]), key
            compared.append(key)
    assert len(compared) > 25


def test_the_page_marks_the_secrets() -> None:
    """The mark is what tells a reader of the twin."""
    rows = re.findall(r"^\| `(?:\w+\.)?(\w+)` \|.*\*secret\* \|$", KEYS_PAGE, re.MULTILINE)
    assert set(rows) == {twin.removesuffix("_file").rpartition(".")[2] for twin in TWINS}


def test_the_example_shows_every_key_and_no_other() -> None:
    shown = example_keys(EXAMPLE)
    assert shown - KEYS == set()
    assert {key for key in KEYS - TWINS if key not in shown and f"{key}_file" not in shown} == set()


def test_a_key_that_is_missing_or_wrong_would_be_seen() -> None:
    text = '[accounts.office]\nprovider = "microsoft"\n#tenants = "x"\n\n#[accounts.office.oauth]\n# client_id = "x"\n'
    assert example_keys(text) == {"accounts.NAME.provider", "accounts.NAME.tenants", "accounts.NAME.oauth.client_id"}


def test_the_example_loads(tmp_path: Path) -> None:
    copy = tmp_path / "relay.toml"
    shutil.copy(ROOT / "config.example.toml", copy)
    assert config.load(copy, {"HOME": str(tmp_path)}).accounts


OFFICE = fenced("toml", README)[0]


@pytest.mark.parametrize("block", [block for page in PAGES for block in fenced("toml", page.read_text())])
def test_every_example_in_the_pages_loads(block: str, tmp_path: Path) -> None:
    """A piece without an account is added to the five lines, as the text says. Its files are stood in for."""
    whole = block if "[accounts." in block else OFFICE + block
    certificate = trustme.CA().issue_cert("relay.example.com")
    for key, path in re.findall(r'^(\w+) = "(/[^"]+|[^"]+\.(?:pem|json))"', whole, re.MULTILINE):
        file = tmp_path / Path(path).name
        file.touch(mode=0o600)
        file.write_text("a secret")
        if key in ("certificate", "certificate_file", "ca_file"):
            certificate.cert_chain_pems[0].write_to_path(file)
        elif path.endswith(".json"):
            file.write_text(service_account(rsa_key()))
        elif key in ("key", "private_key_file"):
            certificate.private_key_pem.write_to_path(file)
        whole = whole.replace(path, str(file))
    file = tmp_path / "relay.toml"
    file.touch(mode=0o600)
    file.write_text(whole)
    settings = config.load(file, {"HOME": str(tmp_path)})
    assert set(tomllib.loads(whole)["accounts"]) == set(settings.accounts)
    assert settings.warnings == (), block


def test_the_page_names_every_command_and_every_option() -> None:
    rows = dict(re.findall(r"^\| `(relay [\w -]+?)(?: [A-Z]+)?` \| (.*) \|$", COMMANDS_PAGE, re.MULTILINE))
    known = dict(commands())
    assert set(rows) == set(known)
    # What the commands of the queue have in common is told once, below the table and with `list`.
    shared = COMMANDS_PAGE.rpartition("\n| ")[2] + rows["relay queue list"]
    for name, command in known.items():
        told = rows[name] + (shared if name.startswith("relay queue ") else "")
        options = {param.opts[-1] for param in command.params if isinstance(param, click.Option)} - {"--config"}
        assert {option for option in options if f"`{option}" not in told} == set(), name


def test_the_pages_name_no_command_that_does_not_exist() -> None:
    known = {" ".join(name.split()[:2]) for name, _ in commands()}
    for page in PAGES:
        code = re.findall(r"`relay ([a-z-]+)", page.read_text()) + re.findall(
            r"^relay ([a-z-]+)", page.read_text(), re.MULTILINE
        )
        assert {f"relay {word}" for word in code} <= known, page.name


def test_the_pages_name_no_make_target_that_does_not_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        text = page.read_text()
        named = set(re.findall(r"`make ([a-z-]+)", text)) | set(re.findall(r"^make ([a-z-]+)$", text, re.MULTILINE))
        assert named <= targets, page.name
    assert set(re.findall(r'@echo "make ([a-z-]+) ', (ROOT / "Makefile").read_text())) <= targets


def anchors(page: Path) -> set[str]:
    """What a link to a heading of `page` ends in, as GitHub makes it."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def test_links_inside_the_repository_lead_somewhere() -> None:
    for page in (*PAGES, ROOT / "benchmarks" / "README.md"):
        for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
            if "://" in link:
                continue
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), f"{page.name}: {link}"
            assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


def places_of_the_code() -> Iterator[tuple[Path, str]]:
    """What is read besides the pages: the code with its messages and comments, and what is shipped beside it."""
    folders = [ROOT / name for name in ("relay", "tests", "benchmarks", "packaging", ".ci")]
    files = [file for folder in folders for file in folder.rglob("*") if file.suffix in (".py", ".html", ".js", ".yml")]
    for file in [*files, *(ROOT / "packaging").glob("*.service"), *map(ROOT.joinpath, ("Dockerfile", "Makefile"))]:
        if file != Path(__file__):
            yield file, file.read_text(encoding="utf-8")
    yield ROOT / "config.example.toml", EXAMPLE


def test_the_code_names_no_page_that_does_not_exist() -> None:
    """Nor a section: `README, "As a service"`, or `docs/sink.md, Search`."""
    named = 0
    for file, text in places_of_the_code():
        for path in re.findall(r"\b(?:[a-z]+/)?[A-Za-z_]+\.md\b", text):
            named += 1
            assert (ROOT / path).exists(), f"{file.relative_to(ROOT)}: {path}"
        for page, title in re.findall(r'(README|docs/[a-z-]+\.md), "?([A-Z][\w ,]+?)[").]', text):
            path = ROOT / (page if page.endswith(".md") else f"{page}.md")
            assert f"\n## {title}\n" in path.read_text(), f"{file.relative_to(ROOT)}: {page}, {title}"
            named += 1
    assert named > 5


def test_the_pages_name_no_file_that_does_not_exist() -> None:
    for page in (*PAGES, ROOT / "benchmarks" / "README.md"):
        for path in re.findall(
            r"`((?:relay|tests|docs|packaging|benchmarks|requirements)/[\w./-]+)`", page.read_text()
        ):
            assert (ROOT / path).exists(), f"{page.name}: {path}"


def test_the_map_for_developers_has_every_package() -> None:
    text = (ROOT / "docs" / "development.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| .+? \| (.*)\|$", text, re.MULTILINE))
    parts = {path.stem for path in (ROOT / "relay").iterdir() if path.is_dir() or path.suffix == ".py"}
    assert set(rows) == parts - {"__init__", "__main__", "__pycache__"}
    for package, files in rows.items():
        for file in re.findall(r"`(\w+\.py)`", files):
            assert (ROOT / "relay" / package / file).exists(), f"{package}/{file}"


def test_every_page_is_in_readme_s_list() -> None:
    """A newcomer finds each from the first page, and what each is for."""
    listed = re.findall(r"^\| .+ \| \[(.+)\]\(\1\) \|$", section("Where to read on"), re.MULTILINE)
    assert sorted(listed) == sorted(str(page.relative_to(ROOT)) for page in PAGES if page.name != "README.md")


def test_readme_is_read_in_ten_minutes() -> None:
    """At 250 words a minute; what is to be copied is not read."""
    prose = re.sub(r"^ *```.*?^ *```", "", README, flags=re.MULTILINE | re.DOTALL)
    assert len(prose.split()) < 2500


def first_messages() -> list[str]:
    """README's commands that send a first message."""
    return [
        block for block in fenced("sh", section("Try it")) if re.search(r"localhost:2525|\"localhost\", 2525", block)
    ]


@pytest.mark.parametrize("block", first_messages(), ids=lambda block: re.findall("curl|swaks|python3", block)[0])
def test_readme_s_first_messages_arrive(block: str, tmp_path: Path) -> None:
    if "swaks" in block and shutil.which("swaks") is None:
        pytest.skip("swaks is not installed")
    environ = QUIET | {"RELAY_STATE_FOLDER": str(tmp_path / "state")}
    with relay(tmp_path, "serve", environ=environ) as process:
        command = block.replace("localhost:2525", f"127.0.0.1:{process.port}")
        command = command.replace('"localhost", 2525', f'"127.0.0.1", {process.port}')
        done = subprocess.run(["sh", "-euc", command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "you@example.com" in str(process.wait_for("sent"))


def test_readme_has_a_first_message_for_each_client() -> None:
    assert len(first_messages()) == 3
