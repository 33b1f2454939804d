"""Is a run still what was written? Names every file that is not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from audits.errors import StoreError
from audits.storage.canonical import file_sha256
from audits.storage.chain import check_chain
from audits.storage.manifest import MANIFEST, read_manifest
from audits.storage.writer import internal_sha256

EVIDENCE = "evidence.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What differs from the run as it was written.

    Attributes:
        files: How many files the manifest lists.
        altered: Files whose bytes changed.
        missing: Files that are gone.
        added: Files that were not there.
    """

    files: int
    altered: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    @property
    def intact(self) -> bool:
        """Return whether nothing differs."""
        return not (self.altered or self.missing or self.added)


def verify_run(path: Path | str) -> Verification:
    """Compare a run folder with its manifest, its evidence and what people signed of it.

    The manifest names every file of the run, the evidence the hash of the internal ones, and the
    sign-off records one another and the reports that were filed (:mod:`audits.storage.chain`).

    Raises:
        StoreError: ``path`` is no run folder at all.
    """
    folder = Path(path)
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise StoreError(f"{folder}: expected a run folder, found {found}; check the path.")
    present = sorted(
        p.relative_to(folder).as_posix()
        for p in folder.rglob("*")
        if p.is_symlink() or not p.is_dir()
    )
    if MANIFEST not in present:
        if EVIDENCE not in present:
            raise StoreError(
                f"{folder}: is no run folder ({MANIFEST} and {EVIDENCE} are not there); "
                "name a folder that `auscult audit` wrote."
            )
        return Verification(files=0, missing=(MANIFEST,))
    try:
        hashes = read_manifest((folder / MANIFEST).read_bytes())
    except StoreError:
        return Verification(files=0, altered=(MANIFEST,))
    altered = [n for n in present if n in hashes and _differs(folder / n, hashes[n])]
    if not altered and EVIDENCE in present and not _sealed(folder / EVIDENCE, hashes):
        altered = [MANIFEST]
    signed = check_chain(folder)
    altered += [n for n in signed.altered if n not in altered]
    known = {*hashes, *signed.files, MANIFEST}
    return Verification(
        files=len(hashes) + len(signed.files),
        altered=tuple(altered),
        missing=(*(n for n in sorted(hashes) if n not in present), *signed.missing),
        added=tuple(n for n in present if n not in known),
    )


def refuse_altered(path: Path | str, *parts: str) -> None:
    """Refuse to go on from a run whose files are not those that were written.

    Whatever is made from a run carries a digest of its own and verifies as intact, so what was
    altered must be met before.

    Args:
        path: The run folder.
        parts: Files, or folders with all that is in them, beside ``evidence.json``.

    Raises:
        StoreError: Names the first file that is altered, or is gone.
    """
    folder = Path(path)
    if not (folder / MANIFEST).is_file():
        raise StoreError(
            f"{folder}: {MANIFEST} is not there, so nobody can tell whether the run was altered; "
            "restore it, or audit again."
        )
    wanted = (EVIDENCE, *parts)
    for name, expected in read_manifest((folder / MANIFEST).read_bytes()).items():
        if not any(name == one or name.startswith(f"{one}/") for one in wanted):
            continue
        file = folder / name
        if not file.is_file() or _differs(file, expected):
            what = "was altered" if file.exists() else "is gone"
            raise StoreError(
                f"{file}: {what} since the run was written, so nothing is made from it; restore "
                "the file, or audit again (`auscult verify` names all that differs)."
            )


def _differs(path: Path, expected: str) -> bool:
    # A link may point anywhere, so it is never what was written.
    return path.is_symlink() or file_sha256(path) != expected


def _sealed(evidence: Path, hashes: dict[str, str]) -> bool:
    """Return whether the evidence names the internal files that the manifest lists."""
    run = json.loads(evidence.read_bytes()).get("run", {})
    return bool(run.get("internal_sha256") == internal_sha256(hashes))
