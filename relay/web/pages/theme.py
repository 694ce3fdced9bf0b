"""Light or dark: as the system has it, unless somebody chooses. The choice is a cookie of the browser's."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from relay.web.frame import THEME_COOKIE, THEMES, Frame
from relay.web.gate import local_path
from relay.web.pages import forms

_LASTS = 365 * 86400


class Theme:
    """`/theme`."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def routes(self) -> list[BaseRoute]:
        return [Route("/theme", self.choose, methods=["POST"])]

    async def choose(self, request: Request) -> Response:
        """Keep the choice, and back to where it was made."""
        try:
            form = await forms.read(request)
        except forms.FormError as error:
            return self._frame.done("/", str(error), good=False)
        theme, path = forms.one(form, "theme"), f"{self._frame.base}/"
        answer = RedirectResponse(f"{self._frame.base}{local_path(forms.one(form, 'back') or '/')}", 303)
        if theme in THEMES:
            secure = request.url.scheme == "https"
            answer.set_cookie(THEME_COOKIE, theme, _LASTS, path=path, httponly=True, samesite="lax", secure=secure)
        else:
            answer.delete_cookie(THEME_COOKIE, path=path)
        return answer
