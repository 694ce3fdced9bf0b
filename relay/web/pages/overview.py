"""The first page: how the relay is doing; and for who is not let in, how to begin."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from relay.spool.ages import Ages
from relay.spool.selection import Selection
from relay.web import charts
from relay.web.frame import Frame
from relay.web.gate import visitor
from relay.web.pages.mail import Mail
from relay.web.stuck import in_trouble

_MOST_ROWS = 50
_SPANS = {"hour": (3600.0, 60), "day": (86400.0, 96)}


class Overview:
    """`/` and `/changes`."""

    def __init__(self, frame: Frame, mail: Mail) -> None:
        self._frame = frame
        self._mail = mail
        self._view = frame.view

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/", self.show, methods=["GET"]),
            Route("/overview", self.show, methods=["GET"]),
            Route("/changes", self.changes, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """Counts, charts, what needs attention, the newest messages."""
        first = request.scope["path"] == "/"
        if first and self._frame.sees_mail(request) and not self._has_real_accounts():
            return await self._mail.listing(request)
        if not visitor(request).admin:
            return await self._frame.page(request, "welcome.html", settings=self._view.settings())
        span = request.query_params.get("span", "hour")
        span = span if span in _SPANS else "hour"
        columns = self._view.traffic.columns(*_SPANS[span])
        newest = await self._view.queue.newest(Selection(), 8)
        overview = await self._view.spool.overview()
        return await self._frame.page(
            request,
            "overview.html",
            overview=overview,
            span=span,
            incoming=charts.stacked(columns, ("accepted",)),
            outgoing=charts.stacked(columns, ("sent", "deferred", "failed")),
            ages=_worst(await self._view.queue.ages()),
            storage=self._view.spool.capacity.troubles,
            stuck=in_trouble(self._view.lanes(), overview),
            newest=newest,
            unreported=await self._view.unreported(),
            settings=self._view.settings(),
        )

    def _has_real_accounts(self) -> bool:
        return any(account.is_real for account in self._view.settings().accounts.values())

    async def changes(self, request: Request) -> Response:
        """What people changed by page and API."""
        return await self._frame.page(request, "changes.html", changes=self._view.audit.changes)


def _worst(ages: Sequence[Ages]) -> Sequence[Ages]:
    """As many as a page shows: those whose mail has waited longest, where an account has very many mailboxes."""
    if len(ages) <= _MOST_ROWS:
        return ages
    return sorted(ages, key=lambda each: each.oldest)[:_MOST_ROWS]
