"""Mail programs and libraries that old applications are made of: what each sends arrives octet for octet.

Each sends many messages without TLS and login, then a large one with login under STARTTLS and under implicit TLS.
"""

import re
from collections.abc import Callable
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from tests.clients.conftest import House
from tests.support.mail_programs import PROGRAMS
from tests.support.way import added_fields

MANY = 8
LARGE = 5_000_000

every_program = pytest.mark.parametrize("program", PROGRAMS)


def sent(job: Path) -> bytes:
    """What the program sent, with the line ends of the wire; whether the last one is there is its own affair."""
    return re.sub(rb"\r?\n", b"\r\n", (job / "message.eml").read_bytes()).rstrip(b"\r\n")


def local_part(program: str) -> str:
    """Recipients of its own for each program: they share a relay."""
    return f"program{list(PROGRAMS).index(program)}"


@every_program
def test_many_messages_without_login(house: House, job: Callable[..., Path], program: str) -> None:
    people = [f"{local_part(program)}.{number}@example.org" for number in range(MANY)]
    jobs = [job(number, person) for number, person in enumerate(people)]
    PROGRAMS[program](house.doors["off"], jobs)
    taken = {one.recipients[0]: one for one in house.arrived(MANY, *people)}
    assert sorted(taken) == sorted(people)
    for person, folder in zip(people, jobs, strict=True):
        raw = taken[person].raw.rstrip(b"\r\n")
        assert added_fields(raw, sent(folder))[0] == "Received"
        read = message_from_bytes(raw, policy=policy.default)
        assert read["Subject"] == "Grüße ✓"
        body = read.get_body()
        assert body is not None
        assert "\n.\n..two dots\n" in body.get_content().replace("\r\n", "\n")


@every_program
@pytest.mark.parametrize("door", ["starttls", "implicit"])
def test_a_large_message_with_login(house: House, job: Callable[..., Path], program: str, door: str) -> None:
    people = (f"{local_part(program)}.{door}.a@example.org", f"{local_part(program)}.{door}.b@example.org")
    folder = job(0, *people, octets=LARGE)
    PROGRAMS[program](house.doors[door], [folder])
    (taken,) = house.arrived(1, *people)
    assert sorted(taken.recipients) == sorted(people)
    raw = taken.raw.rstrip(b"\r\n")
    added_fields(raw, sent(folder))
    (attached,) = message_from_bytes(raw, policy=policy.default).iter_attachments()
    assert attached.get_content() == (folder / "attachment").read_bytes()
