"""Values that cross the borders between rooms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Progress = Callable[[float, str], None]
"""Called with the finished share in [0, 1] and a short sentence in the present tense."""


def silent(share: float, message: str) -> None:
    """Report progress to nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number with what it takes to trust it: interval, denominator and method.

    Attributes:
        value: The estimate, or None where it is undefined.
        low: Lower limit at ``level``, or None.
        high: Upper limit at ``level``, or None.
        level: Confidence level of the interval.
        k: Numerator, for proportions only.
        n: Denominator in rows (for AUROC and its like, the rows used).
        n_patients: Distinct patients behind ``n``, or None where no patient is declared.
        deff: Design effect that the interval used; 1 where rows are independent.
        method: Name of the interval, for example ``wilson``.
        reason: Why ``value`` or its interval is missing, or a warning such as ``insufficient``.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    level: float = 0.95
    k: int | None = None
    n: int | None = None
    n_patients: int | None = None
    deff: float | None = None
    method: str = ""
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the ESTIMATE of the contract; ``reason`` only where there is one."""
        out: dict[str, Any] = {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "level": self.level,
            "k": self.k,
            "n": self.n,
            "n_patients": self.n_patients,
            "deff": self.deff,
            "method": self.method,
        }
        if self.reason is not None:
            out["reason"] = self.reason
        return out

    @classmethod
    def undefined(
        cls, reason: str, *, n: int | None = None, n_patients: int | None = None, method: str = ""
    ) -> Estimate:
        """Return an estimate without a value, saying why."""
        return cls(value=None, n=n, n_patients=n_patients, method=method, reason=reason)


Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something the reader of a run must know; carried in the run instead of being warned."""

    severity: Severity
    where: str
    message: str

    def to_dict(self) -> dict[str, str]:
        """Return the finding as plain data."""
        return {"severity": self.severity, "where": self.where, "message": self.message}


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A case that the run could not use, and why; the other cases are still audited."""

    case: str
    reason: str

    def to_dict(self) -> dict[str, str]:
        """Return the entry of ``skipped`` in the evidence."""
        return {"case": self.case, "reason": self.reason}
