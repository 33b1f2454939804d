"""Every case is scored once, and what could not be scored is said."""

from __future__ import annotations

import numpy as np
import pytest

from audits.cancel import CancelledRun
from audits.errors import AuditError
from audits.predictions import join_outputs, predict_cohort


def test_cases_with_inputs_are_run_and_the_others_listed(study, mean_model):
    got = predict_cohort(study, mean_model())
    assert got.key == "mean@1.0"
    assert got.case_ids == ("a", "b", "c", "d")
    assert got.rows.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(got.scores[:, 0], [0, 0.2, 0.4, 1.0])
    assert got.scores.dtype == np.float64
    assert not got.precomputed.any()
    assert [one.case for one in got.skipped] == ["e", "f", "g"]
    assert got.skipped[0].reason.startswith("e.png: the image does not open as png")
    assert "inputs are not shipped" in got.skipped[1].reason


def test_scores_of_the_folder_stand_in_where_inputs_are_not_shipped(study, mean_model):
    model = mean_model(given={"f": 0.7, "g": 0.1, "b": 0.2})
    got = predict_cohort(study, model)
    assert got.case_ids == ("a", "b", "c", "d", "f", "g")
    assert got.precomputed.tolist() == [False, False, False, False, True, True]
    np.testing.assert_allclose(got.scores[:, 0], [0, 0.2, 0.4, 1.0, 0.7, 0.1])
    assert [one.case for one in got.skipped] == ["e"]
    messages = [one.message for one in got.findings if one.where == "mean@1.0"]
    assert messages[0].startswith("2 of 6 scores came with the model folder")


@pytest.mark.parametrize(
    ("given", "severity", "words"),
    [
        ({"b": 0.2}, "info", "differ from those by at most"),
        ({"b": 9.0}, "warning", "other weights"),
    ],
)
def test_a_shipped_case_is_run_and_compared_with_its_given_score(
    study, mean_model, given, severity, words
):
    got = predict_cohort(study, mean_model(outputs=("bright",), given=given))
    np.testing.assert_allclose(got.scores[1], 0.2)
    finding = next(one for one in got.findings if "own scores" in one.message)
    assert finding.severity == severity
    assert "1 cases" in finding.message
    assert words in finding.message


def test_a_model_of_scores_alone_is_looked_up(study, scores_only):
    got = predict_cohort(study, scores_only(outputs=("bright",), given={"b": 0.2, "f": 0.9}))
    assert got.case_ids == ("b", "f")
    assert not got.precomputed.any()
    assert [one.case for one in got.skipped] == ["a", "c", "d", "e", "g"]
    assert not [one for one in got.findings if "came with" in one.message]


def test_one_forward_pass_gives_scores_and_maps(study, mean_model, counting_engine):
    model = mean_model(given={"f": 0.5})
    engine = counting_engine(model)
    got = predict_cohort(study, model, maps=engine)
    # one call sizes the batches, one gives everything
    assert engine.calls == 1
    assert sum(model.sizes) <= 4 + 2
    assert got.maps.rows.tolist() == [0, 1, 2, 3]
    assert got.maps.values.shape == (4, 2, 2, 2)
    assert got.maps.values.dtype == np.float32
    np.testing.assert_allclose(got.maps.values[:, 0, 0, 0], got.scores[:4, 0], rtol=1e-6)
    assert (got.maps.method, got.maps.layer, got.maps.field) == ("gradcam", "last", "image")
    assert got.case_ids[-1] == "f"


def test_a_case_that_does_not_fit_the_model_is_set_aside(study, mean_model):
    got = predict_cohort(study, mean_model(refuses=0.4))
    assert got.case_ids == ("a", "b", "d")
    assert "does not fit" in {one.case: one.reason for one in got.skipped}["c"]


def test_a_score_that_is_no_number_is_set_aside(study, mean_model):
    got = predict_cohort(study, mean_model(given={"f": float("inf")}))
    assert got.case_ids == ("a", "b", "c", "d")
    assert "no finite score" in {one.case: one.reason for one in got.skipped}["f"]
    with pytest.raises(AuditError, match="not a finite number"):
        predict_cohort(study, mean_model(offset=float("nan")))


def test_probabilities_come_from_logits_in_double_precision(study, mean_model):
    got = predict_cohort(study, mean_model())
    np.testing.assert_array_equal(got.probabilities[0], [0.5, 0.5])
    np.testing.assert_allclose(got.probabilities[3, 0], 1 / (1 + np.exp(-1.0)), rtol=1e-15)
    soft = predict_cohort(study, mean_model(task="multiclass"))
    np.testing.assert_allclose(soft.probabilities.sum(axis=1), 1.0, rtol=1e-15)
    plain = predict_cohort(study, mean_model(space="value", task="regression"))
    assert plain.probabilities is None


def test_outputs_and_labels_are_joined_by_name(study, mean_model):
    join = join_outputs(study, mean_model())
    assert join.names == ("bright",)
    assert join.columns == (0,)
    assert [(one.severity, one.where) for one in join.findings] == [
        ("warning", "mean@1.0: dark"),
        ("info", "labels.extra"),
    ]


def test_a_model_without_any_label_is_one_sentence(study, mean_model):
    with pytest.raises(AuditError) as caught:
        predict_cohort(study, mean_model(outputs=("x", "y")))
    text = str(caught.value)
    assert "\n" not in text
    for part in ("mean@1.0", "x, y", "tiny", "bright, extra", "[labels.NAME]"):
        assert part in text


def test_nothing_to_score_is_one_sentence(study, scores_only):
    with pytest.raises(AuditError) as caught:
        predict_cohort(study, scores_only(outputs=("bright",)))
    text = str(caught.value)
    assert "none of the 7 cases" in text
    assert "tiny" in text
    assert "\n" not in text


def test_progress_rises_and_cancelling_stops(study, mean_model):
    seen = []
    predict_cohort(study, mean_model(), progress=lambda share, words: seen.append((share, words)))
    assert seen[0][0] == 0.0
    assert seen[-1] == (1.0, "Predicting with mean@1.0: 5 of 5 cases")
    assert seen == sorted(seen)
    with pytest.raises(CancelledRun):
        predict_cohort(study, mean_model(), cancel=lambda: True)
