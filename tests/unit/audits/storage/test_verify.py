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
