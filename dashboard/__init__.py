"""What a person sees: pages, charts and the image viewer over finished audit runs.

Start it with ``auscult dashboard`` or ``python -m dashboard``. The pages only read; what they show
comes from run folders through :mod:`dashboard.queries`.
"""

__all__: list[str] = []
