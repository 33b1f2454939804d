"""The documents name everything that a person can write, call or read, and their links resolve."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import click
import pytest
from pydantic import BaseModel

from audits.cli.commands import auscult
from audits.cohorts.spec import StudySpec
from audits.comparison.pair import METRICS as COMPARED
from audits.explanations.result import CaseExplanation, Method
from audits.fairness.counted import METRICS
from audits.policy.schema import VERDICT_METRICS, PolicyFile
from audits.reporting.export import FORMATS
from model_adapters.registry import known_formats
from model_adapters.schema import ManifestDocument

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])
PICTURES = (".png", ".svg", ".jpg")


def text_of(*names: str) -> str:
    return "\n".join((DOCS / name).read_text(encoding="utf-8") for name in names)


def stands_in(name: str, text: str) -> bool:
    """Whether a name stands in a text as a word of its own, in code."""
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w+-])", text) is not None


def keys_of(annotation: object) -> Iterator[str]:
    """Every key of a pydantic model and of the models inside it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            yield name
            yield from keys_of(field.annotation)
            for extra in field.metadata:
                yield from keys_of(getattr(extra, "annotation", None))
    for part in get_args(annotation):
        yield from keys_of(part)


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for name, sub in command.commands.items():
            yield from commands(sub, f"{path} {name}")
    else:
        yield path, command


def anchor(heading: str) -> str:
    """The anchor that a heading gets on the usual hosts."""
    plain = re.sub(r"[`*]", "", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


COMMANDS = dict(commands(auscult, "auscult"))


def section_of(path: str) -> str:
    """What command-line.md says of one command."""
    page = text_of("command-line.md")
    heading = f"## {path}\n"
    assert heading in page, f"docs/command-line.md has no section {path!r}"
    return page.split(heading, 1)[1].split("\n## ", 1)[0]


@pytest.mark.parametrize("metric", sorted({*METRICS, *VERDICT_METRICS, "mae", "bias"}))
def test_every_metric_is_explained(metric: str) -> None:
    assert f"`{metric}`" in text_of("methods/fairness.md")


@pytest.mark.parametrize("metric", COMPARED)
def test_every_compared_metric_is_explained(metric: str) -> None:
    assert stands_in(metric, text_of("methods/comparison.md"))


@pytest.mark.parametrize("method", get_args(Method))
def test_every_explanation_method_is_explained(method: str) -> None:
    assert f"`{method}`" in text_of("methods/explanations.md")


@pytest.mark.parametrize("key", CaseExplanation.__slots__)
def test_every_key_of_an_explanation_is_listed(key: str) -> None:
    assert f"`{key}`" in text_of("evidence.md")


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_has_an_example(path: str) -> None:
    section = section_of(path)
    assert f"{path} " in section or f"{path}\n" in section
    assert "```bash" in section


@pytest.mark.parametrize(
    ("path", "option"),
    [
        (path, name)
        for path, command in COMMANDS.items()
        for option in command.params
        if isinstance(option, click.Option) and not option.hidden
        for name in (*option.opts, *option.secondary_opts)
        if name not in ("-h", "--help")
    ],
)
def test_every_option_is_listed_with_its_command(path: str, option: str) -> None:
    assert f"`{option}`" in section_of(path)


@pytest.mark.parametrize("form", FORMATS)
def test_every_export_is_listed(form: str) -> None:
    assert f"`{form}`" in section_of("auscult report")


@pytest.mark.parametrize("name", known_formats())
def test_every_weights_format_is_listed(name: str) -> None:
    assert stands_in(name, text_of("folders.md"))


@pytest.mark.parametrize("schema", [StudySpec, ManifestDocument, PolicyFile])
def test_every_key_a_person_can_write_is_listed(schema: type[BaseModel]) -> None:
    page = text_of("folders.md")
    absent = [key for key in dict.fromkeys(keys_of(schema)) if not stands_in(key, page)]
    assert not absent, f"docs/folders.md does not name {absent} of {schema.__name__}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        name, _, place = target.partition("#")
        if target.startswith(("http://", "https://", "mailto:")) or name.endswith(PICTURES):
            continue
        there = page.parent / name if name else page
        assert there.exists(), f"{page.name} links to {target}"
        if place:
            lines = there.read_text(encoding="utf-8").splitlines()
            headings = {anchor(line.lstrip("#")) for line in lines if line.startswith("#")}
            assert place in headings, f"{page.name} links to {target}"


def test_pictures_are_there() -> None:
    shown = [
        page.parent / name
        for page in PAGES
        for name in re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    ]
    if not any((DOCS / "images").glob("*")):
        pytest.skip("docs/images holds no picture yet")
    assert not [str(path) for path in shown if not path.exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_toml_examples_are_toml(page: Path) -> None:
    for block in re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        tomllib.loads(block)


def test_toml_examples_are_what_the_schemas_take() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", text_of("folders.md"), re.DOTALL)
    study, model = (
        next(block for block in blocks if block.startswith(f"# {name}"))
        for name in ("study.toml", "model.toml")
    )
    policy = next(block for block in blocks if block.startswith("[audit]"))
    StudySpec.model_validate(tomllib.loads(study))
    ManifestDocument.model_validate(tomllib.loads(model.replace('"…"', f'"{"0" * 64}"')))
    PolicyFile.model_validate(tomllib.loads(policy))
