"""One message: its fields, text, parts and source, and the views that a browser opens."""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from relay.sink import SearchTooLongError, Source, Summary, changes, links
from relay.sink import message as opening
from relay.sink.page import with_new_windows
from relay.web.sink import answers, asking
from relay.web.sink.answers import missing, told
from relay.web.sink.asking import Refused
from relay.web.sink.plane import Plane
from relay.web.sink.thumb import thumb

PART_POLICY = "sandbox; default-src 'none'"
"""For what came with mail: whatever type it claims, it is no page of this origin and may do nothing."""
VIEW_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src 'self' data:;"
    " style-src 'unsafe-inline'; font-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
"""For the HTML of mail: it runs nothing and fetches nothing but the images that came with it."""


class One:
    """`/api/v1/message/...` and `/view/...`."""

    def __init__(self, plane: Plane) -> None:
        self._store = plane.store
        self._base = plane.base_path

    def routes(self) -> list[Route]:
        """In Mailpit's places; `envelope`, `session` and `delivery` are our own."""
        root = "/api/v1/message/{id}"
        return [
            Route(root, told(self.message), methods=["GET"]),
            Route(f"{root}/headers", told(self.headers), methods=["GET"]),
            Route(f"{root}/raw", told(self.raw), methods=["GET"]),
            Route(f"{root}/part/{{part}}", told(self.part), methods=["GET"]),
            Route(f"{root}/part/{{part}}/thumb", told(self.thumb), methods=["GET"]),
            Route(f"{root}/envelope", told(self.envelope), methods=["GET"]),
            Route(f"{root}/session", told(self.session), methods=["GET"]),
            Route(f"{root}/delivery", told(self.delivery), methods=["GET"]),
            Route(f"{root}/link-check", told(self.links), methods=["GET"]),
            Route("/view/{id}.html", told(self.html), methods=["GET"]),
            Route("/view/{id}.txt", told(self.text), methods=["GET"]),
            Route("/view/{id}", told(self.shown), methods=["GET"]),
        ]

    async def message(self, request: Request) -> Response:
        """The message, which is read from then on."""
        summary, source, octets = await self._found(request)
        opened = await self._store.thread(opening.opened, source, octets)
        if not summary.read:
            await changes.mark(self._store, [source.seq], read=True)
        return answers.as_json(answers.message(summary, opened))

    async def headers(self, request: Request) -> Response:
        """Every field with all its values."""
        return answers.as_json(opening.fields((await self._found(request))[1]))

    async def raw(self, request: Request) -> Response:
        """The source; `dl=1` saves it."""
        summary, _, octets = await self._found(request)
        headers = {"content-security-policy": PART_POLICY}
        if request.query_params.get("dl") == "1":
            headers["content-disposition"] = f'attachment; filename="{summary.id}.eml"'
        return Response(octets, media_type="text/plain", headers=headers)

    async def part(self, request: Request) -> Response:
        """One part, decoded; `dl=1` saves it."""
        _, source, octets = await self._found(request)
        found = await self._store.thread(opening.part_of, source, octets, request.path_params["part"])
        if found is None:
            raise Refused(404, "404 page not found")
        part, content = found
        kind = part.content_type
        if part.charset and kind.startswith("text/") and part.charset.isascii() and part.charset.isprintable():
            kind += f'; charset="{quote(part.charset)}"'
        shown = "attachment" if request.query_params.get("dl") == "1" else "inline"
        return Response(
            content,
            headers={
                "content-type": quote(kind, safe='/+.-; ="!#$&^_'),
                "content-disposition": f'{shown}; filename="{quote(part.name or "part")}"',
                "content-security-policy": PART_POLICY,
                "cross-origin-resource-policy": "same-origin",
            },
        )

    async def thumb(self, request: Request) -> Response:
        """A picture for a part."""
        _, source, octets = await self._found(request)
        found = await self._store.thread(opening.part_of, source, octets, request.path_params["part"])
        if found is None:
            raise Refused(404, "404 page not found")
        kind, picture = thumb(found[0].content_type, found[1])
        return Response(picture, media_type=kind, headers={"content-security-policy": PART_POLICY})

    async def envelope(self, request: Request) -> Response:
        """Who sent it to whom, from where, and what is odd about it."""
        return answers.as_json(answers.envelope((await self._found(request))[1]))

    async def session(self, request: Request) -> Response:
        """What was said up to its data."""
        source = (await self._found(request))[1]
        return answers.as_json({"ID": source.id, "Lines": source.origin.conversation.splitlines()})

    async def delivery(self, request: Request) -> Response:
        """What became of it."""
        return answers.as_json(answers.delivery((await self._found(request))[1]))

    async def links(self, request: Request) -> Response:
        """The links in text and HTML. None is asked for: that would tell its server that somebody reads the mail."""
        _, source, octets = await self._found(request)
        opened = await self._store.thread(opening.opened, source, octets)
        found = await self._store.thread(links.found, opened.text, opened.html)
        told = [{"URL": each, "StatusCode": 0, "Status": links.NOT_ASKED} for each in found]
        return answers.as_json({"Errors": len(told), "Links": told})

    async def shown(self, request: Request) -> Response:
        """To the page that shows it."""
        summary, _, _ = await self._found(request)
        return PlainTextResponse("", 302, {"location": f"{self._base}/mail/{summary.id}"})

    async def html(self, request: Request) -> Response:
        """The HTML as a page, its images from here; `embed=1`: links open apart."""
        summary, source, octets = await self._found(request)
        root = f"{self._base}/api/v1/message/{summary.id}/part"
        page = await self._store.thread(opening.page_with_images, source, octets, root)
        if not page:
            return missing("This message does not contain a HTML part")
        if request.query_params.get("embed") == "1":
            page = with_new_windows(page)
        # A policy does not keep a browser from looking up names that a page says it will need.
        headers = {
            "content-security-policy": VIEW_POLICY,
            "cross-origin-resource-policy": "same-origin",
            "x-dns-prefetch-control": "off",
        }
        return Response(page, media_type="text/html", headers=headers)

    async def text(self, request: Request) -> Response:
        """The text alone."""
        _, source, octets = await self._found(request)
        opened = await self._store.thread(opening.opened, source, octets)
        return PlainTextResponse(opened.text, headers={"content-security-policy": PART_POLICY})

    async def _found(self, request: Request) -> tuple[Summary, Source, bytes]:
        """The message that the path names: by id, or `latest`, of those that match `query`. Raises Refused."""
        identifier = request.path_params["id"]
        if identifier == "latest":
            query = asking.query(request) if request.query_params.get("query") else None
            try:
                identifier = await self._store.latest(query)
            except SearchTooLongError as error:
                raise Refused(503, str(error)) from error
            if identifier is None:
                raise Refused(404, "Message not found")
        summary = await self._store.summary(identifier)
        source = await self._store.source(identifier)
        if summary is None or source is None:
            raise Refused(404, "404 page not found")
        return summary, source, await self._store.octets(source)
