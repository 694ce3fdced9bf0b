"""Every refusal of both APIs that is documented or was seen (docs/sources.md), ordered at the stand-ins."""

from pathlib import Path

from relay.model import Outcome, Scope
from relay.sandbox import Fault, api_errors
from tests.support.large import MAILBOX
from tests.upstream.parts import message, only
from tests.upstream.test_gmail import HEAD, gmail
from tests.upstream.test_graph_large import graph, stand_in

FAILED = (Outcome.FAILED, Scope.MESSAGE)
WAITS = (Outcome.DEFERRED, Scope.IDENTITY)
ALONE = (Outcome.DEFERRED, Scope.MESSAGE)
"""Only this message waits."""

GRAPH = {
    "Authorization_RequestDenied": (Outcome.DEFERRED, Scope.ACCOUNT),
    "ErrorSendAsDenied": FAILED,
    "ErrorItemNotFound": ALONE,
    "ErrorInvalidRecipients": FAILED,
    "ErrorMimeContentInvalidBase64String": FAILED,
    "ErrorMimeContentInvalid": FAILED,
    "ErrorMessageSizeExceeded": FAILED,
    "ErrorInternalServerTransientError": ALONE,
    "UnknownError": ALONE,
}
"""The others hold up the mailbox."""
GMAIL = {"invalidArgument": FAILED, "uploadTooLarge": FAILED, "backendError": ALONE}
WAITING_IS_ALL = {
    *("ErrorServerBusy", "serviceNotAvailable", "ErrorInternalServerTransientError", "UnknownError", "backendError")
}
"""Without a next step for a person: it passes."""


async def test_each_refusal_of_graph(tmp_path: Path) -> None:
    async with stand_in(tmp_path) as sandbox, graph(sandbox) as upstream:
        for code in api_errors.GRAPH:
            # A token that is refused is replaced once.
            sandbox.faults.add(Fault(kind="refused", at="graph", code=code))
            result = only(await upstream.send(message(sender=MAILBOX)))
            sandbox.faults.clear()
            assert (result.outcome, result.scope) == GRAPH.get(code, WAITS), code
            assert code in result.text
            assert bool(result.hint) == (code not in WAITING_IS_ALL), code
        assert not sandbox.received


async def test_each_refusal_of_gmail(tmp_path: Path) -> None:
    async with gmail(tmp_path) as (sandbox, upstream):
        for reason in api_errors.GMAIL:
            sandbox.faults.add(Fault(kind="refused", at="gmail", code=reason))
            result = only(await upstream.send(message(headers=HEAD, sender=MAILBOX)))
            sandbox.faults.clear()
            assert (result.outcome, result.scope) == GMAIL.get(reason, WAITS), reason
            assert reason in result.text
            assert bool(result.hint) == (reason not in WAITING_IS_ALL), reason
        assert not sandbox.received
