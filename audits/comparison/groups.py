"""The groups of a comparison: everybody, every declared level and every declared intersection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from audits.comparison.influence import Bools
from audits.fairness.types import Grouping


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRows:
    """A group by its attribute levels and the rows in it; no attribute is everybody."""

    attributes: dict[str, str]
    rows: Bools


def every_group(
    attributes: Sequence[Grouping],
    groups: Sequence[str],
    intersections: Sequence[Sequence[str]],
    n: int,
) -> Iterator[GroupRows]:
    """Yield the overall cohort, then marginal levels, then intersections that hold a case.

    Args:
        attributes: Attributes with (n,) level codes.
        groups: Names of the declared attributes.
        intersections: Declared crossings, each a sequence of attribute names.
        n: Number of rows.

    Yields:
        Groups in the declared order; levels in the attribute's own order.
    """
    by_name = {attribute.name: attribute for attribute in attributes}
    yield GroupRows(attributes={}, rows=np.ones(n, dtype=np.bool_))
    for names in [[name] for name in groups] + [list(names) for names in intersections]:
        if not all(name in by_name for name in names):
            continue
        crossed = [by_name[name] for name in names]
        shape = [len(attribute.levels) for attribute in crossed]
        codes = np.ravel_multi_index([attribute.codes for attribute in crossed], shape)
        for cell in np.unique(codes):
            levels = np.unravel_index(int(cell), shape)
            yield GroupRows(
                attributes={
                    attribute.name: attribute.levels[int(level)]
                    for attribute, level in zip(crossed, levels, strict=True)
                },
                rows=codes == cell,
            )
