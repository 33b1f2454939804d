"""Open what the first case of a run needs while the reader still looks for one.

Importing torch and reading a study and a model take some two seconds in a new process. That is
done beside the page that lists the cases, as another reader's page would do it.
"""

from __future__ import annotations

import contextlib
import threading

from audits.errors import PackageError
from dashboard import warming
from dashboard.queries import sources
from dashboard.queries.runs import RunRef, load_run

SETTLING = 0.5
"""Seconds that the list is given to reach its reader."""

MOST_CASES = 50_000
"""A larger study is opened as a whole only once a case is explained: that takes long."""

_begun: set[str] = set()


def open_ahead(ref: RunRef, model: str | None) -> threading.Thread | None:
    """Start opening a run's study and one of its models; once a process for each model.

    Args:
        ref: The run.
        model: Model key, or None where the run audits predictions.
    """
    folder = sources.model_folder(ref, model) if model is not None else None
    if folder is None or model is None or folder in _begun:
        return None
    _begun.add(folder)
    small = load_run(ref).evidence["study"]["cases"] <= MOST_CASES

    def work() -> None:
        threading.Event().wait(SETTLING)
        with warming.page(), contextlib.suppress(PackageError):  # the case's own page says what
            import audits.explanations.case  # noqa: F401 - needed by every explanation

            sources.run_model(ref, model)
            if small:
                sources.everybody(ref, model)
        warming.set_aside()

    thread = threading.Thread(target=work, name="ahead", daemon=True)
    thread.start()
    return thread
