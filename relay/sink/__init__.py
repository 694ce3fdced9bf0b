"""The test-mail sink: keeps what sink accounts got, and finds, shows and changes it.

`store` keeps and lists, `digester` looks into what was kept; `changes` marks, tags and deletes; `query` is the search
language; `message` opens one message; `faults` makes the listener refuse on purpose; `compose` makes a message from
parts; `export` writes mailbox files. The sink's routes and pages (relay.web) and the fixture for test suites stand on
these. Reading hostile mail happens in `parts`, `words` and `page`, which have limits and never raise for what mail
holds.
"""

from relay.sink.query import Query, QueryError, parse
from relay.sink.rows import Limits, Source
from relay.sink.store import Page, SearchTooLongError, SinkStore
from relay.sink.summary import Summary
from relay.sink.words import Person

__all__ = [
    "Limits",
    "Page",
    "Person",
    "Query",
    "QueryError",
    "SearchTooLongError",
    "SinkStore",
    "Source",
    "Summary",
    "parse",
]
