"""What the columns of the tables mean: the data dictionary of a run's CSV files."""

from __future__ import annotations

from collections.abc import Mapping

_MEANINGS: Mapping[str, str] = {
    "model": "Model as id@version; empty for a table of scores.",
    "output": "Name of the output.",
    "attributes": "Group as JSON, attribute to level; {} is the whole cohort.",
    "suppressed": "true where a number was masked to protect a small group.",
    "metric": "Name of the metric.",
    "value": "Point estimate; empty where it is undefined or masked.",
    "low": "Lower limit of the interval.",
    "high": "Upper limit of the interval.",
    "level": "Confidence level of the interval.",
    "k": "Numerator in rows, for proportions.",
    "n": "Denominator in rows.",
    "n_patients": "Distinct patients behind the denominator.",
    "deff": "Design effect used by the interval.",
    "method": "Name of the interval.",
    "reason": "Why a number is missing, or what to know about it.",
    "tier": "marginal or intersection.",
    "attribute": "Attribute compared.",
    "group": "Group as JSON.",
    "reference": "What the group is compared with.",
    "group_k": "Numerator of the group in rows.",
    "group_n": "Denominator of the group in rows.",
    "ref_k": "Numerator of the reference in rows.",
    "ref_n": "Denominator of the reference in rows.",
    "difference": "Group minus reference (oe_ratio: group / reference).",
    "difference_low": "Lower 95 % limit of the difference.",
    "difference_high": "Upper 95 % limit of the difference.",
    "difference_90_low": "Lower 90 % limit, compared with the margin.",
    "difference_90_high": "Upper 90 % limit, compared with the margin.",
    "worse": "Which side fares worse.",
    "margin": "Largest difference that does not matter, declared before the run.",
    "test": "Test behind p.",
    "p": "p-value of no difference.",
    "q": "p adjusted over the whole confirmatory set (Benjamini-Hochberg).",
    "p_margin": "p-value of a difference within the margin.",
    "q_margin": "p_margin adjusted.",
    "p_equivalence": "p-value of a difference beyond the margin.",
    "verdict": "disparity, equivalent, inconclusive or not_evaluable; empty if exploratory.",
    "strength": "confirmed or indicated, for a disparity.",
    "mde": "Difference that this sample would find with power .8.",
    "to_equivalence": "Further cases needed to show equivalence.",
    "to_disparity": "Further cases needed to show a disparity.",
    "declared": "Whether the policy declared the comparison before the run.",
    "case": "Case that was not used.",
    "about": "What the estimate is of, as JSON: group, variable, suspect and the like.",
    "adjusted_for": "Attributes that the gap is adjusted for.",
    "against": "Noise that the distance of explanations is held against.",
    "area_share": "Share of the image that the suspect region covers.",
    "association_measure": "How the association is measured: eta or Cramér's V.",
    "basis": "Protected basis.",
    "beyond_noise_k": "Cases whose explanations moved by more than the noise.",
    "beyond_noise_n": "Cases of which both explanations were compared.",
    "checked_on": "When status and citation were last checked.",
    "citation": "Where the law or guideline asks for it.",
    "column": "Column of the data that holds the protected basis.",
    "conditions": "What defines the slice.",
    "decides": "Whether the check decides about the method; else it informs only.",
    "declared_protected": "Whether the study declares that the input measures a protected basis.",
    "df": "Degrees of freedom.",
    "effective": "From when it applies, or when it was published.",
    "flagged": "Whether the slice stands out after correction.",
    "id": "Name of the requirement in Auscult.",
    "label": "Name for people; of an outcome, its column.",
    "label_column": "Column that holds the true outcome.",
    "label_positive": "Its value for cases with the outcome.",
    "leaks": "Whether being measured at all ranks among the leading variables.",
    "levels": "Levels of the attribute.",
    "mass_share": "Share of the map that lies in the suspect region.",
    "measure": "What was estimated.",
    "missing": "Rows without a value.",
    "month": "Month of the cases.",
    "name": "Name as the data, the model or the catalogue has it.",
    "negative_flips_k": "Calls that the candidate gets wrong and the base got right.",
    "negative_flips_n": "Cases behind it.",
    "null": "What a check would give without the model.",
    "patients": "Distinct patients.",
    "policy_sha256": "Hash of the policy of that audit.",
    "positive_flips_k": "Calls that the candidate gets right and the base got wrong.",
    "positive_flips_n": "Cases behind it.",
    "predicted": "Mean predicted risk in the bin.",
    "profile": "Law or guideline; empty for what policy and model cards owe.",
    "range": "Limits outside which a value is implausible.",
    "rank": "Place by mean absolute effect.",
    "role": "measures, proxy or none.",
    "run": "Id of the run.",
    "scope": "Where the cases come from.",
    "section": "Where in evidence.json it stands; of a requirement, the section of the report.",
    "share": "Share of n.",
    "state": "computed, declared, attested or not_available.",
    "statistic": "Test statistic.",
    "status": "Whether it is in force, proposed or voluntary.",
    "suspect": "Region that is suspected of being a shortcut.",
    "task": "Task of the model.",
    "threshold_chosen_on": "sha256 of the data that the threshold was chosen on.",
    "threshold_source": "Who set the threshold: model, policy or command.",
    "threshold_value": "Probability from which a case is called positive.",
    "time": "When it was made.",
    "unit": "Unit of the variable.",
    "usual": "What the statistic is where sites do not differ.",
    "variable": "Variable of the data.",
    "verified": "Whether the short name was checked against the source.",
}

