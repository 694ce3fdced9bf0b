"""One job on a page: its steps as they come, and the question that it waits for."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from relay.web.frame import Frame
from relay.web.jobs import Jobs
from relay.web.pages import forms

_TITLES = {"examine": "Examination of", "test": "Test message by", "authorize": "Sign-in for"}


class JobPages:
    """`/jobs/{id}`."""

    def __init__(self, frame: Frame, jobs: Jobs) -> None:
        self._frame = frame
        self._jobs = jobs

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/jobs/{id}", self.show, methods=["GET"]),
            Route("/jobs/{id}", self.answer, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """How far it is."""
        job = self._jobs.find(request.path_params["id"])
        if job is None:
            what = "This is no longer known: it was done before the relay was started anew, or long ago."
            return await self._frame.page(request, "missing.html", status=404, what=what)
        title = f"{_TITLES.get(job.kind, job.kind)} {job.account}"
        return await self._frame.page(request, "job.html", job=job, title=title)

    async def answer(self, request: Request) -> Response:
        """The answer to its question, or the wish to give up."""
        job = self._jobs.find(request.path_params["id"])
        path = f"/jobs/{request.path_params['id']}"
        if job is None:
            return await self.show(request)
        try:
            form = await forms.read(request)
        except forms.FormError as error:
            return self._frame.done(path, str(error), good=False)
        if "stop" in form:
            job.stop()
            return self._frame.done(path, "Given up.")
        if not job.answer(forms.one(form, "answer")[:8000]):
            return self._frame.done(path, "Nothing is asked any more.", good=False)
        return self._frame.done(path, "The answer was taken.")
