"""Every change to a run is found and named."""

from __future__ import annotations

import pytest

from audits.errors import StoreError
from audits.storage import RunWriter, verify_run


@pytest.fixture
def run(tmp_path):
    out = tmp_path / "run"
    with RunWriter(out) as writer:
        writer.write_json("internal/run.json", {"seed": 0})
        seal = writer.internal_sha256()
        writer.write_json("evidence.json", {"run": {"internal_sha256": seal}})
        writer.commit()
    return out


@pytest.mark.parametrize("name", ["evidence.json", "internal/run.json", "manifest.json"])
def test_every_flipped_byte_is_found(run, name):
    path = run / name
    original = path.read_bytes()
    for at in range(len(original)):
        changed = bytearray(original)
        changed[at] ^= 1
        path.write_bytes(bytes(changed))
        assert name in verify_run(run).altered
    path.write_bytes(original)
    assert verify_run(run).intact


def test_missing_and_added_files_are_named(run):
    (run / "internal" / "run.json").unlink()
    (run / "internal" / "extra.bin").write_bytes(b"")
    result = verify_run(run)
    assert result.missing == ("internal/run.json",)
    assert result.added == ("internal/extra.bin",)
    assert not result.intact


def test_a_missing_manifest_is_named(run):
    (run / "manifest.json").unlink()
    assert verify_run(run).missing == ("manifest.json",)


def test_a_link_in_place_of_a_file_is_altered(run, tmp_path):
    copy = tmp_path / "copy.json"
    path = run / "internal" / "run.json"
    path.rename(copy)
    path.symlink_to(copy)
    assert verify_run(run).altered == ("internal/run.json",)


def test_a_manifest_rewritten_around_other_internal_files_breaks_the_seal(run):
    from audits.storage.canonical import file_sha256
    from audits.storage.manifest import manifest_bytes

    (run / "internal" / "run.json").write_text("{}")
    names = ["evidence.json", "internal/run.json"]
    (run / "manifest.json").write_bytes(manifest_bytes({n: file_sha256(run / n) for n in names}))
    assert verify_run(run).altered == ("manifest.json",)


@pytest.mark.parametrize("kind", ["nothing", "file", "folder"])
def test_what_is_no_run_is_one_sentence(tmp_path, kind):
    path = tmp_path / "x"
    if kind == "file":
        path.write_text("")
    if kind == "folder":
        path.mkdir()
    with pytest.raises(StoreError, match="run folder"):
        verify_run(path)


def records(run, count=3):
    from audits.storage.canonical import file_sha256
    from audits.storage.chain import append, write_beside

    filed = write_beside(run, "report-1.pdf", b"%PDF-")
    said = [{"kind": "declared", "text": f"text {at}"} for at in range(count - 1)]
    return append(run, [*said, {"kind": "filed", "files": {filed: file_sha256(run / filed)}}])


def test_sign_off_records_belong_to_an_intact_run(run):
    before = verify_run(run).files
    links = records(run)
    assert verify_run(run).intact
    assert verify_run(run).files == before + len(links) + 1


def test_every_flipped_byte_of_a_record_or_a_filed_report_is_found(run):
    links = records(run)
    for name in (*(link.name for link in links), "signoff/report-1.pdf"):
        original = (run / name).read_bytes()
        for at in range(len(original)):
            changed = bytearray(original)
            changed[at] ^= 1
            (run / name).write_bytes(bytes(changed))
            assert name in verify_run(run).altered
        (run / name).write_bytes(original)
    assert verify_run(run).intact


def test_a_removed_and_an_exchanged_record_are_named(run):
    from audits.storage.chain import append, read_chain

    first, second, _ = records(run)
    kept = (run / second.name).read_bytes()
    (run / second.name).unlink()
    assert verify_run(run).missing == (second.name,)
    with pytest.raises(StoreError, match=r"0002\.json is not as it was written"):
        read_chain(run)
    (run / second.name).write_bytes(kept)
    for link in read_chain(run)[:2]:
        (run / link.name).unlink()
    (run / "signoff" / "0003.json").rename(run / "signoff" / "later")
    append(run, [{"kind": "declared", "text": "other"}, {"kind": "declared", "text": "words"}])
    (run / "signoff" / "later").rename(run / "signoff" / "0003.json")
    assert first.name not in verify_run(run).altered
    assert verify_run(run).altered == (second.name,)


def test_records_bind_the_manifest(run):
    records(run)
    from audits.storage.manifest import MANIFEST, manifest_bytes, read_manifest

    hashes = read_manifest((run / MANIFEST).read_bytes())
    (run / "evidence.json").write_bytes((run / "evidence.json").read_bytes() + b" ")
    from audits.storage.canonical import file_sha256

    hashes["evidence.json"] = file_sha256(run / "evidence.json")
    (run / MANIFEST).write_bytes(manifest_bytes(hashes))
    assert verify_run(run).altered == (MANIFEST,)


def test_a_foreign_file_among_the_records_is_added(run):
    records(run)
    (run / "signoff" / "note.txt").write_text("x")
    assert verify_run(run).added == ("signoff/note.txt",)
