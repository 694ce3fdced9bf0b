"""For all tests: hypothesis judges what happens, not how long it takes; each test begins with the usual umask."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("relay", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("relay")


def pytest_runtest_setup() -> None:
    """A relay that ran in this process has kept its files to itself, and that would go on for the tests behind it."""
    os.umask(0o022)
