"""The way in: the one-time link, the password, and the way out."""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from relay import log, metrics
from relay.web.frame import Frame
from relay.web.gate import COOKIE, local_path, visitor
from relay.web.pages import forms


class Entrance:
    """`/login` and `/logout`."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._view = frame.view

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/login", self.show, methods=["GET"]),
            Route("/login", self.enter, methods=["POST"]),
            Route("/logout", self.leave, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """The form; a link that is good lets its bearer in at once."""
        token = request.query_params.get("once", "")
        if token and request.method == "GET":
            if self._view.sessions.redeem(token):
                return self._let_in(request, "the one-time link", "/")
            return await self._form(request, "This link was used already, or a newer one is in the log.", 403)
        return await self._form(request)

    async def _form(self, request: Request, problem: str = "", status: int = 200, following: str = "") -> Response:
        password = self._view.check is not None
        ended = not visitor(request).admin and COOKIE in request.cookies
        following = local_path(following or request.query_params.get("next", "/"))
        return await self._frame.page(
            request, "login.html", status=status, problem=problem, password=password, following=following, ended=ended
        )

    async def enter(self, request: Request) -> Response:
        """A password; or the wish for a new link in the log."""
        try:
            form = await forms.read(request)
        except forms.FormError as error:
            return await self._form(request, str(error), 400)
        if "link" in form:
            return await self._new_link(request)
        check = self._view.check
        if check is None:
            return await self._form(request, "No password is configured: use the link in the log.", 403)
        peer, following = visitor(request).peer, forms.one(form, "next")
        right = await check("", form.get("password", [""])[0], peer)
        if right:
            return self._let_in(request, "the password", local_path(following or "/"))
        metrics.LOGINS_REFUSED.labels("web").inc()
        log.admin.login_refused(peer, "wrong password" if right is False else "too many logins")
        if right is None:
            return await self._form(
                request, "Too many logins are being checked: try again in a moment.", 429, following
            )
        return await self._form(request, "That is not the password.", 403, following)

    async def _new_link(self, request: Request) -> Response:
        if not self._view.sessions.may_have_link():
            return await self._form(request, "A link was written a moment ago: look at the end of the log.", 429)
        self._view.print_link()
        following = quote(local_path(request.query_params.get("next", "/")), safe="")
        return self._frame.done(f"/login?next={following}", "A new link is at the end of the log.")

    def _let_in(self, request: Request, way: str, path: str) -> Response:
        log.admin.logged_in(visitor(request).peer, way)
        answer = RedirectResponse(f"{self._frame.base}{path}", 303)
        answer.set_cookie(
            COOKIE,
            self._view.sessions.begin(),
            path=f"{self._frame.base}/",
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    async def leave(self, request: Request) -> Response:
        """End the session."""
        self._view.sessions.end(request.cookies.get(COOKIE, ""))
        answer = RedirectResponse(f"{self._frame.base}/login", 303)
        answer.delete_cookie(COOKIE, path=f"{self._frame.base}/")
        return answer
