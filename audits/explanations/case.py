"""Explain one case: the right method for the model, or the one that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from audits.errors import ExplanationError
from audits.explanations.cams.tokens import declared_tokens
from audits.explanations.input_findings import lone_background
from audits.explanations.localisation import with_localisation
from audits.explanations.observed import with_observed_risk
from audits.explanations.request import Request, open_request
from audits.explanations.result import CaseExplanation, Method
from audits.explanations.segmentation.explain import with_region

if TYPE_CHECKING:
    from audits.explanations.backgrounds import Background, CaseSource
    from model_adapters.base import ModelAdapter

Explain = Callable[[Request, Method], CaseExplanation]


def explain_case(  # noqa: PLR0913 - the contract's arguments, all by keyword
    *,
    study: Path | str,
    model: Path | str,
    case: str,
    output: str | None = None,
    method: str | None = None,
    seed: int = 0,
    device: str = "auto",
    checks: bool = True,
    background: str = "all",
    region: str | None = None,
    since: float | None = None,
    run: Path | str | None = None,
) -> CaseExplanation:
    """Explain one score of one case.

    Args:
        study: Study folder.
        model: Model folder.
        case: Case id.
        output: Name of an output; default the one with the highest score.
        method: A method's name in the contract; default the best one for the model.
        seed: Seed of everything drawn.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        checks: Also test the explanation itself; some hundred further passes of the model.
        background: Cohort that effects are measured against: ``all``, ``same_unit``, ``age_sex``
            (matched) or ``healthy`` (within reference ranges).
        region: Of a segmentation, which pixels: ``mask`` (what the model segments, the default),
            ``reference``, ``pixel:ROW,COLUMN`` or ``box:ROW,COLUMN,ROW,COLUMN``.
        since: Of measurements over time, how many hours back the prediction lies that the change
            is told from; default a quarter of the window.
        run: A run of this model, which says how many of a hundred such patients had the condition.

    Returns:
        The explanation; ``to_dict()`` is ``explanation.json``.

    Raises:
        ExplanationError: If the case, output or method does not exist or does not fit.
        StudyError: If the study cannot be read.
        AdapterError: If the model cannot be loaded.

    Example:
        >>> why = explain_case(study=folder, model=other, case="c-1")   # doctest: +SKIP
        >>> why.players[0].effect                                      # doctest: +SKIP
    """
    from audits.cohorts import open_study
    from model_adapters import load_adapter

    opened = open_study(study)
    adapter = load_adapter(model, device=device)
    found = explain_adapter_case(
        opened,
        adapter,
        case,
        output=output,
        method=method,
        seed=seed,
        checks=checks,
        background=background,
        region=region,
        since=since,
    )
    return with_observed_risk(found, opened, adapter, run)


def explain_adapter_case(  # noqa: PLR0913 - the same, with opened objects
    study: CaseSource,
    adapter: ModelAdapter,
    case_id: str,
    *,
    output: str | None = None,
    method: str | None = None,
    seed: int = 0,
    background: Background | str | None = None,
    checks: bool = False,
    region: str | None = None,
    since: float | None = None,
) -> CaseExplanation:
    """Explain one score of one case with opened objects; see :func:`explain_case`.

    Args:
        study: An opened study.
        adapter: A loaded model.
        case_id: Case id.
        output: Name of an output; default the one with the highest score.
        method: A method's name; default the best one for the model.
        seed: Seed of everything drawn.
        background: Cohort for effects, or its name; default drawn from all audited cases.
        checks: Also test the explanation itself.
        region: Of a segmentation, which pixels; see :func:`explain_case`.
        since: Of a sequence, hours back to the prediction that the change is told from.
    """
    chosen = choose_method(adapter, method)
    request = open_request(
        study,
        adapter,
        case_id,
        output=output,
        seed=seed,
        background=background,
        region=region,
        since=since,
    )
    return explain_request(request, chosen, checks=checks)


def explain_request(request: Request, method: str, *, checks: bool = False) -> CaseExplanation:
    """Explain an opened request by a method that fits its model, with its checks."""
    from audits.explanations.checks import checked
    from audits.explanations.sensitivity import background_views

    found = checked(request, explain_unchecked(request, method), run=checks)
    if not checks:
        return found
    views = background_views(request, found, lambda other: explain_unchecked(other, found.method))
    return replace(found, sensitivity=views)


def explain_unchecked(request: Request, method: str) -> CaseExplanation:
    """Explain an opened request by a method that fits its model; checks follow."""
    chosen = choose_method(request.adapter, method)
    found = with_region(request, _explainers()[chosen](request, chosen))
    against = found.background
    if against is not None and against.cohort is not None and against.n == 1:
        lone = lone_background(request.case, request.background())
        found = replace(found, findings=(*found.findings, lone))
    return with_localisation(request.study, found)


def plays_modalities(adapter: ModelAdapter) -> bool:
    """Return whether a model takes several inputs, which then play first."""
    return len(adapter.inputs) > 1


def choose_method(adapter: ModelAdapter, method: str | None) -> Method:
    """Return the method asked for, or the default one.

    Raises:
        ExplanationError: If there is no such method, or it does not fit the model.
    """
    offered = methods_for(adapter)
    if not offered:
        raise ExplanationError(
            f"{adapter.card.key} brings scores only and no model, so no score can be explained; "
            "give the model's weights"
        )
    if method is None:
        return offered[0]
    for name in offered:
        if name == method:
            return name
    raise ExplanationError(
        f"method: {method!r} is not offered for {adapter.card.key}; use one of {', '.join(offered)}"
    )


def methods_for(adapter: ModelAdapter) -> tuple[Method, ...]:
    """Return the methods that fit a model, its default first.

    Images with layers start with Grad-CAM, trees with interventional effects, tables with Shapley
    values, black boxes over images with occlusion. Measurements over time and notes have Shapley
    values of their parts; models with several inputs those of the inputs first.
    """
    modalities = {field.modality for field in adapter.inputs}
    offered: list[Method] = []
    if plays_modalities(adapter):
        maps = _map_methods(adapter) if modalities & {"image", "signal"} else []
        return ("shapley", *maps)
    if modalities & {"image", "signal"}:
        offered += _map_methods(adapter)
    if modalities & {"sequence", "text"}:
        offered.append("shapley")
    if "table" in modalities:
        if "linear" in adapter.caps and len(adapter.inputs) == 1:
            offered.append("linear")
        if "tree" in adapter.caps:
            offered += ["tree_interventional", "tree_path"]
        offered.append("shapley")
    return tuple(offered)


def _shapley_of(request: Request, method: Method) -> CaseExplanation:
    """Explain by Shapley values of the players that a model's inputs have."""
    modalities = [field.modality for field in request.adapter.inputs]
    if plays_modalities(request.adapter):
        from audits.explanations.parts.fusion import explain_by_modalities

        return explain_by_modalities(request, method)
    if modalities == ["sequence"]:
        from audits.explanations.parts.sequences import explain_by_sequence

        return explain_by_sequence(request, method)
    if modalities == ["text"]:
        from audits.explanations.parts.notes import explain_by_note

        return explain_by_note(request, method)
    from audits.explanations.variables import explain_by_shapley

    return explain_by_shapley(request, method)


