"""Charts with their table twin, tables with their words, downloads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard import numbers
from dashboard.words import word

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from dashboard.charts import Chart, Forest


def show_chart(chart: Chart, *, key: str, download: bool = True) -> None:
    """Show a chart, and behind a button the same numbers as a table.

    Args:
        chart: The chart.
        key: Its key on the page.
        download: Offer the numbers as CSV. False for what was computed from a run's internal
            files while the run's release is restricted: such numbers may be looked at on site.
    """
    from dashboard.charts.style import CONFIG

    figure = chart.figure()
    if not figure["data"]:
        st.write(chart.alt)
        return
    whole = json.dumps(figure, default=lambda value: value.tolist())  # NumPy's numbers and arrays
    st.plotly_chart(_checked(whole), key=key, alt=chart.alt, config=CONFIG)
    _twin(chart, key=key, download=download)


def show_live(chart: Forest, *, key: str, download: bool = True) -> None:
    """Show a forest plot that a slider moves, and behind a button the same numbers as a table.

    Args:
        chart: The chart; its marks carry no verdicts.
        key: Its key on the page.
        download: As for :func:`show_chart`.
    """
    from dashboard.components.live_forest import live_forest

    if all(row.value is None for row in chart.rows):
        st.write(chart.alt)
        return
    live_forest(chart, key=key)
    _twin(chart, key=key, download=download)


def _twin(chart: Chart, *, key: str, download: bool) -> None:
    """Offer a chart's numbers as a table."""
    numbers_of = st.expander(
        "Show the numbers",
        type="compact",
        icon=":material/table_rows:",
        key=f"{key}_numbers",
        on_change="rerun",  # the table is made, and its code loaded, only when it is asked for
    )
    if numbers_of.open:
        with numbers_of:
            _numbers(chart, key=key, download=download)


@st.cache_resource(max_entries=64, show_spinner=False)
def _checked(figure: str) -> go.Figure:
    """Return a figure that Plotly has checked; checking takes longer than all else of a chart.

    Args:
        figure: The whole figure as JSON, so that no two charts share a key.
    """
    import plotly.graph_objects as go

    return go.Figure(json.loads(figure))


def _numbers(chart: Chart, *, key: str, download: bool) -> None:
    from dashboard.components.svg_button import svg_button

    st.caption(chart.alt)
    frame = chart.frame()
    show_frame(frame, key=f"{key}_table", alt=f"The numbers of the chart: {chart.alt}")
    if download:
        with st.container(horizontal=True):
            csv_button(frame, name=key, key=f"{key}_csv")
            svg_button(key, title=chart.alt, key=f"{key}_svg")


def show_frame(frame: pd.DataFrame, *, key: str, alt: str, **options: Any) -> None:
    """Show a sortable table without an index column."""
    st.dataframe(frame, key=key, alt=alt, hide_index=True, **options)


def show_table(rows: Sequence[Mapping[str, str]], *, alt: str) -> None:
    """Show a small table that a screen reader reads cell by cell; cells may hold Markdown.

    One element for the whole table: a browser draws it in a third of the time that Streamlit's
    own table takes, which parses every cell by itself, and nothing waits for pandas.

    Args:
        rows: Columns to cells; a cell that a row lacks stays empty, a column without any cell goes.
        alt: What the table holds; read before it, and not shown (``static/style.css``).
    """
    if rows:
        st.markdown(f"{alt}\n\n{markdown_table(rows)}")


def markdown_table(rows: Sequence[Mapping[str, str]]) -> str:
    r"""Return rows as a Markdown table.

    Example:
        >>> print(markdown_table([{"Group": "Sex F", "n": "12"}, {"Group": "a|b"}]))
        | Group | n |
        | --- | --- |
        | Sex F | 12 |
        | a\|b |  |
    """
    named = dict.fromkeys(name for row in rows for name in row)
    columns = [name for name in named if any(row.get(name) for row in rows)]
    lines = [columns, ["---"] * len(columns)]
    lines += [[row.get(name, "") for name in columns] for row in rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    flat = _SPACES.sub(" ", str(text).replace("|", "\\|")).strip()
    return _PAIR.sub("\u00a0", flat)


_SPACES = re.compile(r"[ \t\r\n]+")
"""What a line may break at; a space that holds two words together stays."""
_PAIR = re.compile(r"(?<=\d) (?=%)|(?<=\bn) (?=\d)|(?<=\d) (?=of \d)|(?<=\d of) (?=\d)")
"""Between a number and its unit or its count: a narrow table must not tear them apart."""


def csv_button(frame: pd.DataFrame, *, name: str, key: str, label: str = "Download CSV") -> None:
    """Offer a table as CSV; the file is made when it is asked for."""
    st.download_button(
        label,
        data=lambda: frame.to_csv(index=False).encode("utf-8"),
        file_name=f"{name}.csv",
        mime="text/csv",
        key=key,
        on_click="ignore",
        icon=":material/download:",
    )


def verdict_badge(verdict: str | None, strength: str | None = None) -> str:
    """Return the Markdown badge of a verdict with its strength."""
    entry = word("verdict", verdict or "exploratory")
    tail = f", {word('strength', strength).label}" if strength else ""
    return f":{entry.colour}-badge[{entry.symbol} {entry.label}{tail}]"


def verdict_line(counts: Mapping[str, int], confirmed: int = 0) -> str:
    """Return verdict counts as badges, each with its word."""
    parts = []
    for name, count in counts.items():
        entry = word("verdict", name)
        tail = f" ({confirmed} confirmed)" if name == "disparity" and confirmed else ""
        parts.append(f":{entry.colour}-badge[{entry.symbol} {entry.counted(count)}{tail}]")
    return " ".join(parts)


def provenance(evidence: Mapping[str, Any]) -> None:
    """Show where the page's numbers come from."""
    run, study = evidence["run"], evidence["study"]
    models = ", ".join(
        f"{m['id']} {m['version']} ({numbers.short_hash(m.get('weights_sha256'))})"
        for m in evidence.get("models", [])
    )
    st.caption(
        f"Run `{run['id']}` · {numbers.day(run['created'])} · study {study['name']} "
        f"{study.get('version') or ''} ({numbers.short_hash(study.get('sha256'))}) · "
        f"{models or 'table of predictions'} · Auscult "
        f"{run.get('versions', {}).get('auscult', '')} · release {evidence['release']}"
    )
