"""The web page: what runs and what is queued, and the health routes that supervisors ask."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from relay import __version__, metrics
from relay.log import duration
from relay.model import LaneStatus
from relay.spool import Spool
from relay.web import sink
from relay.web.security import BasePath, HostCheck, Names, SafeHeaders, SameSite
from relay.web.sink import Plane

__all__ = ["Names", "Plane", "View", "build"]

_FOLDER = Path(str(resources.files(__name__)))


@dataclass(frozen=True)
class View:
    """What the page shows, handed in by the service: it never reaches into the parts itself."""

    spool: Spool
    lanes: Callable[[], Sequence[LaneStatus]]
    listening: Sequence[str]
    started_at: float
    troubles: Callable[[], Awaitable[Sequence[str]]]
    """Why the relay is not ready to take or send mail; empty when all is well."""
    unreported: Callable[[], Awaitable[tuple[int, int]]]
    """(messages of whose failure nobody could be told, reports that could not be sent)."""
    sandbox: Sequence[str] = field(default_factory=tuple)
    """What to tell about the stand-in provider, when there is one."""


def build(view: View, names: Names, plane: Plane) -> Starlette:
    """The application, under these names; `plane` is what the sink's API works with."""
    environment = Environment(loader=FileSystemLoader(_FOLDER / "templates"), autoescape=select_autoescape())
    environment.filters["duration"] = duration
    environment.filters["moment"] = _moment
    template = environment.get_template("status.html")

    async def status(_request: Request) -> Response:
        page = template.render(
            version=__version__,
            now=time.time(),
            view=view,
            lanes=view.lanes(),
            overview=await view.spool.overview(),
            messages=await view.spool.recent(),
            troubles=await view.troubles(),
            unreported=await view.unreported(),
        )
        return HTMLResponse(page)

    async def alive(_request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def ready(_request: Request) -> Response:
        troubles = list(await view.troubles())
        state = "not ready" if troubles else "ready"
        return JSONResponse({"status": state, "troubles": troubles}, status_code=503 if troubles else 200)

    async def measured(_request: Request) -> Response:
        return Response(metrics.page(), media_type=metrics.CONTENT_TYPE)

    app = Starlette(
        routes=[
            Route("/", status),
            Route("/metrics", measured),
            Route("/livez", alive),
            Route("/readyz", ready),
            Mount("/static", StaticFiles(directory=_FOLDER / "static")),
            *sink.routes(plane),
        ],
        middleware=[
            Middleware(SafeHeaders),
            Middleware(HostCheck, names=names),
            Middleware(BasePath, path=names.base_path),
            Middleware(SameSite),
            Middleware(sink.Access, plane=plane),
        ],
    )
    # A client that follows a redirect of its DELETE would send it without its body, which means: everything.
    app.router.redirect_slashes = False
    return app


def _moment(stamp: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(stamp))
