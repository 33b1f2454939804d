"""Contrast of every token, and words that come from one place."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import re
import tomllib
from pathlib import Path

import pytest

import dashboard
from dashboard.charts.style import MARK_COLOURS, VERDICT_MARKS
from dashboard.words import glossary

ROOT = Path(__file__).parents[3]
THEME = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
SOURCES = sorted((ROOT / "dashboard").rglob("*.py"))
TINTS = ("red", "orange", "green", "blue", "gray")


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("colour", MARK_COLOURS)
def test_marks_are_seen_on_both_grounds(mode, colour):
    assert contrast(colour, THEME[mode]["backgroundColor"]) >= 3


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_text_is_readable_on_every_ground(mode):
    theme = THEME[mode]
    for ground in ("backgroundColor", "secondaryBackgroundColor"):
        assert contrast(theme["textColor"], theme[ground]) >= 7
        assert contrast(theme["linkColor"], theme[ground]) >= 4.5
    assert contrast(theme["primaryColor"], theme["backgroundColor"]) >= 3


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("tint", TINTS)
def test_badges_are_readable(mode, tint):
    theme = THEME[mode]
    assert contrast(theme[f"{tint}TextColor"], theme[f"{tint}BackgroundColor"]) >= 4.5


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_chart_palettes_are_seen_and_complete(mode):
    theme = THEME[mode]
    for colour in theme["chartCategoricalColors"]:
        assert contrast(colour, theme["backgroundColor"]) >= 3
    assert len(theme["chartSequentialColors"]) == len(theme["chartDivergingColors"]) == 10


def test_verdicts_differ_in_shape_not_in_colour_alone():
    assert len({shape for _, shape in VERDICT_MARKS.values()}) == len(VERDICT_MARKS)
    symbols = [glossary()["verdict"][name].symbol for name in VERDICT_MARKS]
    assert len(set(symbols)) == len(symbols)


def test_every_metric_of_the_contract_has_words():
    names = [
        "tpr",
        "fpr",
        "tnr",
        "fnr",
        "ppv",
        "npv",
        "accuracy",
        "selection_rate",
        "prevalence",
        "auroc",
        "auprc",
        "brier",
        "ece_debiased",
        "calibration_slope",
        "calibration_intercept",
        "oe_ratio",
        "net_benefit",
        "mae",
        "bias",
        "c_uno",
        "auc_t",
        "brier_t",
        "oe_t",
        "kappa_w",
        "dice",
        "hd95",
        "froc",
    ]
    for name in names:
        entry = glossary()["metric"][name]
        assert entry.label
        assert entry.definition
        assert entry.formula
        assert entry.unit in {"percent", "number", "ratio"}


def test_every_method_of_the_contract_has_words():
    names = [
        "gradcam",
        "hirescam",
        "gradcam++",
        "layercam",
        "eigencam",
        "integrated_gradients",
        "expected_gradients",
        "smoothgrad",
        "occlusion",
        "region_shapley",
        "rise",
        "residual",
        "attention_relevance",
        "shapley",
        "tree_interventional",
        "tree_path",
        "linear",
    ]
    assert set(names) == set(glossary()["method"])


def test_text_is_calm():
    for section in glossary().values():
        for entry in section.values():
            for text in (entry.label, entry.definition, entry.text):
                assert not text.endswith("!")
                assert "  " not in text


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_caches_are_keyed_by_small_values(path):
    """Streamlit hashes large arrays and frames from a sample, and would serve stale results."""
    allowed = {
        "RunRef",
        "str",
        "str | None",
        "bool",
        "int",
        "float",
        "float | None",
        "Question",
        "Path",
        "Sides",
        "RunCard",
        "Shown",
        "Wanted",
    }
    allowed |= {"tuple[str, str]", "tuple[tuple[str, str], ...]", "tuple[RunRef, ...]"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and any(
            "cache" in ast.unparse(decorator) for decorator in node.decorator_list
        ):
            arguments = [*node.args.args, *node.args.kwonlyargs]
            for argument in arguments:
                if argument.arg.startswith("_"):  # no part of the key: what the others name
                    continue
                assert ast.unparse(argument.annotation) in allowed, (node.name, argument.arg)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_images_and_icons_ask_nobody_outside(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"https?://", text)
    assert "unsafe_allow_html" not in text
    assert not re.search(r"page_icon=.*:material", text)


def test_pages_are_short_and_compute_nothing():
    for path in (ROOT / "dashboard" / "app_pages").glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 150


def _modules():
    skipped = {"dashboard.app", "dashboard.__main__"}
    for module in pkgutil.walk_packages(dashboard.__path__, "dashboard."):
        if module.name not in skipped and "app_pages" not in module.name:
            yield module.name


@pytest.mark.parametrize("name", sorted(_modules()))
def test_examples_in_docstrings_hold(name):
    results = doctest.testmod(importlib.import_module(name))
    assert results.failed == 0


def test_no_button_is_primary():
    """Streamlit writes white on the primary colour, which is light on the dark ground."""
    for path in SOURCES:
        assert 'type="primary"' not in path.read_text(encoding="utf-8"), path
