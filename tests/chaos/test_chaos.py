"""The chaos test at its shortest: `python -m tests.chaos --minutes 10` runs it for longer.

Each run of the suite has a seed of its own; a failure tells it.
"""

import os
from pathlib import Path

from tests.chaos.evidence import End
from tests.chaos.running import chaos, figures

SECONDS = 12.0


def test_nothing_is_lost_and_nothing_goes_astray(tmp_path: Path) -> None:
    seed = os.environ.get("CHAOS_SEED") or os.urandom(4).hex()
    outcome = chaos(tmp_path, seed, SECONDS)
    told = "\n".join([f"CHAOS_SEED={seed}", *figures(outcome)])
    assert outcome.well, f"{told}\n{outcome.told()}"
    evidence = outcome.verdict.evidence
    assert len(evidence.kills) > 2, told
    assert sum(entry.end is End.ACCEPTED for entry in evidence.entries.values()) > 30, told
    assert {copy.way for copy in evidence.copies} == {"smtp", "graph", "gmail"}, told
