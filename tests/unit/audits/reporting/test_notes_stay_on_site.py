"""No word of a note leaves a run of a study with notes, in any export or in its evidence."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pandas as pd
import pikepdf
import pytest

from audits.cli.failures import run_guarded as main

MODEL = "icu-notes@1.0"
WORDS = ("Quillfeather", "zebrafinch", "marmoset")
"""What the fixture adds to every note: a name, and a word for each sex."""


def phrases(cases: pd.DataFrame) -> set[str]:
    """Return every sentence of the notes, and the words that only they hold."""
    lines = (line for note in cases["note"] for line in re.split(r"(?<=[.!?])\s+|\n", note))
    plain = (re.sub(r"^[A-Z]+:\s*", "", line).strip(" .").lower() for line in lines)
    return {one for one in plain if len(one.split()) > 1} | {word.lower() for word in WORDS}


def told_by(path: Path) -> str:
    """Return all text of an export, with what is packed into it or attached."""
    data = path.read_bytes()
    if data.startswith(b"%PDF"):
        if shutil.which("pdftotext") is None:
            pytest.skip("pdftotext (poppler-utils) is not installed")
        done = subprocess.run(["pdftotext", str(path), "-"], capture_output=True, check=True)
        with pikepdf.open(path) as document:
            files = [f.get_file().read_bytes() for f in document.attachments.values()]
        data = done.stdout + b"\n".join(files)
    elif zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(path) as archive:
            data = b"\n".join(archive.read(name) for name in archive.namelist())
    return " ".join(data.decode("utf-8", errors="replace").lower().split())


def leaked(path: Path, cases: pd.DataFrame) -> set[str]:
    text = told_by(path)
    assert len(text) > 500
    return {one for one in phrases(cases) if one in text}


def test_the_evidence_holds_no_word_of_a_note(noted):
    base, cases = noted
    assert (base / "run" / "internal" / "explanations" / MODEL).is_dir()
    assert len(phrases(cases)) > 20
    assert not leaked(base / "run" / "evidence.json", cases)
    kept = base / "run" / "internal" / "cases.parquet"
    assert not {word for word in WORDS if word.encode() in kept.read_bytes()}


@pytest.mark.parametrize("form", ["pdf", "html", "json", "csv", "xlsx", "xml", "md"])
def test_no_export_of_the_run_holds_a_word_of_a_note(noted, form, tmp_path):
    base, cases = noted
    out = tmp_path / f"report.{form}"
    assert main(["report", str(base / "run"), "--format", form, "--out", str(out)]) == 0
    assert not leaked(out, cases)


@pytest.mark.parametrize("form", ["pdf", "fhir"])
def test_no_export_of_a_case_holds_a_word_of_its_note(noted, form, tmp_path):
    base, cases = noted
    explained = base / "run" / "internal" / "explanations" / MODEL
    case = min(folder.name for folder in explained.iterdir())
    out = tmp_path / f"case.{form}"
    command = ["report", str(base / "run"), "--format", form, "--case", case, "--model", MODEL]
    assert main([*command, "--out", str(out)]) == 0
    assert not leaked(out, cases)