def _map_methods(adapter: ModelAdapter) -> list[Method]:
    found: list[Method] = []
    if {"grad", "layers"} <= adapter.caps:
        found += ["gradcam", "hirescam", "gradcam++", "layercam", "eigencam"]
        if declared_tokens(adapter) is not None:
            found.insert(0, "attention_relevance")
    if "grad" in adapter.caps:
        found += ["integrated_gradients", "expected_gradients", "smoothgrad"]
    found += ["occlusion", "region_shapley", "rise"]
    return ["residual", *found] if adapter.output.task == "anomaly" else found


def _explainers() -> Mapping[Method, Explain]:
    """Return the function behind each method; imported on use, as some need torch."""
    from audits.explanations import linear_models, maps, tree_models
    from audits.explanations.pixels import explain as pixels
    from audits.explanations.pixels import residual

    return {
        "gradcam": maps.explain_by_one_pass,
        "hirescam": maps.explain_by_one_pass,
        "gradcam++": maps.explain_by_one_pass,
        "layercam": maps.explain_by_one_pass,
        "eigencam": maps.explain_by_one_pass,
        "attention_relevance": maps.explain_by_one_pass,
        "integrated_gradients": pixels.explain_by_integrated_gradients,
        "expected_gradients": pixels.explain_by_expected_gradients,
        "smoothgrad": pixels.explain_by_smoothgrad,
        "occlusion": maps.explain_by_occlusion,
        "region_shapley": pixels.explain_by_regions,
        "rise": pixels.explain_by_rise,
        "residual": residual.explain_by_residual,
        "shapley": _shapley_of,
        "linear": linear_models.explain_by_closed_form,
        "tree_interventional": tree_models.explain_by_interventional_trees,
        "tree_path": tree_models.explain_by_tree_paths,
    }
