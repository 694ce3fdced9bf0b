"""What the log says about the stand-in provider."""

import logging
from collections.abc import Sequence

from relay.log.writing import event


def ready(smtp: str, token_endpoint: str, graph: str, ca_file: str) -> None:
    text = f"stand-in Microsoft: SMTP on {smtp}, tokens at {token_endpoint}, Graph at {graph}, trust {ca_file}"
    event(logging.INFO, "sandbox", text, smtp=smtp, token_endpoint=token_endpoint, graph=graph, ca_file=ca_file)


def took(way: str, subject: str, sender: str, recipients: Sequence[str], size: int, reply: str) -> None:
    facts = {"way": way, "subject": subject, "sender": sender, "recipients": list(recipients), "size": size}
    text = f'{_stand_in(way)} took "{subject}" from {sender or "<>"} for {_whom(recipients)}: {reply}'
    event(logging.INFO, "sandbox took", text, reply=reply, **facts)


def refused(way: str, sender: str, recipients: Sequence[str], reply: str) -> None:
    text = f"{_stand_in(way)} refused mail from {sender or '<>'}: {reply}"
    event(logging.INFO, "sandbox refused", text, way=way, sender=sender, recipients=list(recipients), reply=reply)


def fault(kind: str, point: str) -> None:
    event(logging.INFO, "sandbox fault", f'the fault "{kind}" strikes at "{point}", as ordered', kind=kind, at=point)


def _stand_in(way: str) -> str:
    return "stand-in Graph" if way == "graph" else "stand-in Exchange"


def _whom(recipients: Sequence[str]) -> str:
    return recipients[0] if len(recipients) == 1 else f"{len(recipients)} recipients"
