"""PDF/A-3a and PDF/UA-1 as validators that others wrote see them."""

from __future__ import annotations

import io
import shutil
import subprocess

import pytest

from audits.reporting.pdf import report_pdf

page = pytest.importorskip("page", reason="page-validation is not installed")
pikepdf = pytest.importorskip("pikepdf")

CLAIMS = ("3a", "ua1")


@pytest.fixture(scope="module")
def pdf(exact):
    return report_pdf(exact)


def failures(data, claim):
    report = page.validate_pdf_bytes(data, profile=claim)
    assert report.rules.total > 100
    return [f"{one.rule_id}: {one.message}" for one in report.failures]


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_report_is_valid(claim, pdf):
    assert not failures(pdf, claim)


def test_the_report_of_two_versions_is_valid(compared):
    made = report_pdf(compared)
    for claim in CLAIMS:
        assert not failures(made, claim)


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_broken_file_would_be_noticed(claim, pdf):
    held = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as document:
        del document.Root.MarkInfo
        del document.Root.OutputIntents
        document.save(held)
    assert failures(held.getvalue(), claim)


@pytest.mark.parametrize("claim", CLAIMS)
def test_verapdf_finds_it_valid_too(claim, pdf, tmp_path):
    command = shutil.which("verapdf")
    if command is None:
        pytest.skip("veraPDF is not installed")
    (tmp_path / "report.pdf").write_bytes(pdf)
    done = subprocess.run(
        [command, "--flavour", claim, "--format", "text", str(tmp_path / "report.pdf")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.startswith("PASS"), done.stdout
