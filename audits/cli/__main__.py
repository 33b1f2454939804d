"""Makes ``python -m audits.cli`` the command ``auscult``."""

from __future__ import annotations

from audits.cli import main

main()
