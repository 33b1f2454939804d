"""The page needs nothing but itself, and nothing in the data can act in it."""

from __future__ import annotations

import json
import re
from collections import Counter
from html.parser import HTMLParser

import pytest

from audits.reporting.html import report_html
from audits.reporting.sections import SECTIONS
from audits.storage import canonical_json


@pytest.fixture(scope="module")
def page(exact):
    return report_html(exact).decode()


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def tags(page):
    parser = Tags()
    parser.feed(page)
    return parser.tags


def test_the_same_evidence_gives_the_same_bytes(exact, page):
    assert report_html(json.loads(canonical_json(exact))).decode() == page


def test_nothing_is_fetched(page, tags):
    for tag, attributes in tags:
        assert tag not in {"link", "iframe", "img", "object", "embed"}
        assert "src" not in attributes
        for name in ("href", "xlink:href"):
            assert attributes.get(name, "#").startswith("#")
    assert not re.search(r"@import|url\((?!#)", page)
    assert set(re.findall(r"https?://[^\"'\s<]+", page)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_it_stays_small(page):
    assert len(page.encode()) < 10_000_000


def test_every_id_is_there_once(tags):
    ids = Counter(a["id"] for _, a in tags if "id" in a)
    assert max(ids.values()) == 1
    for _, attributes in tags:
        target = attributes.get("href", attributes.get("xlink:href", ""))
        assert not target.startswith("#") or target[1:] in ids


def test_every_section_and_chart_is_told(page, tags):
    ids = {a.get("id") for _, a in tags}
    assert {s.id for s in SECTIONS[1:]} <= ids
    charts = [a for _, a in tags if a.get("role") == "img" and "tabindex" in a]
    assert charts
    assert all(a["aria-label"].startswith(("Forest plot", "Reliability")) for a in charts)
    assert any("Reliability" in a["aria-label"] for a in charts)
    assert page.count("<title>") > 20


def test_it_follows_the_theme_and_prints(page):
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    svgs = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert not [s for s in svgs if re.search(r"(fill|stroke)[:=] ?\"?#(?!000000)", s)]


def test_markup_in_the_data_is_only_text(exact):
    evidence = json.loads(canonical_json(exact))
    evidence["study"]["name"] = "<script>alert(1)</script>"
    evidence["outputs"][0]["name"] = "<img src=x onerror=alert(1)>"
    page = report_html(evidence).decode()
    assert "<script>alert" not in page
    assert "<img" not in page
