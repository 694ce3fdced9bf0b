"""The relay as a whole by API: health, clients, configuration as it runs, changes, and reading it again."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from relay import __version__
from relay.config import values
from relay.metrics.traffic import KINDS
from relay.web.admin.operation import Operation, moment
from relay.web.gate import Visitor, visitor
from relay.web.sink.asking import Refused
from relay.web.view import Reading, View


class StateOperations:
    """`/health`, `/clients`, `/configuration`, `/changes`, `/reload`."""

    def __init__(self, view: View) -> None:
        self._view = view

    def operations(self) -> list[Operation]:
        """The relay as a whole."""
        return [
            Operation("GET", "/health", self.health, "Whether all is well, and what is not."),
            Operation("GET", "/clients", self.clients, "The clients, what each did since the start, and refusals."),
            Operation("GET", "/configuration", self.configuration, "Each value in force and where it came from."),
            Operation("GET", "/changes", self.changes, "What was changed by page and API since the start."),
            Operation("POST", "/reload", self.reload, "Read the configuration again, as SIGHUP does."),
        ]

    async def health(self, _request: Request) -> Response:
        """State, queue and traffic in numbers."""
        view = self._view
        troubles, overview = list(await view.troubles()), await view.spool.overview()
        untold, unsent = await view.unreported()
        last = view.traffic.columns(3600, 1)[0]
        reading = view.reading()
        states = ("queued", "active", "held", "failed", "corrupt", "sent")
        return JSONResponse(
            {
                "ready": not troubles,
                "troubles": troubles,
                "configuration": {"good": reading is None or not reading.problems},
                "version": __version__,
                "started_at": moment(view.started_at),
                "listening": list(view.listening),
                "queue": {state: overview.total(state) for state in states},
                "oldest_waiting": moment(overview.oldest_waiting),
                "unreported": {"messages": untold, "reports": unsent},
                "last_hour": {kind: getattr(last, kind) for kind in KINDS},
            }
        )

    async def clients(self, _request: Request) -> Response:
        """Who may send, and did."""
        book = self._view.visitors
        return JSONResponse(
            {
                "clients": [_client(name, one, book.of(name)) for name, one in self._view.settings().clients.items()],
                "refusals": [
                    {
                        "at": moment(one.at),
                        "what": one.what,
                        "client": one.client or None,
                        "peer": one.peer,
                        "subject": one.subject,
                        "reply": one.reply,
                        "count": one.count,
                    }
                    for one in book.refusals
                ],
            }
        )

    async def configuration(self, _request: Request) -> Response:
        """Never a secret's value."""
        settings = self._view.settings()
        found = [{"key": one.key, "value": one.value, "origin": one.origin} for one in values(settings)]
        reading = self._view.reading()
        last = _reading(reading) if reading is not None else None
        return JSONResponse({"values": found, "warnings": list(settings.warnings), "last_reading": last})

    async def changes(self, _request: Request) -> Response:
        """The newest first."""
        told = [
            {"at": moment(one.at), **{name: getattr(one, name) for name in ("who", "peer", "what", "target", "result")}}
            for one in self._view.audit.changes
        ]
        return JSONResponse({"changes": told})

    async def reload(self, request: Request) -> Response:
        """What came of it: 422 with every problem when the configuration cannot be used."""
        reading = await reloaded(self._view, visitor(request))
        if reading is None:
            raise Refused(501, "this relay reads its configuration when it starts: restart it")
        told = _reading(reading)
        if reading.problems:
            return JSONResponse({"error": "; ".join(reading.problems), **told}, 422)
        return JSONResponse(told)


async def reloaded(view: View, who: Visitor) -> Reading | None:
    """Read the configuration again for somebody; None where it cannot be."""
    if view.reload is None:
        return None
    reading = await view.reload("the administration")
    view.audit.note(who.name, who.peer, "reload", "configuration", "; ".join(reading.lines))
    return reading


def _reading(reading: Reading) -> dict[str, Any]:
    return {
        "at": moment(reading.at),
        "why": reading.why,
        "changes": list(reading.changes),
        "problems": list(reading.problems),
        "restart": list(reading.restart),
        "result": reading.lines,
    }


def _client(name: str, one: Any, did: Any) -> dict[str, Any]:
    return {
        "name": name,
        "account": one.account,
        "networks": [str(network) for network in one.networks],
        "login": (one.login or ("" if one.issuer else name)) if one.has_login else None,
        "senders": list(one.senders),
        "accepted": did.accepted,
        "octets": did.octets,
        "refused": did.refused,
        "last": {
            "at": moment(did.last_at),
            "peer": did.last_peer,
            "sender": did.last_sender,
            "subject": did.last_subject,
        }
        if did.last_at
        else None,
    }
