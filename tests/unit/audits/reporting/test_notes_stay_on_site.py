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

SAMPLE = Path(__file__).parents[4] / "sample_data" / "icu_multimodal"
MODEL = "icu-notes@1.0"
WORDS = ("Quillfeather", "zebrafinch", "marmoset")
"""A name, and a word for each sex: the most telling one that a scan for proxies can find."""
STUDY = """
[study]
name = "ward"
version = "1.0"
[cases]
table = "cases.parquet"
id = "case_id"
patient = "patient_id"
[labels.deterioration]
column = "deterioration"
positive = 1
[groups.sex]
column = "sex"
[inputs.note]
column = "note"
"""


def ward(folder: Path) -> tuple[Path, pd.DataFrame]:
    """Write a study of 240 simulated notes that all hold words found nowhere else."""
    held = pd.read_parquet(SAMPLE / "cases.parquet").query("split == 'test' and note.notna()")
    cases = held.groupby("deterioration").head(120).reset_index(drop=True)
    told = cases["sex"].map({"F": WORDS[1], "M": WORDS[2]})
    cases["note"] = cases["note"] + " " + WORDS[0] + " saw a " + told + "."
    folder.mkdir()
    columns = ["case_id", "patient_id", "sex", "note", "deterioration"]
    cases[columns].to_parquet(folder / "cases.parquet")
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    return folder, cases


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    base = tmp_path_factory.mktemp("notes")
    study, cases = ward(base / "study")
    command = ["audit", "--study", study, "--model", SAMPLE / "models" / "notes-1.0"]
    command += ["--explain-cases", 4, "--check-cases", 1, "--store", base / "store"]
    assert main([str(word) for word in [*command, "--out", base / "run"]]) == 0
    return base, cases


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


def test_the_evidence_holds_no_word_of_a_note(made):
    base, cases = made
    assert (base / "run" / "internal" / "explanations" / MODEL).is_dir()
    assert len(phrases(cases)) > 20
    assert not leaked(base / "run" / "evidence.json", cases)
    kept = base / "run" / "internal" / "cases.parquet"
    assert not {word for word in WORDS if word.encode() in kept.read_bytes()}


@pytest.mark.parametrize("form", ["pdf", "html", "json", "csv", "xlsx", "xml", "md"])
def test_no_export_of_the_run_holds_a_word_of_a_note(made, form, tmp_path):
    base, cases = made
    out = tmp_path / f"report.{form}"
    assert main(["report", str(base / "run"), "--format", form, "--out", str(out)]) == 0
    assert not leaked(out, cases)


@pytest.mark.parametrize("form", ["pdf", "fhir"])
def test_no_export_of_a_case_holds_a_word_of_its_note(made, form, tmp_path):
    base, cases = made
    explained = base / "run" / "internal" / "explanations" / MODEL
    case = min(folder.name for folder in explained.iterdir())
    out = tmp_path / f"case.{form}"
    command = ["report", str(base / "run"), "--format", form, "--case", case, "--model", MODEL]
    assert main([*command, "--out", str(out)]) == 0
    assert not leaked(out, cases)
