"""Names of the checks, what each of them is worth, and to which explanations it applies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audits.explanations.cams.formulas import CAM_METHODS

if TYPE_CHECKING:
    from model_adapters.base import ModelAdapter

DELETION = "deletion_rank"
INSERTION = "insertion_rank"
SENSITIVITY = "max_sensitivity"
SIMILARITY = "output_similarity"
COMPLETENESS = "completeness"
RANDOMISATION = "parameter_randomisation"
ADDITIVITY = "additivity"
SIGNS = "sign_stability"

MAP_CHECKS = (DELETION, INSERTION, SENSITIVITY, SIMILARITY, RANDOMISATION)
VARIABLE_CHECKS = (DELETION, SIGNS)
DECISIVE = (DELETION, RANDOMISATION, ADDITIVITY)
# Two outputs may rightly look alike (effusion and atelectasis overlap), and insertion asks for what
# suffices where deletion asks for what is needed: both inform, neither decides.
INFORMATIVE = (SIMILARITY, INSERTION)

# A map of these costs one pass, so it can be repeated on noisy copies of a reference set.
ONE_PASS = (*CAM_METHODS, "attention_relevance")
# Cases on which a method is compared with its randomised network: fewer where a map costs many
# passes, so that no check takes minutes.
REFERENCE_CASES = {
    **dict.fromkeys(ONE_PASS, 16),
    "integrated_gradients": 12,
    "smoothgrad": 12,
    "occlusion": 4,
}
FEWEST_PLAYERS = 4


def not_applicable(check: str, method: str, adapter: ModelAdapter) -> str | None:
    """Return why a check can never be made of this model by this method, or None.

    Args:
        check: Name of a check.
        method: The explanation's method.
        adapter: The model.
    """
    if check == SENSITIVITY and method not in ONE_PASS:
        return f"{method} needs many passes for one map, so noisy repeats are not computed"
    if check == RANDOMISATION:
        if method not in REFERENCE_CASES:
            return f"{method} needs too many passes for one map to repeat it on other weights"
        if "layers" not in adapter.caps or not hasattr(adapter, "with_module"):
            return "the model shows no weights that could be shuffled"
    if check == SIGNS:
        return _no_signs(method, [field.modality for field in adapter.inputs])
    few = any(
        field.modality == "table" and len(field.features) < FEWEST_PLAYERS
        for field in adapter.inputs
    )
    if check == DELETION and method in VARIABLE_METHODS and few and len(adapter.inputs) == 1:
        return f"fewer than {FEWEST_PLAYERS} variables have too few orders to be ranked among"
    return None


def _no_signs(method: str, modalities: list[str]) -> str | None:
    """Return why effects can never be computed against parts of their background, or None."""
    if method == "tree_path":
        return "path-dependent contributions have no background cohort to draw again"
    if modalities == ["text"]:
        return "text that is left out is removed, so there is no background cohort to draw again"
    if len(modalities) > 1:
        return "a model with several inputs has too small a background to draw it again in parts"
    return None


VARIABLE_METHODS = ("shapley", "tree_interventional", "tree_path", "linear")
