"""The legend of a map says the same on the page and in pictures."""

from __future__ import annotations

import pytest

from audits.explanations.map_words import map_meaning, map_unit

LOGIT = {"logit": 1.0, "probability": 0.73}
VALUE = {"logit": None, "probability": None, "value": 3.0}


@pytest.mark.parametrize(
    ("method", "score", "unit"),
    [
        ("gradcam", LOGIT, "logits"),
        ("smoothgrad", LOGIT, "logits per unit of the input"),
        ("occlusion", VALUE, "units of the score"),
        ("eigencam", LOGIT, "activation"),
        ("residual", VALUE, "squared error"),
    ],
)
def test_the_unit_follows_method_and_score(method, score, unit):
    assert map_unit(method, score) == unit


def test_a_map_that_belongs_to_no_output_does_not_claim_to_raise_its_score():
    assert map_meaning("gradcam") == ("raised the score", "lowered it")
    assert "raised" not in " ".join(map_meaning("eigencam"))
