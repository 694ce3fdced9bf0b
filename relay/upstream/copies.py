"""Ways that send a message in several copies: one copy is one transaction, whose results are written down before the
next. Were all of them one, a relay that is stopped or killed in between would send again what half of them have.
"""

from relay.model import Message


def first_copy(way: object, message: Message) -> tuple[str, ...]:
    """The recipients of `message` that `way` serves in one go: all of them, but for a way that says otherwise."""
    ask = getattr(way, "first_copy", None)
    recipients: tuple[str, ...] = message.envelope.recipients if ask is None else ask(message)
    return recipients
