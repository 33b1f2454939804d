"""Batches cover every case once, shrink when memory runs out, and never change a result."""

from __future__ import annotations

import itertools
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model_adapters import AdapterError, ImageValue, load_adapter
from model_adapters.batching import (
    batch_size_for,
    count_rows,
    is_out_of_memory,
    memory_budget,
    predict_batched,
    run_in_batches,
    take_rows,
)

ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
    RuntimeError("MPS backend out of memory"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 1 bytes"),
    MemoryError(),
]


def limited(most, error):
    """Return a function that fails above ``most`` cases, and what it saw."""
    seen = []

    def work(rows):
        seen.append(rows)
        if rows.stop - rows.start > most:
            raise error
        return list(range(rows.start, rows.stop))

    return work, seen


@settings(max_examples=40, deadline=None)
@given(n=st.integers(0, 70), size=st.integers(1, 80), most=st.integers(1, 80))
def test_every_case_once_and_in_order(n, size, most):
    work, _ = limited(most, MemoryError())
    slices, parts = [], []
    with mock.patch("model_adapters.batching.gc.collect"):  # slow, and nothing to collect here
        for rows, part in run_in_batches(work, n, batch_size=size):
            slices.append(rows)
            parts += part
    assert parts == list(range(n))
    assert all(a.stop == b.start for a, b in itertools.pairwise(slices))


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__ + str(e)[:9])
def test_halved_and_stays_small(error):
    work, seen = limited(4, error)
    sizes = [rows.stop - rows.start for rows, _ in run_in_batches(work, 20, batch_size=16)]
    assert sizes == [4] * 5
    assert [rows.stop - rows.start for rows in seen] == [16, 8, 4, 4, 4, 4, 4]


def test_one_case_that_does_not_fit_is_one_sentence():
    work, _ = limited(0, MemoryError())
    with pytest.raises(AdapterError, match="memory ran out on a single case"):
        list(run_in_batches(work, 3, batch_size=2))


def test_other_errors_are_not_swallowed():
    def work(rows):
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        list(run_in_batches(work, 3, batch_size=2))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_the_caller_may_stop_between_batches():
    work, seen = limited(9, MemoryError())
    batches = run_in_batches(work, 9, batch_size=3)
    next(batches)
    batches.close()
    assert len(seen) == 1


def test_results_do_not_depend_on_the_batch_size(pneumonia):
    adapter = load_adapter(pneumonia, device="cpu")
    rng = np.random.default_rng(3)
    images = [
        ImageValue(pixels=rng.random((28, 28), dtype=np.float32), low=0.0, high=1.0)
        for _ in range(37)
    ]
    prepared = adapter.prepare({"image": images})
    whole = adapter.predict(prepared)
    for size in (1, 5, 36):
        got = predict_batched(adapter, prepared, batch_size=size)
        np.testing.assert_allclose(got, whole, atol=1e-5)
    np.testing.assert_allclose(predict_batched(adapter, prepared), whole, atol=1e-5)
    assert predict_batched(adapter, adapter.prepare({"image": []})).shape == (0, 1)


def test_size_follows_what_a_case_costs(pneumonia, monkeypatch):
    adapter = load_adapter(pneumonia, device="cpu")
    image = ImageValue(pixels=np.zeros((28, 28), dtype=np.float32), low=0.0, high=1.0)
    prepared = adapter.prepare({"image": [image]})
    largest = (16 + 16) * 28 * 28 * 4  # the first ReLU: sixteen planes in, sixteen out
    monkeypatch.setattr("model_adapters.batching.memory_budget", lambda device: 10 * largest)
    plain = batch_size_for(adapter, prepared)
    kept = batch_size_for(adapter, prepared, gradients=True)
    assert 1 <= kept < plain <= 5
    monkeypatch.setattr("model_adapters.batching.memory_budget", lambda device: 0)
    assert batch_size_for(adapter, prepared) == 1
    monkeypatch.setattr("model_adapters.batching.memory_budget", lambda device: 2**40)
    assert batch_size_for(adapter, prepared) == 64


def test_there_is_a_budget():
    assert memory_budget("cpu") > 2**20


def test_rows_of_every_kind_of_batch():
    raw = {
        "image": ["a", "b", "c"],
        "ehr": pd.DataFrame({"x": [1, 2, 3]}),
        "t": torch.arange(3),
        "ids": np.array(["p", "q", "r"]),
    }
    assert count_rows(raw) == 3
    part = take_rows(raw, [2, 0])
    assert part["image"] == ["c", "a"]
    assert part["ehr"]["x"].tolist() == [3, 1]
    assert part["t"].tolist() == [2, 0]
    assert part["ids"].tolist() == ["r", "p"]
    assert take_rows(raw, slice(1, 3))["ehr"]["x"].tolist() == [2, 3]
