"""Every input that is kept holds: beginnings for the fuzzer, and whatever it has found."""

from collections.abc import Iterator

import pytest

from tests.fuzz.session import forget
from tests.fuzz.targets import CORPUS, TARGETS, inputs


@pytest.fixture(scope="module", autouse=True)
def _given_back() -> Iterator[None]:
    yield
    forget()


@pytest.mark.parametrize("name", TARGETS)
def test_corpus(name: str) -> None:
    files = inputs(name)
    assert len(files) >= 3
    for file in files:
        data = file.read_bytes()
        TARGETS[name](data)
        for size in range(0, len(data), max(1, len(data) // 16)):
            TARGETS[name](data[:size])


def test_nothing_else_is_kept() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} == set(TARGETS)
