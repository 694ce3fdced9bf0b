"""The integration tests of pytest-mailpit, a client of Mailpit's, run against the sink: they are not ours to change.

`make test` fetches them with the source distribution, pinned by its hash. What is left out is listed with the reason.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.source import ROOT
from tests.web.sink.conftest import Api

SOURCE = Path(os.environ.get("PYTEST_MAILPIT_SOURCE") or ROOT / ".venv" / "mailpit")
LEFT_OUT = {
    "test_browser.py": "needs Chromium and playwright: our own browser tests open the same page",
    "test_container.py": "starts Mailpit itself in a container",
    "test_quality_checks.py::test_links_that_work_pass": "the sink asks no server for the links that are in mail",
    "test_quality_checks.py::test_a_broken_link_fails_with_its_status": "the same",
    "test_quality_checks.py::test_html_support": "needs the data set of caniemail.com",
    "test_plugin.py::test_a_failed_tests_real_email_lands_in_allure_and_pytest_html": "needs allure, pytest-html",
}


@pytest.mark.skipif(not (SOURCE / "tests").is_dir(), reason="make test fetches pytest-mailpit's tests")
def test_pytest_mailpit_s_own_tests_pass(api: Api, tmp_path: Path) -> None:
    options = {name: "--deselect" if "::" in name else "--ignore" for name in LEFT_OUT}
    left_out = [f"{option}=tests/integration/{name}" for name, option in options.items()]
    own = re.compile(r"RELAY_|PYTEST_|COV_|.*_proxy$")
    environ = {key: value for key, value in os.environ.items() if not own.match(key)}
    environ |= {
        "MAILPIT_URL": api.server.url,
        "MAILPIT_SMTP": f"{api.server.host}:{api.server.port}",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-m", "integration", "-p", "no:cacheprovider", "-p", "no:randomly"),
            *("--basetemp", str(tmp_path / "inner"), *left_out, "tests/integration"),
        ],
        cwd=SOURCE,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= 33, done.stdout[-2000:]


def test_what_is_left_out_still_exists() -> None:
    if not (SOURCE / "tests").is_dir():
        pytest.skip("make test fetches pytest-mailpit's tests")
    for name in LEFT_OUT:
        file, _, test = name.partition("::")
        assert f"def {test}" in (SOURCE / "tests" / "integration" / file).read_text(), name
