"""Finding things in the evidence."""

from __future__ import annotations

from dashboard import numbers
from dashboard.evidence import (
    by_concern,
    comparison_of,
    find_output,
    first_of_family,
    gravest_attribute,
    model_label,
    next_version,
    verdict_counts,
)
from dashboard.series import group_count, settle_text


def comparison(**more):
    return {
        "metric": "tpr",
        "attribute": "sex",
        "group": {"sex": "F"},
        "margin": 0.1,
        "verdict": "disparity",
        "strength": "indicated",
        "carried_by": [],
        "difference": {"value": -0.2},
        **more,
    }


def group(sex):
    return {"attributes": {"sex": sex}, "metrics": {"oe_ratio": {"value": 1.0, "n": 50}}}


def test_an_output_without_model_is_found():
    evidence = {"models": [], "outputs": [{"model": None, "name": "y"}]}
    assert find_output(evidence, None, "y") == {"model": None, "name": "y"}
    assert find_output(evidence, None, "other") is None


def test_an_output_is_found_by_id_alone_where_only_one_version_is_there():
    evidence = {
        "models": [{"id": "m", "version": "1.0"}],
        "outputs": [{"model": "m", "name": "y"}],
    }
    assert find_output(evidence, "m@1.0", "y") is not None


def test_concern_puts_confirmed_and_uncarried_gaps_first():
    small = comparison(difference={"value": 0.12}, strength="confirmed")
    carried = comparison(difference={"value": 0.9}, carried_by=[{"sex": "F"}])
    large = comparison(difference={"value": -0.5})
    ratio = comparison(metric="oe_ratio", margin=1.25, difference={"value": 1.3})
    fine = comparison(verdict="equivalent", strength=None)
    assert by_concern([fine, ratio, carried, large, small]) == [small, large, ratio, carried, fine]


def test_a_part_by_groups_opens_on_the_attribute_of_the_largest_confirmed_disparity():
    large = comparison(difference={"value": -0.9})
    confirmed = comparison(group={"race": "Black"}, attribute="race", strength="confirmed")
    crossed = comparison(group={"site": "A", "sex": "F"}, strength="confirmed")
    output = {"comparisons": [large, crossed, confirmed]}
    assert gravest_attribute(output, ["sex", "race"]) == "race"
    assert gravest_attribute(output, ["sex", "age"]) == "sex"
    assert gravest_attribute({}, ["age", "sex"]) == "age"


def test_exploratory_comparisons_count_as_no_verdict():
    output = {"comparisons": [comparison(), comparison(verdict=None)]}
    assert verdict_counts([output])["disparity"] == 1


def test_both_levels_of_a_pair_find_the_one_comparison():
    output = {"groups": [group("F"), group("M")], "comparisons": [comparison()]}
    assert comparison_of(output, {"sex": "M"}, "tpr") is output["comparisons"][0]


def test_one_of_three_levels_without_comparison_finds_none():
    output = {"groups": [group(s) for s in "FMX"], "comparisons": [comparison()]}
    assert comparison_of(output, {"sex": "M"}, "tpr") is None


def test_a_ratio_has_n_for_its_count():
    found = comparison(metric="oe_ratio", group_n=None)
    output = {"groups": [group("F")], "comparisons": [found]}
    assert group_count(output, found) == "n 50"


def test_what_would_settle_it_is_said_only_of_the_inconclusive():
    needed = {"to_equivalence": 1200, "to_disparity": None}
    told = settle_text(comparison(verdict="inconclusive", n_needed=needed, q=0.4))
    assert told == "1,200 more to show equivalence"
    assert settle_text(comparison(n_needed=needed, reason="")) == ""
    enough = {"to_equivalence": 0, "to_disparity": 0}
    near = comparison(verdict="inconclusive", n_needed=enough, reason="differs, size unsettled")
    assert settle_text(near) == "differs, size unsettled"


def test_versions_of_one_model_belong_together():
    keys = ["xgb@1.0", "mlp@1.0", "mlp@2.0"]
    assert first_of_family(keys) == "mlp@1.0"
    assert next_version("mlp@2.0", keys) == "mlp@1.0"
    assert next_version("xgb@1.0", keys) == "mlp@1.0"
    assert model_label("mlp@2.0") == "mlp, version 2.0"


def test_suppression_is_visible_as_suppression():
    masked = {"value": None, "suppressed": True}
    assert numbers.full(masked, "tpr") == numbers.SUPPRESSED
    assert numbers.count(None, suppressed=True) == numbers.SUPPRESSED


def test_an_undefined_number_says_why():
    assert "no positives" in numbers.full({"value": None, "reason": "no positives", "n": 0}, "tpr")


def test_what_is_unsettled_although_the_cases_would_do_is_not_called_too_few():
    needed = {"to_equivalence": 0, "to_disparity": 0}
    told = settle_text(comparison(verdict="inconclusive", n_needed=needed, reason="too few", q=0.4))
    assert told == "unsettled: the difference may lie near the margin"
