"""What the stand-in provider received, beside what the relay accepted."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from relay.spool.selection import Selection
from relay.web.frame import Frame

_MOST = 100
_MOST_ACCEPTED = 500


class Sandbox:
    """`/sandbox`."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._view = frame.view

    def routes(self) -> list[BaseRoute]:
        return [Route("/sandbox", self.show, methods=["GET"])]

    async def show(self, request: Request) -> Response:
        """Both lists, the newest first."""
        if self._view.received is None:
            what = "There is no stand-in provider: start the relay with --sandbox."
            return await self._frame.page(request, "missing.html", status=404, what=what)
        received = list(self._view.received())[::-1]
        accepted, total = await self._view.queue.listing(Selection(), _MOST_ACCEPTED)
        # Where the app gave no Message-ID, the relay made one of its own id.
        by_id = {one.message_id or one.id: one for one in accepted}
        pairs = [(one, by_id.get(one["message_id"]) or by_id.get(_own_id(one["message_id"]))) for one in received]
        arrived = {one.id for _, one in pairs if one is not None}
        # What was sent before the stand-in was started anew is no longer known to it.
        missing = [one for one in accepted if one.id not in arrived and one.state != "sent"]
        return await self._frame.page(
            request, "sandbox.html", pairs=pairs[:_MOST], count=len(pairs), total=total, missing=missing[:_MOST]
        )


def _own_id(message_id: str) -> str:
    return message_id.strip("<>").partition("@")[0]
