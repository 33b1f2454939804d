"""Where the store of this person's runs lives."""

from __future__ import annotations

import os
from pathlib import Path

from audits.errors import StoreError


def home_folder(store: Path | str | None = None) -> Path:
    """Return the store's folder, made if it does not exist.

    Args:
        store: What the person named; without it ``AUSCULT_HOME``, else ``~/.auscult``.

    Raises:
        StoreError: The folder cannot be made.
    """
    chosen = store or os.environ.get("AUSCULT_HOME") or Path.home() / ".auscult"
    folder = Path(chosen).expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder}: the store cannot be made here ({error.strerror}); "
            "name another folder with --store or AUSCULT_HOME."
        ) from error
    return folder
