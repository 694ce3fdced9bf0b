"""The sink API's document tells the truth; the links of a message are told, and nobody is asked."""

import re

from relay.web.sink.openapi import OPERATIONS, PATH
from tests.support.browser import Tracker
from tests.web.sink.conftest import Api, mail


def test_the_document_tells_of_routes_that_are_there(api: Api) -> None:
    told = api.get(PATH)
    assert told["openapi"].startswith("3.1")
    named = {(method.upper(), path) for path, methods in told["paths"].items() for method in methods}
    assert named == set(OPERATIONS)
    for path in told["paths"]:
        place = re.sub(r"{\w+}", "x", path)
        refused = api.http.patch(place)
        assert refused.status_code == 405, f"{place} is not there"
        assert {method for method, each in named if each == path} <= set(refused.headers["allow"].split(", "))


def test_links_are_told_and_nobody_is_asked(api: Api) -> None:
    with Tracker() as tracker:
        made = mail(text=f"See {tracker.address}/text?a=1.\n")
        made.add_alternative(
            f'<a href="{tracker.address}/page?a=1&amp;b=2">x</a><img src={tracker.address}/i>', subtype="html"
        )
        identifier = api.send(made)
        told = api.get(f"/api/v1/message/{identifier}/link-check", params={"follow": "true"})
        assert [link["URL"].removeprefix(tracker.address) for link in told["Links"]] == [
            "/page?a=1&b=2",
            "/i",
            "/text?a=1",
        ]
        assert {(link["StatusCode"], link["Status"]) for link in told["Links"]} == {
            (0, "Not asked: the relay fetches nothing that mail names")
        }
        assert told["Errors"] == 3  # as Mailpit counts what gave no answer: nobody may take it for checked
        assert tracker.hits == []
    assert api.http.get(f"/api/v1/message/{identifier}/html-check").status_code == 404


def test_a_view_leads_to_the_page(api: Api) -> None:
    assert api.http.get("/view/latest").status_code == 404
    identifier = api.send(mail("On the page"))
    answer = api.http.get("/view/latest")
    assert (answer.status_code, answer.headers["location"]) == (302, f"/mail/{identifier}")
    assert "On the page" in api.http.get(answer.headers["location"]).text
