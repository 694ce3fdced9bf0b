"""`relay queue show`."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from relay.cli.common import CONFIG, fail
from relay.cli.queue.changing import NAMES
from relay.cli.queue.list import facts
from relay.cli.queue.selecting import JSON, instant, named, run
from relay.config import Settings
from relay.log import clean, duration, moment
from relay.spool.administration import Administration
from relay.spool.details import Details, PastAttempt, RecipientState


@click.command(short_help="Show everything about messages.")
@CONFIG
@JSON
@NAMES
def show(path: Path | None, names: tuple[str, ...], *, as_json: bool) -> None:
    """Show everything about messages: where each came from, its recipients, and each attempt with its replies."""
    if not names:
        raise click.UsageError("name a message: its id, or a Message-ID")

    async def main(queue: Administration, _settings: Settings) -> list[Details]:
        found = [await queue.details(seq) for seq, _ in await named(queue, names)]
        return [each for each in found if each is not None]

    found = run(path, main)
    if not found:
        fail("the message has just left the queue")
    if as_json:
        click.echo(json.dumps([all_facts(each) for each in found], indent=2))
        return
    for number, each in enumerate(found):
        for line in ["", *_lines(each)] if number else _lines(each):
            click.echo(clean(line))


def all_facts(found: Details) -> dict[str, Any]:
    """A message with its history, for programs."""
    return facts(found.summary) | {
        "listener": found.listener,
        "peer": found.peer,
        "helo": found.helo,
        "login": found.login,
        "tls": found.tls,
        "expires_at": instant(found.expires_at),
        "done_at": instant(found.done_at),
        "recipients": [_result(one) for one in found.recipients],
        "history": [
            {
                "number": attempt.number,
                "started_at": instant(attempt.started_at),
                "ended_at": instant(attempt.ended_at),
                "results": [_result(one) for one in attempt.results],
            }
            for attempt in found.attempts
        ],
    }


def _result(one: RecipientState) -> dict[str, Any]:
    return {
        "address": one.address,
        "state": one.state,
        "code": one.code,
        "status": one.status,
        "text": one.text,
        "hint": one.hint,
    }


def _lines(found: Details) -> Iterable[str]:
    summary = found.summary
    yield f"{summary.id}: {summary.state}{f': {summary.reason}' if summary.reason else ''}"
    login = f", logged in as {found.login}" if found.login else ""
    yield f"  received   {moment(summary.received_at)} from {summary.client or '-'} ({found.peer}{login})"
    yield f"  greeting   {found.helo or '-'}, {found.tls or 'without TLS'}, listener {found.listener}"
    yield f"  account    {summary.account}"
    yield f"  sender     <{summary.sender}>"
    yield f"  subject    {summary.subject or '(none)'}"
    yield f"  Message-ID {summary.message_id or '(none)'}"
    yield f"  size       {summary.size:,} octets"
    if summary.state == "queued":
        yield f"  next try   {moment(summary.next_at)}"
    if found.done_at is None:
        yield f"  expires    {moment(found.expires_at)}"
    else:
        yield f"  ended      {moment(found.done_at)}"
    for one in found.recipients:
        yield f"  recipient  <{one.address}> {one.state}"
        yield from _reply(one)
    for attempt in found.attempts:
        yield _attempt(attempt)
        for one in attempt.results:
            yield f"    <{one.address}> {one.state}: {one.code} {one.status} {one.text}"


def _attempt(attempt: PastAttempt) -> str:
    if attempt.started_at is None:
        return f"  attempt {attempt.number}, ended {moment(attempt.ended_at)}"
    took = duration(attempt.ended_at - attempt.started_at)
    return f"  attempt {attempt.number}, {moment(attempt.started_at)}, took {took}"


def _reply(one: RecipientState) -> Iterable[str]:
    if one.code:
        yield f"             {one.code} {one.status} {one.text}"
    if one.hint:
        yield f"             {one.hint}"
