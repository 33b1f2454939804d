"""Names of models and cases as file names, and back."""

from __future__ import annotations

from urllib.parse import quote, unquote


def file_name_of(name: str) -> str:
    """Return a file name that holds any model key or case id, reversibly.

    >>> file_name_of("chest-xray@1.0")
    'chest-xray@1.0'
    >>> file_name_of("ward/7")
    'ward%2F7'
    """
    quoted = quote(name, safe="@+ ,=-_.")
    # A leading dot would hide the file, and "." and ".." are folders.
    return f"%2E{quoted[1:]}" if quoted.startswith(".") else quoted


def name_of_file(stem: str) -> str:
    """Return the name that :func:`file_name_of` wrote."""
    return unquote(stem)
