"""The administration's JSON API, `/api/admin/...`: what the pages show and do, for programs.

Each operation is described where it is made (`Operation`); the OpenAPI document and the routes both come from that.
"""

from starlette.routing import BaseRoute

from relay.web.admin.accounts import AccountOperations
from relay.web.admin.openapi import document_route
from relay.web.admin.operation import Operation
from relay.web.admin.queue import QueueOperations
from relay.web.admin.sending import SendingOperations
from relay.web.admin.state import StateOperations
from relay.web.jobs import Jobs
from relay.web.view import View

__all__ = ["operations", "routes"]


def operations(view: View, jobs: Jobs) -> list[Operation]:
    """Everything that can be asked for."""
    parts = (QueueOperations(view), AccountOperations(view, jobs), StateOperations(view), SendingOperations(view))
    return [operation for part in parts for operation in part.operations()]


def routes(view: View, jobs: Jobs, base_path: str) -> list[BaseRoute]:
    """The routes, and the document that tells of them."""
    found = operations(view, jobs)
    return [document_route(found, base_path), *(operation.route() for operation in found)]
