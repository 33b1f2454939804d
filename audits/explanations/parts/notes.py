"""Effects of a note's sections, sentences and words: what is left out is removed, not replaced."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.errors import ExplanationError
from audits.explanations.checks.variables import deletion_check
from audits.explanations.parts.deletion import deletion_test
from audits.explanations.parts.evidence import NoteEvidence, TextLevel, TextUnit
from audits.explanations.parts.layout import Layout, Player, joint_game, plain_error, rows_of
from audits.explanations.parts.negation import negated_spans
from audits.explanations.parts.players import additive_explanation, effects_of
from audits.explanations.parts.sentences import Stretch, sections_of
from audits.explanations.result import BackgroundId
from audits.explanations.shapley import Hierarchy, OwenEstimate, Stop, UnitGame, owen_values
from audits.explanations.spaces import UNITS
from audits.types import Finding
from model_adapters.base import TextTokens, Tokenised

if TYPE_CHECKING:
    from audits.explanations.request import Request
    from audits.explanations.result import CaseExplanation, Method
    from audits.explanations.shapley import ShapleyEstimate
    from model_adapters.base import Field

LOOKED_INTO = 3
STOP = Stop(relative=0.03, absolute=0.0, min_cycles=120, max_cycles=400, seconds=6.0)
REMOVED = "the same note with all its text removed"
ESTIMAND = (
    "Owen value of each sentence of the note in {output}, in {unit}, sections first: text that is "
    "left out is removed, and the model reads what remains; the base value is its score of an "
    "empty note."
)

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotePlan:
    """The words a model reads of a note, and what they belong to.

    Attributes:
        tokens: What the model reads.
        sections: Stretch of each section with at least one such word.
        sentences: The same of sentences, in order.
        section_of: (words,) section of each word.
        sentence_of: (words,) sentence of each word.
        words: Place of each word among the model's tokens, without its own special ones.
    """

    tokens: TextTokens
    sections: tuple[Stretch, ...]
    sentences: tuple[Stretch, ...]
    section_of: Ints
    sentence_of: Ints
    words: Ints

    @property
    def section_of_sentence(self) -> Ints:
        """Return the section of every sentence, (sentences,)."""
        first = np.unique(self.sentence_of, return_index=True)[1]
        return self.section_of[first]


def explain_by_note(request: Request, method: Method) -> CaseExplanation:
    """Explain one score of a model that reads a note.

    Args:
        request: The case.
        method: ``shapley``.

    Raises:
        ExplanationError: If the adapter does not show its tokens, or reads none of this note.
    """
    (field,) = request.adapter.inputs
    plan = note_plan(request, field)
    layout = note_layout(request, field, plan, rows=1)
    game = joint_game(request, [layout])
    estimate = owen_values(
        game,
        Hierarchy(levels=layout.levels),
        seed=request.seed,
        stop=STOP,
        open_largest=(None, LOOKED_INTO),
    )
    sentences = estimate.levels[1]
    effects = sentences.effects[0, :, request.index]
    units = UnitGame(game=game, unit_of=plan.sentence_of)
    return additive_explanation(
        request,
        method=method,
        estimand=ESTIMAND.format(output=request.output, unit=UNITS[request.adapter.output.space]),
        background=removed_text(),
        estimate=sentences,
        players=effects_of(
            [Player(name=one.name, label=one.name.capitalize()) for one in plan.sentences],
            sentences,
            request.index,
        ),
        note=NoteEvidence(
            field=field.name,
            units=_units(request, field, plan, estimate),
            read=len(plan.tokens.ids),
            total=plan.tokens.total,
            read_to=max(end for _, end in plan.tokens.spans),
            negations=negated_spans(str(request.raw[field.name][0])),
            deletion=deletion_test(units, request.index, effects, seed=request.seed),
        ),
        checks=(deletion_check(units, request.index, effects, seed=request.seed),),
        findings=note_findings(request, plan),
    )


def removed_text() -> BackgroundId:
    """Return the background of a removal: no cohort, an empty text."""
    return BackgroundId(name=REMOVED, sha256=hashlib.sha256(b"").hexdigest(), n=1)


def note_plan(request: Request, field: Field) -> NotePlan:
    """Find sections and sentences of the words that the model reads.

    Raises:
        ExplanationError: If the adapter does not show its tokens, or reads none of this note.
    """
    adapter = request.adapter
    if not isinstance(adapter, Tokenised):
        raise ExplanationError(
            f"{adapter.card.key}: its adapter does not say which characters its tokens stand for, "
            "so no part of a note can be explained; offer tokens_of and padding_of"
        )
    text = str(request.raw[field.name][0])
    tokens = adapter.tokens_of(field.name, text)
    words = np.array([i for i, (start, end) in enumerate(tokens.spans) if end > start], dtype=int)
    if not len(words):
        raise ExplanationError(
            f"case {request.case!r} cannot be explained: the model reads no word of its "
            f"{field.name!r}; explain a case with a text"
        )
    starts = np.array([tokens.spans[word][0] for word in words])
    found = sections_of(text)
    sentences = [(at, one) for at, section in enumerate(found) for one in section.sentences]
    begins = np.array([one.start for _, one in sentences])
    owner = np.maximum(np.searchsorted(begins, starts, side="right") - 1, 0)
    used, sentence_of = np.unique(owner, return_inverse=True)
    kept = [sentences[place] for place in used]
    ids, section = np.unique([at for at, _ in kept], return_inverse=True)
    return NotePlan(
        tokens=tokens,
        sections=tuple(found[place].stretch for place in ids),
        sentences=tuple(one for _, one in kept),
        section_of=np.asarray(section)[sentence_of],
        sentence_of=sentence_of,
        words=words,
    )


def note_layout(request: Request, field: Field, plan: NotePlan, *, rows: int) -> Layout:
    """Return the layout whose players are words; levels are the section and the sentence.

    The model's own tokens (the first and last of a text, say) stay in every coalition.
    """
    prepared = request.prepared[field.name]
    owners = np.zeros(prepared.shape[1], dtype=np.int64)
    owners[plan.words] = np.arange(len(plan.words))
    return Layout(
        field=field.name,
        owners=owners,
        players=tuple(Player(name=f"word {at + 1}", label="") for at in range(len(plan.words))),
        levels=(plan.section_of, plan.sentence_of),
        background=_without_words(request, field, plan, rows),
    )


def note_findings(request: Request, plan: NotePlan) -> tuple[Finding, ...]:
    """Return what the reader must know: that a note was cut."""
    read, total = len(plan.tokens.ids), plan.tokens.total
    if total <= read:
        return ()
    message = (
        f"The note is longer than the model reads: {read:,} of {total:,} tokens "
        f"({read / total:.0%}); the rest has no effect on the score."
    )
    where = f"explanation.{request.case}"
    return (Finding(severity="warning", where=where, message=message),)


def _without_words(request: Request, field: Field, plan: NotePlan, rows: int) -> Any:
    out = rows_of(request.prepared[field.name], rows)
    out[:, plan.words] = request.adapter.padding_of(field.name)  # type: ignore[attr-defined]  # checked by note_plan
    return out


def _units(
    request: Request, field: Field, plan: NotePlan, estimate: OwenEstimate
) -> tuple[TextUnit, ...]:
    negated = negated_spans(str(request.raw[field.name][0]))
    tokens = [
        Stretch(name=f"{plan.sentences[sentence].name}, word", start=start, end=end)
        for sentence, (start, end) in zip(
            plan.sentence_of, (plan.tokens.spans[word] for word in plan.words), strict=True
        )
    ]
    levels: tuple[tuple[TextLevel, tuple[Stretch, ...]], ...] = (
        ("section", plan.sections),
        ("sentence", plan.sentences),
        ("token", tuple(tokens)),
    )
    return tuple(
        unit
        for (level, stretches), found in zip(levels, estimate.levels, strict=True)
        for unit in text_units(level, stretches, found, np.arange(len(stretches)), request, negated)
    )


def text_units(
    level: TextLevel,
    stretches: Sequence[Stretch],
    found: ShapleyEstimate,
    places: Ints,
    request: Request,
    negated: Sequence[tuple[int, int]],
) -> tuple[TextUnit, ...]:
    """Return the stretches of one level with their effects; those not looked into are left out.

    Args:
        level: ``section``, ``sentence`` or ``token``.
        stretches: Where each lies in the text.
        found: Effects of the level.
        places: Place of each stretch among the level's units.
        request: The case.
        negated: Stretches of the text under a negation.
    """
    effects, errors = found.effects[0, :, request.index], found.se[0, :, request.index]
    return tuple(
        TextUnit(
            level=level,
            name=stretch.name,
            start=stretch.start,
            end=stretch.end,
            effect=float(effects[place]),
            se=plain_error(errors, int(place)),
            negated=any(a < stretch.end and b > stretch.start for a, b in negated),
        )
        for stretch, place in zip(stretches, places, strict=True)
        if not np.isnan(effects[place])
    )
