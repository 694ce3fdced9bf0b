"""The frame of every page: templates, static files, and what each page shows above and beside its own content."""

import hashlib
import mimetypes
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from relay import __version__
from relay.policy import is_loopback
from relay.spool.history import Overview
from relay.web import looks
from relay.web.gate import visitor
from relay.web.stuck import trouble_of
from relay.web.view import View

_FOLDER = Path(str(resources.files("relay.web")))
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types relay"
)
_MOST_NOTES = 200
THEME_COOKIE = "relay_theme"
THEMES = ("dark", "light")
"""What may be chosen in place of what the system has."""


@dataclass(frozen=True, slots=True)
class Note:
    """What came of the last change, shown once on the next page. `lines` are the things that could not be done."""

    text: str
    good: bool = True
    lines: tuple[str, ...] = ()


class Notes:
    """Notes on their way from a change to the page behind it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Note] = OrderedDict()

    def keep(self, note: Note) -> str:
        """Its name, for the address of the next page."""
        name = secrets.token_urlsafe(9)
        self._kept[name] = note
        while len(self._kept) > _MOST_NOTES:
            self._kept.popitem(last=False)
        return name

    def find(self, name: str) -> Note | None:
        """The note of that name; None when there is none."""
        return self._kept.get(name)


class Frame:
    """Renders pages. `base` is how addresses begin: "" or "/mail"."""

    def __init__(self, view: View, base: str) -> None:
        self.view = view
        self.base = base
        self.notes = Notes()
        self._files = {path.name: path.read_bytes() for path in sorted((_FOLDER / "static").iterdir())}
        digest = hashlib.sha256(b"".join(self._files.values())).hexdigest()
        self._static = f"/static/{digest[:12]}"
        self._environment = Environment(
            loader=FileSystemLoader(_FOLDER / "templates"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(looks.FILTERS)
        self._environment.globals.update(
            url=self.url, static=lambda name: f"{base}{self._static}/{name}", version=__version__
        )

    def routes(self) -> list[Route]:
        """The static files; their address changes with their content, so they may be kept."""
        return [Route("/static/{version}/{name}", self._file, methods=["GET"])]

    def sees_mail(self, request: Request) -> bool:
        """Whether there is a sink, and who asks may look into it."""
        if not any(account.provider == "sink" for account in self.view.settings().accounts.values()):
            return False
        plane, who = self.view.plane, visitor(request)
        if who.admin or request.scope["path"].startswith("/mail"):
            return True  # the sink's own door has let him through
        return plane.check is None and (plane.is_open or is_loopback(who.peer))

    def url(self, path: str, **query: str | int) -> str:
        """The address of a page of ours."""
        kept = {name: value for name, value in query.items() if value not in ("", None)}
        return f"{self.base}{path}{'?' if kept else ''}{urlencode(kept)}"

    async def page(
        self, request: Request, template: str, *, status: int = 200, overview: Overview | None = None, **context: Any
    ) -> Response:
        """A whole page; `overview` is of the queue, if the caller has it already."""
        view, who = self.view, visitor(request)
        if overview is None and who.admin:
            overview = await view.spool.overview()
        sees_mail = self.sees_mail(request)
        streams = [*(["/events"] if who.admin else []), *(["/mail/events"] if sees_mail else [])]
        text = self._environment.get_template(template).render(
            request=request,
            path=request.scope["path"],
            query=dict(request.query_params),
            who=who,
            now=view.clock.time(),
            view=view,
            overview=overview,
            troubles=await view.troubles(),
            mail_counts=await view.plane.store.counts() if sees_mail else None,
            home="mail" if sees_mail and not who.admin else "overview",
            events=" ".join(self.url(each) for each in streams),
            theme=_theme(request),
            base_url=lambda path: f"{self.base}{path}",
            trouble_of=partial(trouble_of, [lane for lane in view.lanes() if lane.trouble] if who.admin else []),
            note=self.notes.find(request.query_params.get("note", "")),
            **context,
        )
        return HTMLResponse(text, status, {"content-security-policy": PAGE_POLICY})

    def done(self, path: str, text: str, *, good: bool = True, lines: Sequence[str] = ()) -> Response:
        """To the page that shows what came of a change (Post/Redirect/Get)."""
        name = self.notes.keep(Note(text, good, tuple(lines)))
        joint = "&" if "?" in path else "?"
        return RedirectResponse(f"{self.base}{path}{joint}note={name}", 303)

    async def _file(self, request: Request) -> Response:
        content = self._files.get(request.path_params["name"])
        if content is None:
            return Response("There is no such file\n", 404, media_type="text/plain")
        kind = mimetypes.guess_type(request.path_params["name"])[0] or "application/octet-stream"
        current = request.path_params["version"] == self._static.rpartition("/")[2]
        kept = "public, max-age=31536000, immutable" if current else "no-cache"
        return Response(content, headers={"cache-control": kept}, media_type=kind)


def _theme(request: Request) -> str:
    """The chosen theme, "" for the system's."""
    chosen = request.cookies.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else ""
