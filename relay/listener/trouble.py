"""Trouble that a test asked for: how a session of a sink's client meets the faults of `relay.sink.faults`."""

from relay import log
from relay.listener.commands import CommandSession
from relay.listener.reception import Parts
from relay.policy import ClientPolicy
from relay.sink.faults import Stage, Strike


def due(parts: Parts, client: ClientPolicy | None, stage: Stage, sender: str = "", *recipients: str) -> Strike | None:
    """What a test wants to happen at this step. Never anything to a client whose mail really leaves."""
    if client is None or client.is_real:
        return None
    return parts.faults.at(stage, sender, recipients)


async def befall(session: CommandSession, parts: Parts, stage: Stage, strike: Strike) -> bool:
    """Wait, answer, hang up, as `strike` says; whether that was an answer."""
    log.listener.struck(session.peer, stage, strike.reply, strike.delay, disconnect=strike.disconnect)
    if strike.delay:
        await parts.clock.sleep(strike.delay)
    if strike.disconnect:
        session.hang_up(strike.reply)
    elif strike.reply:
        session.push(strike.reply)
    return strike.answers
