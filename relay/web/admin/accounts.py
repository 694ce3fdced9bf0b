"""The accounts by API: how they are doing, and what can be begun."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from relay.oauth import TokenError
from relay.spool.trouble import LastTrouble
from relay.web import tasks
from relay.web.admin.operation import ROOT, Operation, moment
from relay.web.gate import visitor
from relay.web.jobs import Job, Jobs, TooManyJobsError
from relay.web.pages.account_state import AccountState, state, states
from relay.web.sink import asking
from relay.web.sink.asking import Refused
from relay.web.view import View

_TEXT = {"type": "string"}


class AccountOperations:
    """`/accounts` and `/jobs`."""

    def __init__(self, view: View, jobs: Jobs) -> None:
        self._view = view
        self._jobs = jobs

    def operations(self) -> list[Operation]:
        """How accounts are doing, and what can be begun with them."""
        one, begun = "/accounts/{name}", "Where to ask how far it is."
        return [
            Operation("GET", "/accounts", self.listing, "How each account is doing."),
            Operation("GET", one, self.one, "How one account is doing."),
            Operation("POST", f"{one}/refresh", self.refresh, "Ask for a new token now."),
            Operation(
                "POST", f"{one}/examine", self.examine, "Go its whole way, with nothing sent.", answer=begun, status=202
            ),
            Operation(
                "POST",
                f"{one}/test",
                self.test,
                "Send a test message.",
                body={"to": _TEXT, "from": _TEXT},
                answer=begun,
                status=202,
            ),
            Operation(
                "POST",
                f"{one}/authorize",
                self.authorize,
                "Have a user sign in: the link and the questions are in the job.",
                body={"here": {"type": "boolean", "description": "The browser is on the relay's own machine."}},
                answer=begun,
                status=202,
            ),
            Operation("GET", "/jobs/{id}", self.job, "How far something is that was begun."),
            Operation(
                "POST",
                "/jobs/{id}/answer",
                self.answer,
                "Answer what it asks.",
                body={"answer": _TEXT},
                required=("answer",),
            ),
        ]

    async def listing(self, _request: Request) -> Response:
        """All accounts."""
        return JSONResponse({"accounts": [account(one) for one in await states(self._view)]})

    async def one(self, request: Request) -> Response:
        """One account."""
        found = await state(self._view, self._name(request))
        return JSONResponse(account(found) if found is not None else {})

    def _name(self, request: Request) -> str:
        name: str = request.path_params["name"]
        if name not in self._view.settings().accounts:
            raise Refused(404, "the configuration has no account of that name")
        return name

    async def refresh(self, request: Request) -> Response:
        """A new token."""
        name = self._name(request)
        source = self._view.sources().get(name)
        if source is None:
            raise Refused(409, "this account has no token of its own")
        try:
            before = await source.get()
            renewed = (await source.replace(before)).value != before.value
        except TokenError as error:
            self._note(request, "refresh token", name, "refused")
            raise Refused(502, str(error)) from None
        self._note(request, "refresh token", name, "done")
        return JSONResponse({"renewed": renewed, "expires_at": moment(source.expires_at)})

    async def examine(self, request: Request) -> Response:
        """`relay doctor`."""
        name = self._name(request)
        return self._begin(request, "examine", name, tasks.examination(self._view.settings(), name))

    async def test(self, request: Request) -> Response:
        """`relay send-test`."""
        name, given = self._name(request), await asking.fields(request)
        to, sender = asking.of(given, "to", str, ""), asking.of(given, "from", str, "")
        return self._begin(request, "test", name, tasks.test_message(self._view.settings(), name, to, sender))

    async def authorize(self, request: Request) -> Response:
        """`relay authorize`."""
        name, given = self._name(request), await asking.fields(request)
        here = asking.of(given, "here", bool, False)
        return self._begin(request, "authorize", name, tasks.sign_in(self._view.settings(), name, here=here))

    def _begin(self, request: Request, kind: str, name: str, work: tasks.Task) -> Response:
        try:
            job = self._jobs.start(kind, name, work)
        except TooManyJobsError as error:
            raise Refused(429, str(error)) from None
        self._note(request, kind, name, "begun")
        return JSONResponse({"id": job.id, "job": f"{ROOT}/jobs/{job.id}"}, 202)

    def _note(self, request: Request, what: str, name: str, result: str) -> None:
        who = visitor(request)
        self._view.audit.note(who.name, who.peer, what, name, result)

    def _job(self, request: Request) -> Job:
        job = self._jobs.find(request.path_params["id"])
        if job is None:
            raise Refused(404, "this is not known, or was long ago")
        return job

    async def job(self, request: Request) -> Response:
        """How far it is."""
        job = self._job(request)
        return JSONResponse(
            {
                "id": job.id,
                "kind": job.kind,
                "account": job.account,
                "ended": job.good is not None,
                "good": job.good,
                "lines": list(job.lines),
                "steps": [step.as_json() for step in job.steps],
                "question": job.question or None,
                "link": job.link or None,
            }
        )

    async def answer(self, request: Request) -> Response:
        """The answer to its question."""
        job = self._job(request)
        given = await asking.fields(request)
        if not job.answer(asking.of(given, "answer", str, "")[:8000]):
            raise Refused(409, "nothing is asked now")
        return JSONResponse({"taken": True})


def account(one: AccountState) -> dict[str, Any]:
    """An account, never with a token."""
    lane, oauth = one.lane, one.account.oauth
    return {
        "name": one.name,
        "provider": one.account.provider,
        "way": one.way,
        "mailbox": one.account.mailbox,
        "verdict": one.verdict,
        "grant": oauth.grant if oauth is not None else None,
        "token": _token(one) if oauth is not None else None,
        "signed_in": {"user": one.consent.user, "at": moment(one.consent.obtained_at), "state": one.consent.state}
        if one.consent is not None
        else None,
        "sending": lane.active if lane is not None else 0,
        "paused_until": moment(lane.paused_until) if lane is not None and lane.paused_until else None,
        "trouble": lane.trouble if lane is not None and lane.trouble else None,
        "mailboxes_in_trouble": [
            {"mailbox": each.mailbox, "paused_until": moment(each.paused_until), "trouble": each.trouble}
            for each in one.paused
        ],
        "last_sent_at": moment(lane.last_sent_at) if lane is not None else None,
        "last_error": _last_error(one.last) if one.last is not None else None,
        "runs_out": [{"what": each.subject, "at": moment(each.until), "action": each.action} for each in one.deadlines],
        "clients": list(one.clients),
        "waiting": one.waiting,
        "failed": one.failed,
    }


def _token(one: AccountState) -> dict[str, Any]:
    """What is known of the token, which itself is never shown."""
    return {
        "state": one.token,
        "expires_at": moment(one.token_until),
        "error": one.token_error or None,
        "hint": one.token_hint or None,
    }


def _last_error(last: LastTrouble) -> dict[str, Any]:
    return {"at": moment(last.at), "message": last.id, "reply": last.reply, "hint": last.hint}
