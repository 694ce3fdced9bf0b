"""The clients: who sent when, who was refused and why; and the configuration as it runs."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from relay.config import values
from relay.web.admin.state import reloaded
from relay.web.frame import Frame
from relay.web.gate import visitor


class Clients:
    """`/clients` and `/configuration`."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._view = frame.view

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/clients", self.listing, methods=["GET"]),
            Route("/configuration", self.configuration, methods=["GET"]),
            Route("/configuration/reload", self.reload, methods=["POST"]),
        ]

    async def reload(self, request: Request) -> Response:
        """Read the configuration again; what came of it is told on the page behind it."""
        reading = await reloaded(self._view, visitor(request))
        if reading is None:
            return self._frame.done("/configuration", "This relay has to be restarted for that.", good=False)
        if reading.problems:
            text = "The configuration cannot be used; the old one stays."
            return self._frame.done("/configuration", text, good=False, lines=reading.problems)
        return self._frame.done("/configuration", "The configuration was read again.", lines=reading.lines)

    async def listing(self, request: Request) -> Response:
        """Each client with what it did since the start, then the last refusals."""
        settings, book = self._view.settings(), self._view.visitors
        clients = [(name, client, book.of(name)) for name, client in settings.clients.items()]
        chosen = request.query_params.get("client", "")
        refusals = [one for one in book.refusals if not chosen or one.client == chosen]
        return await self._frame.page(request, "clients.html", clients=clients, refusals=refusals, chosen=chosen)

    async def configuration(self, request: Request) -> Response:
        """Every value that is in force, and where it came from; secrets stay hidden."""
        settings = self._view.settings()
        text = request.query_params.get("q", "")[:200]
        written = request.query_params.get("all", "") != "yes"
        found = [
            one
            for one in values(settings)
            if text.lower() in one.key.lower() and not (written and not text and one.origin == "default")
        ]
        return await self._frame.page(
            request,
            "configuration.html",
            found=found,
            text=text,
            written=written,
            settings=settings,
            reading=self._view.reading(),
        )
