"""What ``--help`` shows can be typed as it stands."""

from __future__ import annotations

import inspect
import shlex
from pathlib import Path

import click
import pandas as pd
import pytest

from audits.cli.commands import auscult as group

ROOT = Path(__file__).parents[4]


def commands(command, path):
    yield path, command
    for name, sub in getattr(command, "commands", {}).items():
        yield from commands(sub, (*path, name))


def examples():
    for path, command in commands(group, ("auscult",)):
        lines = inspect.cleandoc(command.callback.__doc__).replace("\\\n", " ").splitlines()
        for line in lines:
            if line.strip().startswith("auscult "):
                yield pytest.param(line.strip(), id=" ".join(path))


def arguments(line):
    """Return the words of a sample command that name something of the sample data."""
    return [word for word in shlex.split(line) if word.startswith("sample_data/")]


@pytest.mark.parametrize("line", list(examples()))
def test_an_example_parses_and_names_what_is_there(line):
    command, *words = shlex.split(line)
    assert command == "auscult"
    found = group
    while isinstance(found, click.Group):
        found = found.commands[words.pop(0)]
    found.make_context("auscult", words).close()
    for name in arguments(line):
        assert (ROOT / name).exists(), name
    if "--case" in words and "--study" in words:
        at = words.index("--case")
        study = ROOT / words[words.index("--study") + 1]
        cases = pd.read_parquet(study / "cases.parquet").set_index("case_id")
        case = cases.loc[words[at + 1]]
        assert case["split"] == "test"
        assert (study / case["image_path"]).is_file()


def test_every_command_has_an_example():
    shown = {param.id for param in examples()}
    for path, command in commands(group, ("auscult",)):
        if not isinstance(command, click.Group):
            assert " ".join(path) in shown
