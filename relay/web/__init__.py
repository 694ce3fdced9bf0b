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
from relay.web.security import HostCheck, SafeHeaders

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
    sandbox: Sequence[str] = field(default_factory=tuple)
    """What to tell about the stand-in provider, when there is one."""


def build(view: View, hosts: Sequence[str]) -> Starlette:
    """The application; `hosts` are the names under which a browser may ask for it."""
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

    return Starlette(
        routes=[
            Route("/", status),
            Route("/metrics", measured),
            Route("/livez", alive),
            Route("/readyz", ready),
            Mount("/static", StaticFiles(directory=_FOLDER / "static")),
        ],
        middleware=[Middleware(SafeHeaders), Middleware(HostCheck, hosts=frozenset(hosts))],
    )


def _moment(stamp: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(stamp))
