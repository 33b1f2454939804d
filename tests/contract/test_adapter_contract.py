"""What every adapter promises, whatever its format."""

from __future__ import annotations

import builtins
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from model_adapters import (
    AdapterError,
    ModelAdapter,
    UnsafeFormatError,
    batch_size_for,
    check_adapter,
    example_batch,
    known_formats,
    load_adapter,
    predict_batched,
    probabilities,
    take_rows,
)


def test_every_format_is_tried_here(model_folders, kind):
    assert load_adapter(model_folders(kind)).card.format in known_formats()


def test_it_is_an_adapter(model_folders, kind):
    adapter = load_adapter(model_folders(kind), device="cpu")
    assert isinstance(adapter, ModelAdapter)
    assert adapter.device == "cpu"
    assert adapter.card.key == f"{kind.replace('_', '-')}@1.0"
    assert len(adapter.card.weights_sha256) == 64
    assert callable(getattr(adapter, "precomputed", None))
    assert ("tree" in adapter.caps) == hasattr(adapter, "native_contributions")
    assert ("grad" in adapter.caps) == hasattr(adapter, "forward")
    assert ("layers" in adapter.caps) == hasattr(adapter, "module")


def test_it_conforms(model_folders, kind):
    adapter = load_adapter(model_folders(kind), device="cpu")
    results = check_adapter(adapter, example_batch(adapter, n=6, seed=1))
    assert [(r.name, r.detail) for r in results if not r.passed] == []


def test_batches_of_any_size_give_the_same(model_folders, kind):
    adapter = load_adapter(model_folders(kind), device="cpu")
    prepared = adapter.prepare(example_batch(adapter, n=11, seed=2))
    whole = adapter.predict(prepared)
    assert probabilities(whole, adapter.output).shape == whole.shape == (11, 1)
    assert batch_size_for(adapter, prepared) >= 1
    for size in (None, 1, 4):
        got = predict_batched(adapter, prepared, batch_size=size)
        np.testing.assert_allclose(got, whole, atol=1e-5)


def test_threads_may_share_it(model_folders, kind):
    adapter = load_adapter(model_folders(kind), device="cpu")
    raw = example_batch(adapter, n=8, seed=3)
    whole = adapter.predict(adapter.prepare(raw))

    def work(row):
        part = adapter.prepare(take_rows(raw, [row % 8]))
        if row % 3 == 0 and "grad" in adapter.caps:
            return adapter.forward(part).detach().numpy()
        return adapter.predict(part)

    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(work, range(32)))
    np.testing.assert_allclose(np.concatenate(got), np.tile(whole, (4, 1)), atol=1e-5)


def test_a_changed_byte_is_noticed(model_folders, kind, tmp_path):
    source = model_folders(kind)
    data = bytearray((source / "weights.data").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "weights.data").write_bytes(bytes(data))
    (tmp_path / "model.toml").write_text((source / "model.toml").read_text())
    with pytest.raises(AdapterError, match=r"weights\.sha256: 'weights\.data' has another hash"):
        load_adapter(tmp_path)


def test_a_pickle_in_its_place_is_refused(model_folders, kind, tmp_path):
    (tmp_path / "weights.data").write_bytes(b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00.")
    (tmp_path / "model.toml").write_text((model_folders(kind) / "model.toml").read_text())
    with pytest.raises(UnsafeFormatError, match="auscult model convert"):
        load_adapter(tmp_path)


def test_missing_inputs_are_named(model_folders, kind):
    adapter = load_adapter(model_folders(kind), device="cpu")
    with pytest.raises(AdapterError, match="inputs"):
        adapter.prepare({"something else": []})


@pytest.mark.parametrize(
    ("kind", "library"),
    [
        ("xgboost", "xgboost"),
        ("lightgbm", "lightgbm"),
        ("onnx", "onnxruntime"),
        ("monai_volume", "monai.networks"),
        ("skops", "skops.io"),
    ],
)
def test_a_library_that_cannot_be_loaded_is_one_sentence(model_folders, monkeypatch, kind, library):
    folder = model_folders(kind)
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == library:
            raise OSError("libsomething.so.1: cannot open shared object file")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(AdapterError, match="libsomething") as error:
        load_adapter(folder, device="cpu")
    assert "\n" not in str(error.value)
    assert "install" in str(error.value)


def test_importing_loads_no_model_library():
    heavy = ["torch", "monai", "xgboost", "lightgbm", "onnxruntime", "skops", "sklearn", "pandas"]
    code = f"import sys, model_adapters; sys.exit(str(set({heavy}) & set(sys.modules) or ''))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


@pytest.mark.parametrize("kind", ["xgboost", "lightgbm", "predictions"])
def test_trees_and_tables_load_without_torch(model_folders, kind):
    code = (
        "import sys; from model_adapters import load_adapter;"
        f"load_adapter({str(model_folders(kind))!r});"
        "sys.exit('torch was imported' if 'torch' in sys.modules else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["cnn", "monai_volume", "mlp"])
def test_the_gpu_gives_what_the_cpu_gives(model_folders, kind):
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device on this machine")
    cpu = load_adapter(model_folders(kind), device="cpu")
    gpu = load_adapter(model_folders(kind), device="cuda")
    raw = example_batch(cpu, n=9, seed=4)
    want = cpu.predict(cpu.prepare(raw))
    np.testing.assert_allclose(gpu.predict(gpu.prepare(raw)), want, atol=1e-4)
    assert gpu.device == "cuda"
    assert all(result.passed for result in check_adapter(gpu, raw))