_ESTIMATED: Mapping[str, str] = {
    "association": "Association of the input with the basis",
    "auc": "AUC of predicting the attribute from the model's features",
    "base": "Metric of the base",
    "candidate": "Metric of the candidate",
    "crude": "Gap as found",
    "delta": "Candidate minus base",
    "difference": "Slice minus the rest",
    "difference_in_differences": "Change of the group minus change of the others",
    "distance": "Distance of the explanations of two versions",
    "effect": "Change of the score when the suspect region is hidden",
    "inserted": "Change of the score when the suspect is put into other images",
    "mean_absolute_effect": "Mean absolute effect on the score",
    "mean_effect": "Mean effect on the score",
    "not_measured": "Share of cases in which the variable was not measured",
    "observed": "Observed rate in the bin",
    "rest": "Metric outside the slice",
    "sham": "The same change for a region of equal size elsewhere",
    "share": "Share of all attribution, or of the cases that pass",
    "slice": "Metric inside the slice",
    "standardised": "Gap after adjusting",
    "tau2": "Variance of the true values between groups",
}
_PARTS: Mapping[str, str] = {
    "value": "estimate",
    "low": "lower 95 % limit",
    "high": "upper 95 % limit",
    "n": "cases behind it",
}
_OWN: Mapping[tuple[str, str], str] = {
    ("explanation_checks", "value"): "What the check found.",
    ("explanation_badges", "verdict"): "Result of the check of single explanations.",
    ("explanation_badges", "k"): "Explanations with this result.",
    ("reliability", "low"): "Lowest predicted risk of the bin.",
    ("reliability", "high"): "Highest predicted risk of the bin.",
    ("shortcuts", "verdict"): "used, not_used or inconclusive.",
    ("versions", "verdict"): "better, worse, equivalent, inconclusive or not_evaluable.",
    ("requirements", "reason"): "Where the evidence stands, or why there is none.",
}


def column_meaning(table: str, column: str) -> str:
    """Return what a column holds.

    Args:
        table: Name of the table.
        column: One of its columns.

    Raises:
        KeyError: Nobody wrote down what it means.
    """
    if (table, column) in _OWN:
        return _OWN[table, column]
    estimated, _, part = column.rpartition("_")
    if estimated in _ESTIMATED and part in _PARTS and column not in _MEANINGS:
        return f"{_ESTIMATED[estimated]}: {_PARTS[part]}."
    return _MEANINGS[column]
