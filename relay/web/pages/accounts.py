"""The accounts: whether each can send, why not, and what to do: refresh, examine, send a test, sign in."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from relay.config import Settings
from relay.oauth import TokenError
from relay.policy import is_loopback
from relay.spool.selection import Selection
from relay.web import tasks
from relay.web.frame import Frame
from relay.web.gate import visitor
from relay.web.jobs import Jobs, TooManyJobsError
from relay.web.pages import forms
from relay.web.pages.account_state import state, states


class Accounts:
    """`/accounts`."""

    def __init__(self, frame: Frame, jobs: Jobs) -> None:
        self._frame = frame
        self._view = frame.view
        self._jobs = jobs

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/accounts", self.listing, methods=["GET"]),
            Route("/accounts/{name}", self.one, methods=["GET"]),
            Route("/accounts/{name}/{action}", self.act, methods=["POST"]),
        ]

    async def listing(self, request: Request) -> Response:
        """All of them."""
        overview = await self._view.spool.overview()
        accounts = await states(self._view, overview)
        return await self._frame.page(request, "accounts.html", overview=overview, accounts=accounts)

    async def one(self, request: Request) -> Response:
        """One account with everything that is known of it."""
        name = request.path_params["name"]
        overview = await self._view.spool.overview()
        found = await state(self._view, name, overview)
        if found is None:
            return await self._missing(request)
        kept = overview.total(account=name)
        newest = await self._view.queue.newest(Selection(account=name), min(10, kept)) if kept else []
        return await self._frame.page(request, "account.html", overview=overview, one=found, newest=newest)

    async def _missing(self, request: Request) -> Response:
        what = "The configuration has no account of that name."
        return await self._frame.page(request, "missing.html", status=404, what=what)

    async def act(self, request: Request) -> Response:
        """Begin what a button says."""
        name, action = request.path_params["name"], request.path_params["action"]
        settings = self._view.settings()
        if name not in settings.accounts:
            return await self._missing(request)
        back = f"/accounts/{name}"
        try:
            form = await forms.read(request)
            if action == "refresh":
                return await self._refresh(request, name)
            work = self._work(request, settings, name, action, form)
            if work is None:
                return self._frame.done(back, "There is no such thing to do.", good=False)
            job = self._jobs.start(action, name, work)
        except (forms.FormError, TooManyJobsError) as error:
            return self._frame.done(back, f"{error}", good=False)
        who = visitor(request)
        self._view.audit.note(who.name, who.peer, action, name, "begun")
        return RedirectResponse(self._frame.url(f"/jobs/{job.id}"), 303)

    def _work(
        self, request: Request, settings: Settings, name: str, action: str, form: dict[str, list[str]]
    ) -> tasks.Task | None:
        if action == "examine":
            return tasks.examination(settings, name)
        if action == "test":
            return tasks.test_message(settings, name, forms.one(form, "to"), forms.one(form, "from"))
        if action == "authorize":
            here = is_loopback(visitor(request).peer) and "elsewhere" not in form
            return tasks.sign_in(settings, name, here=here)
        return None

    async def _refresh(self, request: Request, name: str) -> Response:
        source, who = self._view.sources().get(name), visitor(request)
        if source is None:
            return self._frame.done(f"/accounts/{name}", "This account has no token of its own.", good=False)
        text, good = "There is a new token.", True
        try:
            before = await source.get()
            after = await source.replace(before)
            if after.value == before.value:
                text = "The token is as it was: a new one is asked for at most every 30 seconds."
        except TokenError as error:
            text, good = f"No token: {error}", False
        self._view.audit.note(who.name, who.peer, "refresh token", name, "done" if good else "refused")
        return self._frame.done(f"/accounts/{name}", text, good=good)
