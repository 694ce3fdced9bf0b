"""With 50,000 messages waiting and as many caught, every page that is opened by itself costs less than 100 ms.

`python -m benchmarks.pages` tells the figures one by one.
"""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from benchmarks import crowd
from benchmarks.pages import SETTINGS
from relay.pytest_plugin import RelaySink
from tests.support.process import PATIENCE
from tests.web.parts import PASSWORD, hashed

COUNT = 50_000


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """Somebody who is logged in."""
    folder: Path = tmp_path_factory.mktemp("many")
    asyncio.run(crowd.fill(folder, COUNT, text=b"Hello\r\n"))
    door = f'[web]\npassword_hash = "{hashed(PASSWORD)}"\n'
    server = RelaySink(folder, SETTINGS.format(folder=folder).replace("[web]\n", door))
    server.start()
    try:
        with httpx2.Client(base_url=server.url, trust_env=False, timeout=PATIENCE) as client:
            assert client.post("/login", data={"password": PASSWORD}).status_code == 303
            yield client
    finally:
        server.stop()


PATHS = (
    *("/queue", "/queue?view=waiting", "/queue?view=retrying", "/queue?view=failed", "/queue?view=held"),
    *("/queue?page=900", "/queue?account=office", "/queue?account=sink", "/queue/queued0000025000"),
    *("/accounts", "/accounts/office", "/accounts/sink", "/clients", "/api/admin/queue?view=retrying"),
    *("/mail", "/mail?page=900", "/mail/caught0000025000", "/api/v1/messages", "/api/v1/messages?start=49900"),
)


def test_pages_cost_less_than_100_ms_and_count_right(page: httpx2.Client) -> None:
    for path in PATHS:
        least = cost(page, path)
        for _ in range(3):
            least = min(least, cost(page, path)) if least >= 0.1 else least
        assert least < 0.1, f"{path}: {least * 1000:.0f} ms"
    count(page)


def cost(page: httpx2.Client, path: str) -> float:
    """Seconds of processor time; server and client are this process, and what else runs does not count."""
    began = time.process_time()
    assert page.get(path).status_code == 200
    return time.process_time() - began


def count(page: httpx2.Client) -> None:
    """The tabs tell the truth, and so does the end of the list."""
    told = page.get("/api/admin/queue", params={"limit": "1"}).json()
    assert told["total"] == COUNT
    for view, number in {"waiting": COUNT // 2, "retrying": COUNT // 2, "failed": 0, "held": 0, "sent": 0}.items():
        assert page.get("/api/admin/queue", params={"view": view, "limit": "1"}).json()["total"] == number
        assert f"{number:,}" in page.get("/queue", params={"view": view}).text
    (deep,) = page.get("/api/admin/queue", params={"start": "44999", "limit": "1"}).json()["messages"]
    assert deep["id"] == "queued0000005000"
