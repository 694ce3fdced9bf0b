"""The pages of the administration, a module for each: handlers that read values and hand them to a template."""

from starlette.routing import BaseRoute

from relay.web.frame import Frame
from relay.web.jobs import Jobs
from relay.web.pages.accounts import Accounts
from relay.web.pages.clients import Clients
from relay.web.pages.entrance import Entrance
from relay.web.pages.jobs import JobPages
from relay.web.pages.live import Live
from relay.web.pages.mail import Mail
from relay.web.pages.news import News
from relay.web.pages.overview import Overview
from relay.web.pages.queue import Queue
from relay.web.pages.sandbox import Sandbox
from relay.web.pages.theme import Theme


def routes(frame: Frame, jobs: Jobs) -> list[BaseRoute]:
    """All of them, with the static files."""
    mail = Mail(frame)
    pages = (
        Overview(frame, mail),
        News(frame),
        mail,
        Queue(frame),
        Accounts(frame, jobs),
        Clients(frame),
        Sandbox(frame),
        JobPages(frame, jobs),
        Entrance(frame),
        Theme(frame),
    )
    return [*frame.routes(), *(route for page in pages for route in page.routes()), *Live(frame, jobs).routes()]
