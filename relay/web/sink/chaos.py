"""Faults on purpose: Mailpit's chaos, and rules of our own beside it."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from relay.sink.faults import DEFAULT_CODES, PRESETS, STAGES, Rule, RuleError, Stage, Trigger, preset
from relay.web.sink import answers, asking
from relay.web.sink.answers import told
from relay.web.sink.asking import Refused
from relay.web.sink.plane import Plane

_NAMES = {"Sender": "mail", "Recipient": "rcpt", "Authentication": "auth"}


class Chaos:
    """`/api/v1/chaos` and `/api/v1/faults`."""

    def __init__(self, plane: Plane) -> None:
        self._faults = plane.faults

    def routes(self) -> list[Route]:
        """The first two are Mailpit's."""
        return [
            Route("/api/v1/chaos", told(self.triggers), methods=["GET"]),
            Route("/api/v1/chaos", told(self.set_triggers), methods=["PUT"]),
            Route("/api/v1/faults", told(self.rules), methods=["GET"]),
            Route("/api/v1/faults", told(self.set_rules), methods=["PUT"]),
            Route("/api/v1/faults", told(self.no_rules), methods=["DELETE"]),
        ]

    def _need(self) -> None:
        if not self._faults.enabled:
            raise Refused(400, "Chaos is not enabled")

    async def triggers(self, _request: Request) -> Response:
        """What is in force."""
        self._need()
        found = {name: self._faults.triggers[stage] for name, stage in _NAMES.items()}
        return answers.as_json(
            {name: {"ErrorCode": each.code, "Probability": each.probability} for name, each in found.items()}
        )

    async def set_triggers(self, request: Request) -> Response:
        """Replace all of them; what is left out is as at the start."""
        self._need()
        given = await asking.fields(request)
        wanted = {stage: _trigger(asking.of(given, name, dict, {}), stage) for name, stage in _NAMES.items()}
        self._faults.triggers.update(wanted)
        return await self.triggers(request)

    async def rules(self, _request: Request) -> Response:
        """The rules with how often each has matched, and the presets that there are."""
        self._need()
        rules = [{**_shown(rule), "Matched": seen} for rule, seen in self._faults.rules]
        presets = {name: {"Stage": each[0], "Code": each[1], "Text": each[2]} for name, each in PRESETS.items()}
        return answers.as_json({"Rules": rules, "Presets": presets})

    async def set_rules(self, request: Request) -> Response:
        """Replace the rules: `{"Rules": [{"Stage": "rcpt", "Recipient": "@x.org", "Code": 450, "Times": 1}]}`."""
        self._need()
        given = await asking.fields(request)
        try:
            self._faults.set_rules([_rule(asking.lowered(each)) for each in asking.of(given, "Rules", list, [])])
        except RuleError as error:
            raise Refused(400, str(error)) from error
        return await self.rules(request)

    async def no_rules(self, _request: Request) -> Response:
        """All goes well again."""
        self._need()
        self._faults.set_rules([])
        return answers.done()


def _trigger(given: dict[str, Any], stage: str) -> Trigger:
    found = asking.lowered(given)
    code, probability = asking.of(found, "ErrorCode", int, 0), asking.of(found, "Probability", int, 0)
    if not code:
        return Trigger(DEFAULT_CODES[stage])
    if not 400 <= code <= 599:
        raise Refused(400, "error code must be between 400 and 599")
    if not 0 <= probability <= 100:
        raise Refused(400, "probability must be between 0 and 100")
    return Trigger(code, probability)


def _rule(given: dict[str, Any]) -> Rule:
    stage = asking.of(given, "Stage", str, "rcpt")
    if stage not in STAGES:
        raise RuleError(f"stage must be one of {', '.join(STAGES)}")
    delay = asking.of(given, "Delay", object, 0)
    if isinstance(delay, bool) or not isinstance(delay, int | float):
        raise RuleError("delay must be a number of seconds")
    times = asking.of(given, "Times", int, 0)
    rule = Rule(
        stage=_STAGES[stage],
        sender=asking.of(given, "Sender", str, "") or "*",
        recipient=asking.of(given, "Recipient", str, "") or "*",
        code=asking.of(given, "Code", int, 0),
        text=asking.of(given, "Text", str, ""),
        delay=float(delay),
        disconnect=asking.of(given, "Disconnect", bool, False),
        skip=asking.of(given, "Skip", int, 0),
        times=times or None,
    )
    name = asking.of(given, "Preset", str, "")
    return preset(name, rule) if name else rule


_STAGES: dict[str, Stage] = {"connect": "connect", "auth": "auth", "mail": "mail", "rcpt": "rcpt", "data": "data"}


def _shown(rule: Rule) -> dict[str, Any]:
    return {
        "Stage": rule.stage,
        "Sender": rule.sender,
        "Recipient": rule.recipient,
        "Code": rule.code,
        "Text": rule.text,
        "Delay": rule.delay,
        "Disconnect": rule.disconnect,
        "Skip": rule.skip,
        "Times": rule.times or 0,
    }
