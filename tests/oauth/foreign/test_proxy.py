"""A provider that only a web proxy can reach: the proxy wants a login, and the certificate is of an own authority."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from relay.config import Http, OAuth, Secret
from relay.http import HttpClient
from relay.model import Clock
from relay.oauth import source
from tests.oauth.foreign.parts import client, refusal_of, register
from tests.oauth.foreign.server import Foreign
from tests.support.web import NAME, Proxy

LOGIN = "relay:pr0xy-p4ss"


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Foreign]:
    """The foreign server under a name that no resolver knows."""
    with Foreign(tmp_path, host=NAME) as server:
        register(server)
        yield server


@pytest.mark.parametrize("found_by", ["token_endpoint", "issuer"])
async def test_every_request_goes_through_the_proxy(far: Foreign, tmp_path: Path, found_by: str) -> None:
    port = urlsplit(far.issuer).port
    assert port is not None
    proxy = Proxy(port, LOGIN)
    place: dict[str, Any] = {found_by: far.endpoints[found_by], "scopes": ("mail",)}
    oauth = OAuth(**client("basic", tmp_path) | place)
    async with proxy.running() as door:
        http = HttpClient(Http(proxy=Secret(f"http://{LOGIN}@127.0.0.1:{door}"), ca_file=far.ca_file))
        tokens = source("office", oauth, http, Clock())
        assert (await tokens.get()).value == far.records.issued[0].access_token
        await tokens.close()
        await http.close()
    assert set(proxy.asked) == {f"CONNECT {NAME}:{port} HTTP/1.1"}, "nothing but a tunnel: the proxy sees no secret"


async def test_a_wrong_login(far: Foreign, tmp_path: Path) -> None:
    oauth = OAuth(**client("post", tmp_path), token_endpoint=far.endpoints["token_endpoint"])
    async with Proxy(1, LOGIN).running() as door:
        http = HttpClient(Http(proxy=Secret(f"http://relay:wr0ng-p4ss@127.0.0.1:{door}"), ca_file=far.ca_file))
        error = await refusal_of(source("office", oauth, http, Clock()).get())
        await http.close()
    assert (error.error, error.temporary) == ("unreachable", True)
    assert "407" in str(error)
    assert "[http] proxy" in error.hint
    assert "p4ss" not in str(error)


async def test_an_authority_that_nobody_configured(far: Foreign, tmp_path: Path) -> None:
    port = urlsplit(far.issuer).port
    assert port is not None
    oauth = OAuth(**client("post", tmp_path), token_endpoint=far.endpoints["token_endpoint"])
    async with Proxy(port).running() as door:
        http = HttpClient(Http(proxy=Secret(f"http://127.0.0.1:{door}")))
        error = await refusal_of(source("office", oauth, http, Clock()).get())
        await http.close()
    assert "not trusted" in str(error)
    assert "[http] ca_file" in error.hint
    assert far.records.asked == []
