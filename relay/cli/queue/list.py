"""`relay queue list`."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from relay.cli.common import CONFIG
from relay.cli.queue.selecting import JSON, filters, instant, nothing, run, text
from relay.cli.queue.waiting import Waiting
from relay.config import Settings
from relay.log import clean, duration, people
from relay.spool.administration import Administration
from relay.spool.ages import LIMITS, Ages
from relay.spool.history import Summary
from relay.spool.selection import Selection

_EVERYTHING = 1_000_000_000


@click.command("list", short_help="List messages, and how old the waiting mail is.")
@CONFIG
@filters
@click.option("--summary", "only_summary", is_flag=True, help="Only how old the waiting mail of each mailbox is.")
@click.option(
    "--limit",
    type=click.IntRange(1, _EVERYTHING),
    metavar="NUMBER",
    help="At most so many, the newest. Default: 50, with --json all.",
)
@JSON
@click.argument("name", default="", type=text, metavar="[ID | MESSAGE-ID]")
def list_messages(
    path: Path | None, selection: Selection, name: str, *, only_summary: bool, limit: int | None, as_json: bool
) -> None:
    """List messages, the newest first, and how old the waiting mail of each mailbox is."""
    selection = replace(selection, name=name)
    most = limit or (_EVERYTHING if as_json else 50)

    async def main(queue: Administration, settings: Settings) -> None:
        found, count = await queue.listing(selection, 0 if only_summary else most)
        ages, waiting = await queue.ages(), await Waiting.of(queue, settings)
        if as_json:
            shown = (
                [_age_facts(each, waiting) for each in ages]
                if only_summary
                else [facts(each, waiting) for each in found]
            )
            click.echo(json.dumps(shown, indent=2))
            return
        nobody = "no message" if selection.everything else nothing(selection, settings)
        for line in _lines(found, count, ages, waiting, nobody, only_summary=only_summary):
            click.echo(clean(line))

    run(path, main)


def facts(summary: Summary, waiting: Waiting | None = None) -> dict[str, Any]:
    """A message for programs."""
    trouble = waiting.reason(summary) if waiting is not None else None
    return {
        "id": summary.id,
        "kind": summary.kind,
        "state": summary.state,
        "reason": summary.reason,
        "mailbox_trouble": str(trouble) if trouble is not None else None,
        "account": summary.account,
        "client": summary.client,
        "sender": summary.sender,
        "recipients": list(summary.recipients),
        "message_id": summary.message_id,
        "subject": summary.subject,
        "size": summary.size,
        "attempts": summary.attempts,
        "received_at": instant(summary.received_at),
        "next_at": instant(summary.next_at) if summary.state == "queued" else None,
        "reply": summary.reply,
    }


def _lines(
    found: list[Summary], count: int, ages: list[Ages], waiting: Waiting, nobody: str, *, only_summary: bool
) -> list[str]:
    now = time.time()
    table = [*_table(ages, waiting, now), *waiting.lines()] if ages else []
    if only_summary:
        return table or ["no mail waits"]
    lines = [line for summary in found for line in _message(summary, waiting, now)]
    if count > len(found):
        lines.append(f"and {count - len(found):,} more: --limit {count} shows all")
    if not found:
        lines.append(nobody)
    return [*lines, "", *table] if table else lines


def _message(summary: Summary, waiting: Waiting, now: float) -> list[str]:
    age = duration(now - summary.received_at)
    state = summary.state
    if state == "queued":
        state += f", next try in {duration(summary.next_at - now)}" if summary.next_at > now else ", due"
    tries = "" if not summary.attempts else f", {summary.attempts} {'try' if summary.attempts == 1 else 'tries'}"
    report = "report, " if summary.kind == "report" else ""
    who = people(summary.recipients) if summary.recipients else "nobody"
    trouble = waiting.reason(summary)
    said = summary.reason or summary.reply or (f"waits for its mailbox: {trouble.reply}" if trouble is not None else "")
    return [
        f"{summary.id}  {report}{state}  {age} old{tries}  {summary.client or '-'} -> {summary.account}",
        f"    <{summary.sender}> to {who}, {summary.size:,} octets: {summary.subject or '(no subject)'}",
        *([f"    {said}"] if said else []),
    ]


def _table(ages: list[Ages], waiting: Waiting, now: float) -> list[str]:
    """The waiting mail by identity and age: where a column fills up, a mailbox is stuck."""
    heads = ["waiting mail of", "all", *(f"<{duration(limit)}" for limit in LIMITS), "older", "oldest"]
    rows = [
        [_who(each, waiting), *(f"{number:,}" for number in (each.total, *each.counts)), duration(now - each.oldest)]
        for each in ages
    ]
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    return [
        "  ".join(cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in enumerate(line))
        for line in (list(zip(row, widths, strict=True)) for row in [heads, *rows])
    ]


def _who(each: Ages, waiting: Waiting) -> str:
    return f"{each.account} ({waiting.identity(each.account, each.mailbox) or 'not in the configuration'})"


def _age_facts(each: Ages, waiting: Waiting) -> dict[str, Any]:
    limits = [f"up to {duration(limit)}" for limit in LIMITS]
    return {
        "account": each.account,
        "mailbox": each.mailbox or None,
        "identity": waiting.identity(each.account, each.mailbox),
        "messages": each.total,
        "octets": each.octets,
        "oldest_received_at": instant(each.oldest),
        "ages": dict(zip([*limits, "older"], each.counts, strict=True)),
    }
