"""Both APIs, asked by schemathesis for what their documents say and for what they do not: nothing breaks inside.

`make test` installs it and asks for seconds, `make fuzz-api` for minutes; without it these tests are left out. Whether
each field of a request is held to its schema is not looked at: the sink takes null for "not given", as Mailpit does.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.process import PATIENCE, QUIET, RelayProcess, clean_environ, relay
from tests.support.source import ROOT
from tests.support.way import message, send, way
from tests.web.parts import PAGE, PASSWORD, hashed, mail
from tests.web.parts import send as send_to_sink

PROGRAM = Path(os.environ.get("SCHEMATHESIS") or ROOT / ".venv" / "fuzz-api" / "bin" / "schemathesis")
SECONDS = int(os.environ.get("FUZZ_SECONDS") or 8)
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,unsupported_method,allow_header_conformance,ignored_auth"
)
pytestmark = pytest.mark.skipif(not PROGRAM.is_file(), reason="needs schemathesis (make fuzz-api)")


def asked(folder: Path, document: str, *options: str) -> None:
    """Let it ask; fails with what it found."""
    done = subprocess.run(
        [
            *(str(PROGRAM), "run", document, "--checks", CHECKS, "--max-time", str(SECONDS), "--no-color"),
            *("--phases", "coverage,fuzzing"),
            *("--continue-on-failure", "--request-timeout", str(PATIENCE), "--warnings", "off", *options),
        ],
        cwd=folder,  # it keeps what it learns there
        env=clean_environ(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS * 5 + 120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-12_000:]
    count = re.search(r"(\d+) generated", done.stdout)
    assert count is not None, done.stdout
    assert int(count[1]) > 0


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[RelayProcess]:
    with relay(tmp_path, "serve", environ={**QUIET, "RELAY_SINK__CHAOS": "true"}) as process:
        process.wait_for("started")
        for number in range(3):
            send_to_sink(process, mail(f"Number {number}", PAGE))
        yield process


def test_the_sink_api(sink: RelayProcess, tmp_path: Path) -> None:
    # A stream does not end, a search may wait for five minutes, and what is deleted is not there to be asked for.
    left_out = ("--exclude-path", "/api/events", "--exclude-path", "/api/v1/search", "--exclude-method", "DELETE")
    asked(tmp_path, f"{sink.page}api/v1/openapi.json", *left_out)
    asked(tmp_path, f"{sink.page}api/v1/openapi.json", "--include-method", "DELETE")
    assert "internal error" not in sink.output


def test_the_admin_api(tmp_path: Path) -> None:
    with way(tmp_path) as at:
        config = at.config()
        config.write_text(config.read_text().replace("[web]\n", f'[web]\npassword_hash = "{hashed(PASSWORD)}"\n'))
        with relay(tmp_path, "serve", "--config", str(config)) as process:
            process.wait_for("started")
            send(process, message("To be asked for").as_bytes())
            process.wait_for("sent")
            asked(tmp_path, f"{process.page}api/admin/openapi.json", "--auth", f"admin:{PASSWORD}")
            assert "internal error" not in process.output
