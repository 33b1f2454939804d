"""PDF/A-3a and PDF/UA-1 as validators that others wrote see them."""

from __future__ import annotations

import io
import shutil
import subprocess

import pytest

from audits.reporting import restrict, seal
from audits.reporting.pdf import report_pdf

page = pytest.importorskip("page", reason="page-validation is not installed")
pikepdf = pytest.importorskip("pikepdf")

CLAIMS = ("3a", "ua1")


def failures(data, claim):
    report = page.validate_pdf_bytes(data, profile=claim)
    assert report.rules.total > 100
    found = [one for one in report.failures if not ends_in_a_return(one, data)]
    return [f"{one.rule_id}: {one.message}" for one in found]


def ends_in_a_return(finding, data):
    """Return whether a length is called wrong though every byte is there.

    Where a stream's last byte is a carriage return, page 0.11 takes it and the line feed before
    ``endstream`` for one end of line; veraPDF counts it as data, as the length says.
    """
    if not finding.rule_id.endswith("STREAM-LENGTH-001"):
        return False
    with pikepdf.open(io.BytesIO(data)) as document:
        held = finding.object_id
        raw = document.get_object(held.object_number, held.generation).read_raw_bytes()
    return raw.endswith(b"\r") and b"stream\n" + raw + b"\nendstream" in data


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_report_is_valid(claim, exact_pdf):
    assert not failures(exact_pdf, claim)


def test_the_restricted_report_of_two_versions_is_valid(two_versions):
    made = report_pdf(seal(restrict(two_versions), "0" * 64))
    for claim in CLAIMS:
        assert not failures(made, claim)


def test_a_broken_file_would_be_noticed(exact_pdf):
    held = io.BytesIO()
    with pikepdf.open(io.BytesIO(exact_pdf)) as document:
        del document.Root.MarkInfo
        del document.Root.OutputIntents
        document.save(held)
    for claim in CLAIMS:
        assert failures(held.getvalue(), claim)


@pytest.mark.parametrize("claim", CLAIMS)
def test_verapdf_finds_it_valid_too(claim, exact_pdf, tmp_path):
    command = shutil.which("verapdf")
    if command is None:
        pytest.skip("veraPDF is not installed")
    (tmp_path / "report.pdf").write_bytes(exact_pdf)
    done = subprocess.run(
        [command, "--flavour", claim, "--format", "text", str(tmp_path / "report.pdf")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.startswith("PASS"), done.stdout
