"""The sink's HTTP API: Mailpit's routes, so that its client libraries work unchanged, and some of our own.

`mailbox` lists, searches and changes many; `one` shows one message; `sending` takes mail by HTTP and releases caught
mail; `chaos` has the listener refuse on purpose; `about` tells numbers and news. `asking` reads requests, `answers` has
the shapes of what goes back, `access` says who may ask.
"""

from starlette.routing import Route

from relay.web.sink.about import About
from relay.web.sink.access import Access
from relay.web.sink.chaos import Chaos
from relay.web.sink.mailbox import Mailbox
from relay.web.sink.one import One
from relay.web.sink.openapi import document_route
from relay.web.sink.plane import Plane
from relay.web.sink.sending import Sending

__all__ = ["Access", "Plane", "routes"]


def routes(plane: Plane) -> list[Route]:
    """All routes of the sink API."""
    return [document_route(plane.base_path), *_told(plane)]


def _told(plane: Plane) -> list[Route]:
    """What the document tells of."""
    parts = (Mailbox, One, Sending, Chaos, About)
    return [route for part in parts for route in part(plane).routes()]
