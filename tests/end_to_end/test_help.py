"""What the commands say of themselves, and of a mistyped argument."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from relay.cli import main
from tests.support.process import run


def every(command: click.Command = main, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [words]
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            found += every(inner, (*words, name))
    return found


@pytest.mark.parametrize("words", every(), ids=" ".join)
def test_the_help_of_a_command_is_whole(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*words, "--help"], terminal_width=80)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert not [line for line in lines if line.endswith("...") and "Usage:" not in line]


@pytest.mark.parametrize("words", every(), ids=" ".join)
def test_every_option_is_explained(words: tuple[str, ...]) -> None:
    command: click.Command = main
    for word in words:
        assert isinstance(command, click.Group)
        command = command.commands[word]
    options = [param for param in command.params if isinstance(param, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_an_address_is_looked_at_before_anybody_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text('[accounts.hub]\nprovider = "smtp"\nhost = "smtp.invalid"\nmailbox = "a@example.com"\n')
    code, output = run(tmp_path, "send-test", "hub", "--to", "nobody", "--config", str(file))
    assert code == 2
    assert '"nobody" is no mail address: write it like "noreply@example.com"' in output
