"""Counts add up, and tell what the rows tell."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from audits.errors import AuditError
from audits.fairness import ScoredOutput
from audits.fairness.counts import BINS, Counts


def masks(output, names):
    by_name = {item.name: item for item in output.attributes}
    seen = sorted({tuple(int(by_name[n].codes[i]) for n in names) for i in range(len(output.y))})
    for codes in seen:
        keep = np.ones(len(output.y), dtype=bool)
        for name, code in zip(names, codes, strict=True):
            keep &= by_name[name].codes == code
        yield keep


@pytest.mark.parametrize("names", [(), ("sex",), ("age",), ("sex", "age"), ("age", "sex")])
def test_area_of_every_group(make_output, names):
    output = make_output(ties=True)
    counts = Counts.of(output)
    area, doubt = counts.auroc(names)
    assert counts.n == len(output.y)
    assert (doubt == 0).all()
    for index, rows in enumerate(masks(output, names)):
        expected = roc_auc_score(output.y[rows], output.score[rows])
        assert area[index] == pytest.approx(expected, abs=1e-12)


def test_shards_merge_to_the_whole(make_output, subset):
    output = make_output(900)
    whole = Counts.of(output)
    parts = [Counts.of(subset(output, np.arange(900) % 3 == shard)) for shard in range(3)]
    merged = parts[2].merge(parts[0]).merge(parts[1])
    for name in ("scores", "cell", "place", "pos", "neg"):
        assert np.array_equal(getattr(whole, name), getattr(merged, name))


def test_bins_say_what_they_cost(make_output, subset):
    output = make_output(2000)
    exact, binned = Counts.of(output), Counts.of(output, max_distinct=100)
    assert binned.binned
    assert len(binned.scores) <= BINS
    area, _ = exact.auroc(("sex",))
    rough, doubt = binned.auroc(("sex",))
    assert (np.abs(area - rough) <= doubt + 1e-15).all()
    logits = ScoredOutput(
        name="y",
        y=output.y,
        score=np.log(output.score / (1 - output.score)),
        space="value",
        attributes=output.attributes,
    )
    unbounded = Counts.of(logits, max_distinct=100)
    assert unbounded.auroc(("sex",))[0] == pytest.approx(rough, abs=1e-6)
    halves = [Counts.of(subset(output, np.arange(2000) % 2 == s)).to_bins() for s in range(2)]
    merged = halves[0].merge(halves[1])
    assert merged.n == binned.n
    assert np.array_equal(merged.auroc(("age",))[0], binned.auroc(("age",))[0])


def test_round_trip(tmp_path, make_output):
    counts = Counts.of(make_output(200))
    np.savez(tmp_path / "counts.npz", allow_pickle=False, **counts.arrays())
    with np.load(tmp_path / "counts.npz", allow_pickle=False) as kept:
        again = Counts.from_arrays(kept)
    assert (again.names, again.levels, again.binned) == (counts.names, counts.levels, False)
    assert np.array_equal(again.pos, counts.pos)


def test_unlike_counts_do_not_merge(make_output):
    output = make_output(100)
    fewer = ScoredOutput(name="y", y=output.y, score=output.score, attributes=output.attributes[:1])
    with pytest.raises(AuditError, match="found sex, age and sex"):
        Counts.of(output).merge(Counts.of(fewer))
    with pytest.raises(AuditError, match="no attribute 'race'"):
        Counts.of(output).joint(("race",))


def test_nothing_to_count(make_attribute):
    output = ScoredOutput(
        name="y",
        y=np.zeros(0),
        score=np.zeros(0),
        attributes=(make_attribute("g", "a", []),),
    )
    counts = Counts.of(output)
    assert counts.n == 0
    assert len(counts.auroc(("g",))[0]) == 0
    assert len(counts.merge(counts).auroc(())[0]) == 0
