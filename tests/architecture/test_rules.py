"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("model_adapters", "audits", "dashboard")
FOLDERS = (*PACKAGES, "benchmarks", "docs", "sample_data", "tests")
SOURCES = sorted(p for pkg in (*PACKAGES, "sample_data") for p in (ROOT / pkg).rglob("*.py"))
PAGES = sorted((ROOT / "dashboard" / "app_pages").glob("*.py"))


def _imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_can_unpickle(path: Path):
    assert not _imports(path) & {"pickle", "joblib", "cloudpickle", "dill", "shelve", "marshal"}
    text = path.read_text(encoding="utf-8")
    assert "allow_pickle=True" not in text
    assert not re.search(r"weights_only\s*=\s*False", text)


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_pages_compute_nothing(path: Path):
    assert not _imports(path) & {"torch", "numpy", "scipy", "sklearn", "shap", "captum"}


@pytest.mark.parametrize("path", sorted((ROOT / "dashboard").rglob("*.py")), ids=lambda p: p.name)
def test_every_chart_has_alternative_text_and_a_key(path: Path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"plotly_chart", "dataframe"}
        ):
            given = {keyword.arg for keyword in node.keywords}
            assert {"alt", "key"} <= given, f"{path.name}:{node.lineno}"


@pytest.mark.parametrize("name", PACKAGES)
def test_packages_import_without_torch(name: str):
    code = f"import sys, {name}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0


def test_the_lock_pins_torch_without_a_local_build():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert "torch==2.13.0" in lines
    assert not [line for line in lines if "+" in line.split("#")[0] or "nvidia" in line]
    assert not [line for line in lines if line.startswith(("torchvision", "torchaudio"))]


def test_the_lock_covers_every_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["test"]
    names = {re.split(r"[^A-Za-z0-9_.-]", want)[0].lower().replace("_", "-") for want in wanted}
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    locked = {line.split("==")[0].lower().replace("_", "-") for line in lines if "==" in line}
    assert names <= locked


def test_readme_names_commands_that_exist():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"`?make (\w+)", readme))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert {"demo", "test"} <= targets
    known = set(re.findall(r"^(\w+):", makefile, flags=re.MULTILINE))
    assert {t for t in targets if f"`make {t}" in readme} <= known
    for image in re.findall(r"\]\((docs/images/[^)]+)\)", readme):
        assert (ROOT / image).is_file(), image
    for page in re.findall(r"\]\((docs/[\w./-]+)\)", readme):
        assert (ROOT / page).exists(), page


def test_no_file_speaks_of_the_machine_it_was_written_on():
    # Not asked of git: the sources may have been unpacked, or belong to another account.
    top = [path for path in ROOT.iterdir() if path.is_file()]
    below = [path for name in FOLDERS for path in (ROOT / name).rglob("*")]
    kinds = {".py", ".md", ".toml", ".js", ".css"}
    written = [path for path in (*top, *below) if path.suffix in kinds]
    assert len(written) > 200
    for path in {*written, ROOT / "Makefile", ROOT / ".ci" / "run"} - {Path(__file__)}:
        text = path.read_text(encoding="utf-8")
        assert f"{ROOT}/" not in text, path
        assert not re.search(r"(?<![\w.$])/(home|Users|root)/\w+/", text), path
