"""What the log says about connections to mail servers, and the sinks."""

import logging
from collections.abc import Sequence

from relay.log.writing import event, people


def connected(account: str, where: str, address: str, tls: str) -> None:
    text = f"{account}: connected to {where} [{address}], {tls or 'without TLS'}"
    event(logging.DEBUG, "upstream connected", text, account=account, peer=address, tls=tls)


def authenticated(account: str, user: str, mechanism: str) -> None:
    text = f"{account}: logged in as {user} by {mechanism}"
    event(logging.DEBUG, "upstream authenticated", text, account=account, user=user, mechanism=mechanism)


def refused_login(account: str, user: str, reply: str) -> None:
    text = f"{account}: login as {user} refused: {reply}"
    event(logging.DEBUG, "upstream refused login", text, account=account, user=user, reply=reply)


def given_up(account: str, where: str, messages: int, reason: str) -> None:
    text = f"{account}: connection to {where} given up after {messages} messages: {reason}"
    event(logging.DEBUG, "upstream discarded", text, account=account, messages=messages, reason=reason)


def sink_took(
    message_id: str, account: str, sender: str, recipients: Sequence[str], subject: str, size: int, client: str
) -> None:
    people = ", ".join(f"<{recipient}>" for recipient in recipients[:10])
    more = f" and {len(recipients) - 10} more" if len(recipients) > 10 else ""
    text = f'{message_id}: {account} took "{subject}" from <{sender}> to {people}{more}, {size:,} octets, by {client}'
    facts = {"id": message_id, "account": account, "sender": sender, "recipients": list(recipients)}
    event(logging.INFO, "sink", text, subject=subject, size=size, client=client, **facts)


def sink_text(message_id: str, line: str) -> None:
    """One line of a message's text: each is a line of the log, so that none can forge another."""
    event(logging.INFO, "sink text", f"{message_id}: | {line}", id=message_id, text=line)


def discarded(message_id: str, account: str, recipients: Sequence[str], size: int) -> None:
    text = f"{message_id}: {account} discarded {size:,} octets for {people(recipients)}"
    event(logging.DEBUG, "discarded", text, id=message_id, account=account, recipients=list(recipients), size=size)


def conversation(account: str, message_id: str, line: str) -> None:
    """One line of what is said at an account's upstream, as `listener.conversation` has it for clients."""
    text = f"{account} ({message_id}) {line}"
    event(logging.INFO, "conversation", text, account=account, id=message_id, line=line)


def api_answered(account: str, request: str, reply: str, client_request_id: str, request_id: str) -> None:
    """Both ids are what Microsoft's support asks for; Google's API has none."""
    told = f" (client-request-id {client_request_id}, request-id {request_id or 'none'})" if client_request_id else ""
    text = f"{account}: {request}: {reply}{told}"
    ids = {"client_request_id": client_request_id, "request_id": request_id}
    event(logging.DEBUG, "upstream answered", text, account=account, request=request, reply=reply, **ids)


def api_unanswered(account: str, request: str, client_request_id: str, reason: str) -> None:
    told = f" (client-request-id {client_request_id})" if client_request_id else ""
    text = f"{account}: {request}: {reason}{told}"
    ids = {"client_request_id": client_request_id}
    event(logging.DEBUG, "upstream unanswered", text, account=account, request=request, reason=reason, **ids)


def way_taken(account: str, way: str, why: str) -> None:
    event(logging.DEBUG, "way", f"{account}: sent by {way}, since {why}", account=account, way=way, why=why)
