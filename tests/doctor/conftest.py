"""A stand-in Microsoft, and the examination of an account `office` at it."""

import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from relay import config
from relay.config import Settings
from relay.doctor import Report, State, Step, diagnose
from relay.sandbox import Fault, Sandbox, SandboxSettings
from relay.service import serve_http

MAILBOX = "noreply@sandbox.onmicrosoft.com"


@dataclass
class Practice:
    """Writes configurations for the account and examines it."""

    folder: Path
    sandbox: Sandbox
    told: list[Step] = field(default_factory=list)

    def settings(self, account: str = "", oauth: str = "", rest: str = "", **changes: str) -> Settings:
        """The configuration; `changes` replace a line by its key, "" removes it."""
        at, tenant = self.sandbox, self.sandbox.settings
        lines = {
            "tenant": f'"{tenant.tenant}"',
            "mailbox": f'"{tenant.mailbox}"',
            "host": f'"{at.smtp[0]}"',
            "port": str(at.smtp[1]),
            "ca_file": f'"{at.ca_file}"',
            "client_id": f'"{tenant.client_id}"',
            "client_secret": f'"{tenant.client_secret}"',
            "token_endpoint": f'"{at.token_endpoint}"',
        } | changes
        table = {key: f"{key} = {value}\n" for key, value in lines.items() if value}
        inner = "".join(table.pop(key, "") for key in ("client_id", "client_secret", "token_endpoint"))
        file = self.folder / "relay.toml"
        file.write_text(
            f'state_folder = "{self.folder}/state"\n[accounts.office]\nprovider = "microsoft"\n'
            f"{''.join(table.values())}{account}\n[accounts.office.oauth]\n{inner}{oauth}\n"
            f'[http]\nca_file = "{at.ca_file}"\n{rest}\n'
        )
        file.chmod(0o600)
        return config.load(file, {"HOME": str(self.folder)})

    def graph(self, **changes: str) -> Settings:
        """The same by Graph."""
        endpoint = f'"{self.sandbox.graph_endpoint}"'
        ways = {"host": "", "port": "", "ca_file": "", "via": '["graph"]', "mail_endpoint": endpoint}
        return self.settings(**(ways | changes))

    def order(self, kind: str, **options: object) -> None:
        self.sandbox.faults.add(Fault(kind=kind, **options))  # type: ignore[arg-type]

    async def examine(self, settings: Settings) -> Report:
        """The report, which has to be what was told step by step."""
        report = await diagnose(settings, "office", self.told.append)
        assert list(report.steps) == self.told
        return report


@pytest.fixture
def tenant() -> SandboxSettings:
    """The tenant; a test file may have another."""
    return SandboxSettings()


@pytest.fixture
async def practice(tmp_path: Path, tenant: SandboxSettings) -> AsyncIterator[Practice]:
    async with Sandbox(replace(tenant, folder=tmp_path / "stand-in"), serve_http) as sandbox:
        yield Practice(tmp_path, sandbox)


def step(report: Report, name: str) -> Step:
    """The one step of this name."""
    found = [one for one in report.steps if one.name == name]
    assert len(found) == 1, report
    return found[0]


def states(report: Report) -> dict[str, State]:
    """How each step ended; of several senders the last one."""
    return {one.name: one.state for one in report.steps}


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port on 127.0.0.1 that refuses connections as long as the test lasts."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
