"""Which messages a person means: by name, account, client, sender, recipient, state and age."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from relay.database import Connection, marks

STATES = ("queued", "active", "held", "failed", "corrupt", "sent")
_BY_INDEX = {
    "queued": "SELECT seq FROM message WHERE state = 'queued'",
    "active": "SELECT seq FROM message WHERE state = 'active'",
    "held": "SELECT seq FROM message WHERE state = 'held'",
}
_DONE = "SELECT seq FROM message WHERE done_at IS NOT NULL"
_TRIED = "seq IN (SELECT message FROM attempt)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """All that is given must fit; what is empty or None fits everything.

    `name` is the relay's id, or a Message-ID: the app's own or the one that the provider gave in its reply, with or
    without brackets. `sender` and `recipient` are addresses or `@domain`; the sender `<>` is the null sender. Received
    before or after a time is in seconds since the epoch.
    """

    name: str = ""
    account: str = ""
    client: str = ""
    sender: str = ""
    recipient: str = ""
    states: tuple[str, ...] = ()
    received_before: float | None = None
    received_after: float | None = None
    tried: bool | None = None
    """Of waiting mail: whether an attempt went wrong, or it waits for its first."""

    @property
    def by_state(self) -> bool:
        """Whether nothing restricts it but states, account and `tried`."""
        return self == Selection(states=self.states, tried=self.tried, account=self.account)

    @property
    def everything(self) -> bool:
        """Whether nothing restricts it."""
        return self == Selection()


def condition(selection: Selection) -> tuple[str, list[Any]]:
    """The SQL that stands behind WHERE, and its parameters."""
    terms: list[str] = []
    values: list[Any] = []

    def add(term: str, *parameters: Any) -> None:
        terms.append(term)
        values.extend(parameters)

    if selection.name:
        add(*_name(selection.name))
    if selection.account:
        add("account = ?", selection.account)
    if selection.client:
        # The first of the origin's values; see rows._origin_text.
        add("origin LIKE ? ESCAPE '\\'", f'["{_literal(selection.client)}",%')
    if selection.sender:
        add(*_address("sender", selection.sender))
    if selection.recipient:
        term, value = _address("address", selection.recipient)
        add(f"EXISTS (SELECT 1 FROM recipient WHERE message = seq AND {term})", value)  # noqa: S608
    if selection.states:
        add(f"state IN ({marks(selection.states)})", *selection.states)
        # Found by the indexes: a look at each row would be a look at all mail that is kept.
        parts = dict.fromkeys(_BY_INDEX.get(state, _DONE) for state in selection.states)
        add(f"seq IN ({' UNION ALL '.join(parts)})")
    if selection.received_before is not None:
        add("received_at < ?", selection.received_before)
    if selection.received_after is not None:
        add("received_at > ?", selection.received_after)
    if selection.tried is not None:
        add(_TRIED if selection.tried else f"NOT {_TRIED}")
    return " AND ".join(terms) or "1 = 1", values


def find(connection: Connection, selection: Selection) -> list[tuple[int, str]]:
    """The messages by age, the oldest first: [(seq, id)]."""
    where, values = condition(selection)
    if selection == Selection(name=selection.name):
        # Mostly it is an id, and that is found at once: a Message-ID may be anybody's, in every row.
        known = connection.execute("SELECT seq, id FROM message WHERE id = ?", (selection.name.lower(),)).fetchall()
        if known:
            return [(seq, identifier) for seq, identifier in known]
    rows = connection.execute(f"SELECT seq, id FROM message WHERE {where} ORDER BY seq", values).fetchall()  # noqa: S608
    return [(seq, identifier) for seq, identifier in rows]


def _name(name: str) -> Sequence[str]:
    if "@" not in name:
        return "(id = ? OR message_id = ?)", name.lower(), name
    bracketed = f"<{name.strip().removeprefix('<').removesuffix('>')}>"
    told = "EXISTS (SELECT 1 FROM recipient WHERE message = seq AND text LIKE ? ESCAPE '\\')"
    return f"(message_id IN (?, ?) OR {told})", name, bracketed, f"%{_literal(bracketed)}%"


def _address(column: str, pattern: str) -> tuple[str, str]:
    if pattern == "<>":
        return f"{column} = ?", ""
    if pattern.startswith("@"):
        return f"lower({column}) LIKE ? ESCAPE '\\'", f"%{_literal(pattern.lower())}"
    return f"lower({column}) = ?", pattern.strip("<>").lower()


def _literal(text: str) -> str:
    """`text` for LIKE, in which no character stands for others."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
