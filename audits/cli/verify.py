"""``auscult verify``: is a run or a report still what was written?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from audits.reporting.signoff import Signature


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--public-key",
    "trusted",
    type=click.Path(path_type=Path),
    help="The site's public Ed25519 key: signatures must be made with it.",
)
@click.option(
    "--sources",
    is_flag=True,
    help="Of a run: also hash the data, models and policy that it was made from, where they lay.",
)
def verify(path: Path, trusted: Path | None, *, sources: bool) -> int:
    """Check a run folder or any export: exit 0 intact, 1 altered, naming what.

    \b
    Example:
      auscult verify runs/chest_xray
      auscult verify chest_xray.pdf --public-key site.key.pub
      auscult verify tables.zip
      auscult verify runs/chest_xray --sources
    """  # noqa: D301 - \b keeps click from rewrapping the example
    from audits.reporting.digest import SUMS, verify_folder
    from audits.storage import verify_run

    signatures: dict[str, Signature] = {}
    if path.is_file():
        result = _verify_file(path)
        signatures = dict(_file_signature(path, trusted))
    elif (path / SUMS).is_file():
        result = verify_folder(path)
    else:
        result = verify_run(path)
        signatures = dict(_run_signatures(path, trusted)) if result.intact else {}
    for word, names in (
        ("altered", result.altered),
        ("missing", result.missing),
        ("added", result.added),
    ):
        for name in names:
            click.echo(f"{word}: {name}")
    for name, found in signatures.items():
        click.echo(_told(name, found))
    kept = _sources_kept(path) if sources else True
    signed = all(f.valid and f.trusted is not False for f in signatures.values())
    if trusted is not None and not signatures:
        signed = False
        click.echo(f"unsigned: {path.name}")
    intact = result.intact and signed and kept
    if intact:
        click.echo(f"{path}: intact, {result.files} {'file' if result.files == 1 else 'files'}.")
    return 0 if intact else 1


def _sources_kept(path: Path) -> bool:
    """Name each source of a run that is not as it was; return whether all are."""
    from audits.running.sources import source_states
    from audits.storage import open_run

    found = list(source_states(open_run(path)))
    for one in found:
        click.echo(f"{one.state}: {one.name}")
    return all(one.state == "intact" for one in found)


def _verify_file(path: Path) -> Any:
    from audits.reporting.digest import carries_digest, verify_export
    from audits.storage import Verification

    # A file without a digest of its own: its signature alone vouches for it.
    if path.with_name(f"{path.name}.sig").is_file() and not carries_digest(path.read_bytes()):
        return Verification(files=1)
    return verify_export(path)


def _file_signature(path: Path, trusted: Path | None) -> Iterator[tuple[str, Signature]]:
    from audits.reporting.signoff.keys import check_file

    found = check_file(path, trusted)
    if found is not None:
        yield path.name, found


def _run_signatures(path: Path, trusted: Path | None) -> Iterator[tuple[str, Signature]]:
    from audits.reporting.signoff import check_signature
    from audits.reporting.signoff.finalise import filed_reports

    for record in filed_reports(path):
        if record.get("signature"):
            said: Mapping[str, Any] = {k: v for k, v in record.items() if k != "signature"}
            found = check_signature(said, record["signature"], trusted)
            yield f"edition {record['edition']}", found


def _told(name: str, found: Signature) -> str:
    if not found.valid:
        return f"altered: the signature of {name} does not hold"
    if found.trusted is False:
        return f"altered: {name} is signed with another key ({found.fingerprint})"
    known = "the site's key" if found.trusted else "check it with --public-key"
    return f"signed: {name}, Ed25519 key {found.fingerprint} ({known})"
