"""Lists and searches, and changes to many messages at once."""

from collections.abc import Coroutine, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from relay.sink import SearchTooLongError, changes
from relay.sink.feed import TooManyWatchersError
from relay.sink.query import Query, moment
from relay.sink.words import plain
from relay.web.sink import answers, asking
from relay.web.sink.answers import told
from relay.web.sink.asking import LONGEST_WAIT, Refused
from relay.web.sink.plane import Plane

_PAGE = 50
_MOST_IDS = 100_000


class Mailbox:
    """`/api/v1/messages`, `/api/v1/search` and `/api/v1/tags`."""

    def __init__(self, plane: Plane) -> None:
        self._store = plane.store

    def routes(self) -> list[Route]:
        """In Mailpit's places."""
        return [
            Route("/api/v1/messages", told(self.page), methods=["GET"]),
            Route("/api/v1/messages", told(self.mark), methods=["PUT"]),
            Route("/api/v1/messages", told(self.delete), methods=["DELETE"]),
            Route("/api/v1/search", told(self.search), methods=["GET"]),
            Route("/api/v1/search", told(self.delete_found), methods=["DELETE"]),
            Route("/api/v1/tags", told(self.tags), methods=["GET"]),
            Route("/api/v1/tags", told(self.set_tags), methods=["PUT"]),
            Route("/api/v1/tags/{tag}", told(self.rename_tag), methods=["PUT"]),
            Route("/api/v1/tags/{tag}", told(self.delete_tag), methods=["DELETE"]),
        ]

    async def page(self, request: Request) -> Response:
        """`start`, `limit` (0: all), `before` (a date)."""
        start, limit = asking.number(request, "start", 0), asking.number(request, "limit", _PAGE)
        before = moment(request.query_params.get("before", ""), request.query_params.get("tz", ""))
        return answers.as_json(answers.page(await self._store.page(start, limit, before)))

    async def search(self, request: Request) -> Response:
        """`query`, `start`, `limit`, `tz`; with `wait` (seconds) it answers once `count` (1) messages match."""
        query = asking.query(request)
        start, limit = asking.number(request, "start", 0), asking.number(request, "limit", _PAGE)
        patience = min(float(asking.number(request, "wait", 0)), LONGEST_WAIT)
        try:
            if patience:
                await self._store.wait(query, max(1, asking.number(request, "count", 1)), patience)
            return answers.as_json(answers.page(await self._store.search(query, start, limit)))
        except (SearchTooLongError, TooManyWatchersError) as error:
            raise Refused(503, str(error)) from error

    async def delete_found(self, request: Request) -> Response:
        """All that match `query`."""
        await changes.delete(self._store, await self._chosen(None, asking.query(request)))
        return answers.done()

    async def mark(self, request: Request) -> Response:
        """By IDs, by search, or all."""
        given = await asking.fields(request)
        ids, search = asking.texts(given, "IDs"), asking.of(given, "Search", str, "")
        read = asking.of(given, "Read", bool, False)
        if ids and search:
            raise Refused(400, "You may specify either IDs or a search query, not both")
        query = asking.query(request, search) if search else None
        await changes.mark(self._store, await self._chosen(ids or None, query), read=read)
        return answers.done()

    async def delete(self, request: Request) -> Response:
        """By IDs, or all: clients ask for that with no body, `{}` or an empty list."""
        ids = asking.texts(await asking.fields(request), "IDs")
        await changes.delete(self._store, await self._chosen(ids or None, None), everything=not ids)
        return answers.done()

    async def _chosen(self, ids: Sequence[str] | None, query: Query | None) -> Sequence[int]:
        if ids is not None and len(ids) > _MOST_IDS:
            raise Refused(400, f"at most {_MOST_IDS:,} IDs")
        try:
            return await changes.chosen(self._store, ids, query)
        except SearchTooLongError as error:
            raise Refused(503, str(error)) from error

    # --- tags

    async def tags(self, _request: Request) -> Response:
        """All that are in use."""
        return answers.as_json([*await self._store.tags()])

    async def set_tags(self, request: Request) -> Response:
        """Replace the tags of some messages."""
        given = await asking.fields(request)
        ids, names = asking.texts(given, "IDs"), asking.texts(given, "Tags")
        await changes.tag(self._store, await self._chosen(ids, None), changes.names(names))
        return answers.done()

    async def rename_tag(self, request: Request) -> Response:
        """On all messages."""
        wanted = asking.of(await asking.fields(request), "Name", str, "")
        name = changes.names([wanted])
        if len(name) != 1 or name[0] != " ".join(wanted.split()):
            raise Refused(400, f"invalid tag name: {plain(wanted)[:100]}")
        return await self._changed(changes.rename_tag(self._store, request.path_params["tag"], name[0]))

    async def delete_tag(self, request: Request) -> Response:
        """From all messages."""
        return await self._changed(changes.delete_tag(self._store, request.path_params["tag"]))

    async def _changed(self, change: Coroutine[None, None, None]) -> Response:
        try:
            await change
        except changes.TagError as error:
            raise Refused(400, plain(str(error))[:300]) from error
        return answers.done()
