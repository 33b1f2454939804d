"""Negations in clinical text, marked so that nobody reads "no fever" as fever.

A short form of NegEx: a trigger negates the words that follow it (or, for some, precede it) up to
a conjunction, a mark of punctuation, or five words (Chapman et al., J Biomed Inform 34:301-310,
2001). The triggers are a selection of the published English lists. It marks; it changes no effect.
"""

from __future__ import annotations

import re

_BEFORE = (
    "no evidence of", "no signs of", "no sign of", "no new", "negative for", "absence of",
    "free of", "ruled out for", "rules out", "rule out", "denies any", "denies", "denied",
    "denying", "without any", "without", "never had", "never", "cannot", "not", "no",
)  # fmt: skip
_BEHIND = (
    "was ruled out", "is ruled out", "has been ruled out", "ruled out", "not seen", "not present",
    "is absent", "are absent", "unlikely", "was negative", "is negative",
)  # fmt: skip
_NO_NEGATION = ("no increase", "no change", "not only", "not certain if", "without difficulty")
_ENDS = frozenset(
    ("but", "however", "although", "though", "except", "apart", "aside", "nevertheless", "yet",
     "still", "secondary", "which", "who")
)  # fmt: skip
_SCOPE = 5
_WORD = re.compile(r"\w+|[^\w\s]")


def _pattern(phrases: tuple[str, ...]) -> re.Pattern[str]:
    ordered = sorted(phrases, key=len, reverse=True)
    return re.compile(r"\b(?:" + "|".join(map(re.escape, ordered)) + r")\b", re.IGNORECASE)


_TRIGGER, _POST, _PSEUDO = _pattern(_BEFORE), _pattern(_BEHIND), _pattern(_NO_NEGATION)


def negated_spans(text: str) -> tuple[tuple[int, int], ...]:
    """Return stretches of a text that stand under a negation, trigger included, in order.

    Example:
        >>> [text[a:b] for text in ["No fever, but cough."] for a, b in negated_spans(text)]
        ['No fever']
    """
    pseudo = [match.span() for match in _PSEUDO.finditer(text)]
    found = [
        (match.start(), _forward(text, match.end()))
        for match in _TRIGGER.finditer(text)
        if not _inside(match.start(), pseudo)
    ]
    found += [(_backward(text, match.start()), match.end()) for match in _POST.finditer(text)]
    return _joined(sorted(found))


def _forward(text: str, start: int) -> int:
    end = start
    for count, word in enumerate(_WORD.finditer(text, start)):
        if count >= _SCOPE or _stops(word.group()):
            break
        end = word.end()
    return end


def _backward(text: str, end: int) -> int:
    words = list(_WORD.finditer(text, max(0, text.rfind("\n", 0, end)), end))
    start = end
    for count, word in enumerate(reversed(words)):
        if count >= _SCOPE or _stops(word.group()):
            break
        start = word.start()
    return start


def _stops(word: str) -> bool:
    return word.lower() in _ENDS or not (word[0].isalnum() or word == "'")


def _inside(place: int, spans: list[tuple[int, int]]) -> bool:
    return any(start <= place < end for start, end in spans)


def _joined(spans: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    out: list[tuple[int, int]] = []
    for start, end in spans:
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((start, end))
    return tuple(out)
