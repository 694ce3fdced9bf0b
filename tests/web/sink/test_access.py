"""Who may use the sink's API: names, other sites, passwords, other machines, a proxy in front."""

from pathlib import Path

import httpx2
import pytest

from relay import config
from relay.service.sink_plane import names_of
from tests.support.door import QUICK_HASH
from tests.web.sink.conftest import Api, mail, served

HASH = QUICK_HASH.hash("secret")


@pytest.mark.parametrize("name", ["evil.example", "localhost.evil.example", "192.0.2.7", ""])
def test_a_name_that_was_made_to_point_here_is_refused(api: Api, name: str) -> None:
    answer = api.http.get("/api/v1/messages", headers={"host": name})
    assert answer.status_code in (400, 421)
    assert api.http.get("/livez", headers={"host": name or "x"}).status_code == 200


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST:1", "mail.localhost", "127.0.0.1", "[::1]:8025", "sink.test"])
def test_names_of_this_machine_are_answered(api: Api, name: str) -> None:
    assert api.http.get("/api/v1/messages", headers={"host": name}).status_code == 200


def test_names_that_were_configured_are_answered(tmp_path: Path) -> None:
    with served(tmp_path, web='hosts = ["Mail.example.com"]') as api:
        assert api.http.get("/api/v1/messages", headers={"host": "mail.example.com"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://127.0.0.1:1"},
    ],
)
def test_another_site_changes_and_reads_nothing(api: Api, headers: dict[str, str]) -> None:
    api.send(mail())
    for method, path in (("DELETE", "/api/v1/messages"), ("POST", "/api/v1/send"), ("PUT", "/api/v1/chaos")):
        answer = api.http.request(method, path, headers={**headers, "content-type": "text/plain"}, content=b"{}")
        assert answer.status_code == 403, (method, path)
    if "origin" in headers:
        assert api.http.get("/api/v1/messages", headers=headers).status_code == 403
    assert api.get("/api/v1/messages")["total"] == 1


def test_its_own_page_and_programs_may(api: Api) -> None:
    own = str(api.http.base_url).rstrip("/")
    for headers in ({"origin": own}, {"sec-fetch-site": "same-origin", "origin": own}, {"sec-fetch-site": "none"}, {}):
        assert api.http.put("/api/v1/messages", json={}, headers=headers).status_code == 200


def test_a_password_closes_the_sink(tmp_path: Path) -> None:
    with served(tmp_path, web=f"sink_password_hash = '{HASH}'") as api:
        api.send(mail())
        for path in ("/api/v1/messages", "/view/latest.html", "/api/events", "/api/v1/info"):
            answer = api.http.get(path)
            assert (answer.status_code, answer.text) == (401, "Unauthorized.\n"), path
            assert answer.headers["www-authenticate"] == 'Basic realm="Login"'
        assert api.http.get("/api/v1/messages", auth=("anyone", "wrong")).status_code == 401
        assert api.http.get("/api/v1/messages", headers={"authorization": "Basic !"}).status_code == 401
        assert api.http.get("/api/v1/messages", auth=("anyone", "secret")).json()["total"] == 1
        assert [api.http.get(path).status_code for path in ("/livez", "/readyz")] == [200, 200]


REAL = '[accounts.office]\nprovider = "smtp"\nhost = "192.0.2.1"\nmailbox = "a@x.org"\n'


def test_other_machines_need_a_password_where_there_is_a_real_account(tmp_path: Path) -> None:
    """A proxy on this machine says who asks."""
    with served(tmp_path, more=REAL) as api:
        assert api.http.get("/api/v1/messages").status_code == 200
        answer = api.http.get("/api/v1/messages", headers={"x-forwarded-for": "192.0.2.7"})
        assert answer.status_code == 403
        assert "web.sink_password_hash" in answer.text


def test_a_container_s_sink_is_open_by_address(tmp_path: Path) -> None:
    with served(tmp_path) as api:
        assert api.http.get("/api/v1/messages", headers={"x-forwarded-for": "192.0.2.7"}).status_code == 200
    file = tmp_path / "everywhere.toml"
    file.write_text('[web]\nbind = ["0.0.0.0:0"]\n')
    assert names_of(config.load(file, {})).any_address
    assert not names_of(config.load(tmp_path / "relay.toml", {})).any_address


def test_below_a_path_of_a_proxy(tmp_path: Path) -> None:
    with served(tmp_path, web='base_path = "/mail/"') as api:
        assert str(api.http.base_url).endswith("/mail/")
        identifier = api.send(b'Content-Type: text/html\r\n\r\n<img src="cid:a">\r\n')
        root = str(api.http.base_url).removesuffix("/mail/")
        with httpx2.Client(base_url=root, trust_env=False) as http:
            assert http.get("/mail/api/v1/messages").json()["total"] == 1
            assert http.get("/mail/").status_code == 200
            assert http.get("/mail").headers["location"] == "/mail/"
            assert http.get("/livez").status_code == 200
            assert http.get("/api/v1/messages").status_code == 404
            assert http.get(f"/mail/view/{identifier}.html").status_code == 200
