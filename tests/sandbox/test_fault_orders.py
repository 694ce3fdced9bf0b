"""What may be ordered, and what is said of an order that makes no sense."""

from typing import Any

import pytest

from relay.sandbox import Fault, FaultError
from relay.sandbox.faults import KINDS


@pytest.mark.parametrize(
    ("order", "text"),
    [
        ({"kind": "gremlins"}, 'there is no fault "gremlins"; there are: expired_secret, wrong_secret, no_roles'),
        ({"kind": "auth_refused", "at": "mail"}, '"auth_refused" cannot be ordered at "mail", only at: auth'),
        ({"kind": "service_closing", "at": "body"}, "only at: mail, connect, ehlo"),
        ({"kind": "slow"}, '"slow" needs "seconds"'),
        ({"kind": "slow", "seconds": -1}, "not negative"),
        ({"kind": "refused", "at": "graph"}, '"refused" at "graph" needs a "code", one of: InvalidAuthenticationToken'),
        ({"kind": "refused", "at": "gmail", "code": "ErrorAccessDenied"}, "one of: invalidArgument"),
        ({"kind": "reply"}, '"reply" needs an SMTP reply such as "451 4.7.0 Temporary server error"'),
        ({"kind": "reply", "reply": "nonsense"}, '"reply" needs an SMTP reply'),
        ({"kind": "http_reply"}, '"http_reply" needs a "status" from 200 to 599'),
        ({"kind": "throttled", "seconds": 3}, '"throttled" has no use for "seconds"; it takes: retry_after, code'),
        ({"kind": "expired_secret", "status": 400}, "it takes: no option of its own"),
        ({"kind": "disconnect", "at": "token", "after_reply": True}, '"after_reply" has no meaning at "token"'),
        ({"kind": "disconnect", "at": "mail", "after_bytes": 3}, '"after_bytes" has a meaning only at "body"'),
        ({"kind": "disconnect", "times": 0}, '"times" is 1 or more, or left out: until removed'),
        ({"kind": "disconnect", "often": 1}, 'a fault has no "often"; it has: kind, at, times, after,'),
        ({"kind": "disconnect", "times": "2"}, "\"times\" must be a number or null, not '2'"),
        ({"kind": "disconnect", "times": True}, '"times" must be a number or null, not True'),
        ({"kind": "disconnect", "after_reply": 1}, '"after_reply" must be a boolean, not 1'),
        ({"at": "mail"}, 'send a JSON object with a "kind", one of: expired_secret'),
        (["disconnect"], 'send a JSON object with a "kind"'),
    ],
)
def test_what_cannot_be_obeyed(order: Any, text: str) -> None:
    with pytest.raises(FaultError) as error:
        Fault.from_json(order)
    assert text in str(error.value)


def test_every_kind_can_be_ordered_at_each_of_its_points() -> None:
    needs: dict[str, dict[str, Any]] = {
        "slow": {"seconds": 0.5},
        "reply": {"reply": "451 4.0.0 x"},
        "http_reply": {"status": 500, "body": "x"},
    }
    for name, kind in KINDS.items():
        for point in kind.points:
            needs["refused"] = {"code": "authError" if point.startswith("gmail") else "ErrorServerBusy"}
            order = {"kind": name, "at": point, "times": 2, **needs.get(name, {})}
            assert Fault.from_json(order).as_json() == order


def test_the_default_point_is_the_usual_one() -> None:
    assert Fault(kind="disconnect").at == "end_of_data"
    assert Fault(kind="throttled").at == "token"
    assert Fault(kind="service_closing").at == "mail"
