"""The web page: the administration, and the health routes that supervisors ask.

`view` is what the service hands in; `gate` stands in front; `frame` renders; `pages` has the pages.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Match, Route

from relay import log, metrics
from relay.database import StorageError
from relay.web import admin, measuring, pages, sink
from relay.web.frame import Frame
from relay.web.gate import Gate, visitor
from relay.web.jobs import Jobs
from relay.web.security import BasePath, HostCheck, Names, SafeHeaders, SameSite
from relay.web.sessions import Sessions
from relay.web.sink import Plane
from relay.web.view import Audit, Reading, View

__all__ = ["Audit", "Names", "Plane", "Reading", "Sessions", "View", "built"]


@asynccontextmanager
async def built(view: View, names: Names) -> AsyncIterator[Starlette]:
    """The application, under these names; what its pages began is given up when the block ends."""
    jobs = Jobs(view.clock)
    try:
        yield _application(view, names, jobs)
    finally:
        await jobs.close()


def _application(view: View, names: Names, jobs: Jobs) -> Starlette:
    async def alive(_request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def ready(_request: Request) -> Response:
        troubles = list(await view.troubles())
        state = "not ready" if troubles else "ready"
        return JSONResponse({"status": state, "troubles": troubles}, status_code=503 if troubles else 200)

    async def measured(_request: Request) -> Response:
        await measuring.refresh(view)
        return Response(metrics.page(), media_type=metrics.CONTENT_TYPE)

    frame = Frame(view, names.base_path)
    app = Starlette(
        routes=[
            Route("/metrics", measured),
            Route("/livez", alive),
            Route("/readyz", ready),
            *admin.routes(view, jobs, names.base_path),
            *pages.routes(frame, jobs),
            *sink.routes(view.plane),
        ],
        middleware=[
            Middleware(SafeHeaders),
            Middleware(HostCheck, names=names),
            Middleware(BasePath, path=names.base_path),
            Middleware(SameSite),
            Middleware(Gate, view=view, base_path=names.base_path),
            Middleware(sink.Access, plane=view.plane),
        ],
    )
    app.add_exception_handler(404, _not_found(frame))
    app.add_exception_handler(405, _not_allowed)
    app.add_exception_handler(StorageError, _no_storage)
    # A client that follows a redirect of its DELETE would send it without its body, which means: everything.
    app.router.redirect_slashes = False
    return app


def _not_found(frame: Frame) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def show(request: Request, _error: Exception) -> Response:
        path = request.scope["path"]
        if path.startswith(("/api/", "/view/", "/static/")) or "text/html" not in request.headers.get("accept", ""):
            return PlainTextResponse("404 page not found", 404)
        return await frame.page(request, "missing.html", status=404, what="There is no page at this address.")

    return show


def _no_storage(request: Request, error: Exception) -> Response:
    """What cannot be told without the database. Where it is and what is wrong with it is for the administration."""
    log.web.database_unreadable(str(error))
    why = f": {error}" if visitor(request).admin else ""
    text = f"The database cannot be read now{why}\nThe log says why. Try again in a moment.\n"
    return PlainTextResponse(text, 503, {"retry-after": "10"})


def _not_allowed(request: Request, _error: Exception) -> Response:
    """405, with all methods that the path has (RFC 9110 10.2.1): each is a route of its own."""
    allowed: set[str] = set()
    for route in request.app.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            allowed |= route.methods
    return PlainTextResponse("Method Not Allowed", 405, {"allow": ", ".join(sorted(allowed))})
