"""What is shipped beside the code: pinned requirements, the container image, the service unit, the CI's package list.

No container engine is at hand where these tests run, so the Dockerfile is read: each rule is one that a build or a run
would only show late.
"""

import json
import re
import shlex
import ssl
import subprocess
import sys
import threading
import tomllib
from configparser import ConfigParser
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
import trustme

from relay import __version__, config
from tests.support.process import PATIENCE
from tests.support.source import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))


def normal(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[ \[<>=!~;]", name, maxsplit=1)[0]).lower()


def pinned(text: str) -> dict[str, str]:
    """Requirement lines of a compiled file by name, each with its hashes."""
    lines = [line for line in text.replace("\\\n", "").splitlines() if line and not line.startswith("#")]
    return {normal(line): line for line in lines}


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, continuation lines joined, comments left out."""
    text = re.sub(r"(?m)^\s*#.*\n", "", (ROOT / "Dockerfile").read_text())
    joined = re.sub(r"\\\n\s*", " ", text)
    return [
        (word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines()) if word
    ]


def last_stage() -> list[tuple[str, str]]:
    lines = instructions()
    return lines[max(index for index, (word, _) in enumerate(lines) if word == "FROM") :]


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_every_requirement_is_pinned_by_hash(path: Path) -> None:
    text = path.read_text()
    for name, line in pinned(text).items():
        assert re.search(rf"(?i)^{name.replace('-', '[-_.]')}==[0-9]", line), line
        assert "--hash=sha256:" in line, line
    # Where the packages are served from is the reader's business.
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text


@pytest.mark.parametrize(
    ("file", "declared"),
    [
        ("run", PROJECT["project"]["dependencies"]),
        ("build", PROJECT["build-system"]["requires"]),
        ("test", PROJECT["dependency-groups"]["test"] + PROJECT["dependency-groups"]["check"]),
    ],
)
def test_the_pins_cover_what_is_declared(file: str, declared: list[str]) -> None:
    names = pinned((ROOT / "requirements" / f"{file}.txt").read_text())
    assert {normal(name) for name in declared} - set(names) == set(), "make lock"


def test_the_files_agree_on_versions() -> None:
    """They are installed one after the other into one environment."""
    versions: dict[str, set[str]] = {}
    for file in ("run", "build", "test"):
        for name, line in pinned((ROOT / "requirements" / f"{file}.txt").read_text()).items():
            versions.setdefault(name, set()).add(line.split()[0])
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_the_image_has_two_stages_from_a_named_slim_python() -> None:
    bases = [rest.split()[0] for word, rest in instructions() if word == "FROM"]
    assert len(bases) == 2
    floor = tuple(map(int, re.findall(r"\d+", PROJECT["project"]["requires-python"])))
    for base in bases:
        match = re.fullmatch(r"python:(\d+)\.(\d+)-slim-\w+", base)
        assert match, f"{base}: a Python version and a Debian release, never latest"
        assert (int(match[1]), int(match[2])) >= floor


def test_the_image_runs_as_a_user_of_its_own() -> None:
    users = [rest for word, rest in last_stage() if word == "USER"]
    assert users, "no USER in the last stage"
    uid = users[-1].split(":")[0]
    assert uid.isdigit(), "a number, so that Kubernetes' runAsNonRoot can tell that it is not root"
    assert int(uid) >= 1000


def test_the_image_installs_only_what_is_pinned() -> None:
    runs = " && ".join(rest for word, rest in instructions() if word == "RUN")
    installs = [command for command in runs.split("&&") if re.search(r"\bpip\b.* install ", command)]
    assert installs
    for command in installs:
        assert "--require-hashes" in command or ("--no-deps" in command and "--no-index" in command), command


def image_environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for word, rest in last_stage() if word == "ENV" for pair in shlex.split(rest))


def test_the_image_has_certificates_ports_and_a_state_volume() -> None:
    stage = last_stage()
    assert any(word == "RUN" and "ca-certificates" in rest for word, rest in stage)
    assert ("EXPOSE", "2525 8025 1025") in stage
    assert ("VOLUME", json.dumps([image_environment()["RELAY_STATE_FOLDER"]])) in stage


def load(environment: dict[str, str], folder: Path) -> config.Settings:
    """The settings in the image with `environment` added, whatever configuration this machine has."""
    (folder / "relay.toml").touch()
    return config.load(folder / "relay.toml", image_environment() | environment)


def test_the_image_as_it_is_takes_mail_from_everywhere_into_a_sink(tmp_path: Path) -> None:
    settings = load({}, tmp_path)
    assert [account.provider for account in settings.accounts.values()] == ["sink"]
    (client,) = settings.clients.values()
    assert client.any_login
    assert ip_address("172.17.0.1") in client.networks[0]
    (listener,) = settings.listeners.values()
    assert (str(listener.bind[0]), listener.require_tls) == ("0.0.0.0:2525", False)
    assert [str(bind) for bind in settings.web.bind] == ["0.0.0.0:8025"]


def test_the_image_with_readme_s_variables_is_a_relay(tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    command = next(block for block in blocks if "docker run" in block and "-e " in block)
    given = dict(pair.split("=", 1) for pair in re.findall(r"-e (RELAY_\S+)", command))
    for name, value in given.items():
        if name.endswith("_FILE"):
            file = tmp_path / Path(value).name
            file.write_text("a secret")
            given[name] = str(file)
    settings = load(given, tmp_path)
    assert settings.accounts["office"].host == "smtp.office365.com"
    assert settings.clients["app"].login == "app"
    assert settings.clients["app"].senders == ("noreply@contoso.com",)
    assert [str(bind) for bind in settings.listeners["smtp"].bind] == ["0.0.0.0:2525", "0.0.0.0:1025"]


@pytest.mark.parametrize("https", [False, True])
@pytest.mark.parametrize(("status", "ends"), [(200, 0), (503, 1)])
def test_the_image_s_health_check_asks_livez_with_python_alone(
    tmp_path: Path, status: int, ends: int, *, https: bool
) -> None:
    check = next(rest for word, rest in last_stage() if word == "HEALTHCHECK")
    python, option, code = json.loads(check[check.index("CMD") + 3 :])
    assert python.endswith("/bin/python")
    asked = []

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    class Server(HTTPServer):
        timeout = PATIENCE

        def handle_error(self, *args: object) -> None: ...

    def answer(server: Server, times: int) -> None:
        """With https it is asked in plain first, in vain."""
        for _ in range(times):
            server.handle_request()

    with Server(("127.0.0.1", 0), Page) as server:
        if https:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            trustme.CA().issue_cert("relay.example.com").configure_cert(context)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=answer, args=(server, 1 + https))
        thread.start()
        # A proxy in the container's environment must not be asked for the container's own page.
        environment = {"http_proxy": "http://192.0.2.1:3128"}
        done = subprocess.run(
            [sys.executable, option, code.replace("8025", str(server.server_port))], env=environment, check=False
        )
        thread.join()
    assert (done.returncode, asked) == (ends, ["/livez"])


def test_the_image_starts_the_relay_directly() -> None:
    """In exec form: a shell in between would swallow the SIGTERM that asks it to drain."""
    entry = {word: json.loads(rest) for word, rest in last_stage() if word in ("ENTRYPOINT", "CMD")}
    assert entry["ENTRYPOINT"][0].endswith("/relay")
    assert [*entry["ENTRYPOINT"], *entry["CMD"]][1:] == ["serve"]


def test_what_the_image_copies_exists_and_is_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert ignored[0] == "*", "nothing enters the image unless it is named: no secret, no .git"
    named = {line.removeprefix("!").rstrip("/") for line in ignored if line.startswith("!")}
    for word, rest in instructions():
        if word == "COPY" and "--from" not in rest:
            for source in shlex.split(rest)[:-1]:
                assert (ROOT / source).exists(), source
                assert source.split("/")[0] in named or source in named, f"{source} is ignored"


def test_the_service_unit_is_closed_up() -> None:
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment]
    unit.read(ROOT / "packaging" / "smtp-oauth-relay.service")
    service = unit["Service"]
    closed = {
        "NoNewPrivileges",
        "PrivateTmp",
        "PrivateDevices",
        "ProtectHome",
        "ProtectKernelModules",
        "RestrictSUIDSGID",
    }
    assert {name for name in closed if service.get(name) != "yes"} == set()
    assert service["ProtectSystem"] == "strict"
    assert service["StateDirectoryMode"] == "0700"
    assert service["ExecStart"].endswith("/relay serve")
    assert service["Type"] == "notify"  # which tests/service/test_systemd.py shows that the relay obeys
    assert service["Restart"] == "on-failure"
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"


def test_the_package_list_of_ci_can_be_read() -> None:
    rows = [line.split(maxsplit=2) for line in (ROOT / ".ci" / "packages").read_text().splitlines()]
    assert all(len(row) == 3 for row in rows if row and not row[0].startswith("#"))


def test_the_changelog_has_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(rf"^## \[(Unreleased|{re.escape(__version__)})\]", text, re.MULTILINE)
    kinds = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
