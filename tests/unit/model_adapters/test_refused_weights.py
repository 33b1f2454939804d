"""Formats that can run code are never opened, by name or by content; hashes come first."""

from __future__ import annotations

import gzip
import io
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save

from model_adapters import AdapterError, DeviceError, UnsafeFormatError, load_adapter, select_device

TENSORS = {"0.weight": torch.ones(1, 2), "0.bias": torch.zeros(1)}
GOOD = save(TENSORS)
NETWORK = {
    "inputs.ehr": {"features": ["a", "b"]},
    "architecture": {
        "name": "sequential",
        "layers": [{"type": "Linear", "args": {"in_features": 2, "out_features": 1}, "key": "0"}],
    },
}


def torch_zip():
    buffer = io.BytesIO()
    torch.save(TENSORS, buffer)
    return buffer.getvalue()


def folder(write_model, data, file="w.safetensors", form="safetensors", **weights):
    sections = NETWORK if form == "safetensors" else {"inputs.ehr": NETWORK["inputs.ehr"]}
    return write_model(data, weights={"format": form, "file": file, **weights}, **sections)


@pytest.mark.parametrize(
    "file",
    ["m.pkl", "m.joblib", "m.pt", "m.pth", "m.ckpt", "m.h5", "m.hdf5", "m.keras", "m.pt2", "M.PKL"],
)
@pytest.mark.parametrize("form", ["safetensors", "skops", "xgboost"])
def test_refused_by_name(write_model, file, form):
    with pytest.raises(UnsafeFormatError, match="auscult model convert") as error:
        load_adapter(folder(write_model, b"never read", file, form))
    assert file in str(error.value)
    assert "\n" not in str(error.value)


PICKLE = b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94K\x01s."


@pytest.mark.parametrize(
    "data",
    [PICKLE, torch_zip(), b"\x89HDF\r\n\x1a\nrest", gzip.compress(PICKLE)],
    ids=["pickle", "torch", "hdf5", "packed"],
)
@pytest.mark.parametrize(
    ("file", "form"),
    [
        ("w.safetensors", "safetensors"),
        ("w.skops", "skops"),
        ("w.json", "xgboost"),
        ("w.txt", "lightgbm"),
        ("w.onnx", "onnx"),
    ],
)
def test_refused_by_content(write_model, data, file, form):
    with pytest.raises(UnsafeFormatError, match="auscult model convert"):
        load_adapter(folder(write_model, data, file, form))


def test_scores_are_never_a_pickle(write_model):
    path = write_model(PICKLE, weights={"format": "predictions", "file": "scores.csv"})
    with pytest.raises(UnsafeFormatError, match="pickle"):
        load_adapter(path)


def test_another_zip_is_not_skops(write_model):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(AdapterError, match="is not a whole skops file"):
        load_adapter(folder(write_model, buffer.getvalue(), "w.skops", "skops"))


@pytest.mark.parametrize("mark", [b"\x80\x02", b"\x78\x01"], ids=["pickle", "zlib"])
def test_a_header_that_starts_like_another_format_is_still_safetensors(write_model, mark):
    """Safetensors start with a length, which may read like the mark of another format."""
    padded = (save(TENSORS, metadata={"p": "x" * pad}) for pad in range(900))
    data = next(data for data in padded if data.startswith(mark))
    adapter = load_adapter(folder(write_model, data), device="cpu")
    assert adapter.predict({"ehr": np.ones((1, 2))}) == 2


def test_the_hash_comes_before_the_parser(write_model, monkeypatch):
    def never(*args, **kwargs):
        pytest.fail("parsed before its hash was compared")

    monkeypatch.setattr("safetensors.torch.load", never)
    path = folder(write_model, GOOD, sha256="0" * 64)
    with pytest.raises(AdapterError, match="another hash, declared 000000000000"):
        load_adapter(path)


def test_files_stay_inside_the_folder(write_model, tmp_path):
    (tmp_path / "outside.safetensors").write_bytes(GOOD)
    path = folder(write_model, None, "../outside.safetensors")
    with pytest.raises(AdapterError, match=r"weights\.file: must stay inside the model folder"):
        load_adapter(path)
    path = folder(write_model, None, "link.safetensors")
    (path / "link.safetensors").symlink_to(tmp_path / "outside.safetensors")
    with pytest.raises(AdapterError, match="must stay inside the model folder"):
        load_adapter(path)
    with pytest.raises(AdapterError, match=r"weights\.file: there is no file 'gone\.safetensors'"):
        load_adapter(folder(write_model, None, "gone.safetensors"))


@pytest.mark.parametrize(
    ("data", "form", "sentence"),
    [
        (b"short", "safetensors", "is not a safetensors file"),
        (GOOD[:-4], "safetensors", "is not a whole safetensors file"),
        (b"hello", "lightgbm", "is not a lightgbm file"),
        (b"hello", "xgboost", "is not a xgboost file"),
    ],
)
def test_another_content_than_declared(write_model, data, form, sentence):
    with pytest.raises(AdapterError, match=sentence):
        load_adapter(folder(write_model, data, "w.data", form))


def test_devices(write_model, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert select_device("auto") == "cpu"
    assert select_device("cpu") == "cpu"
    with pytest.raises(DeviceError, match="'cuda' was asked for, but PyTorch finds no such device"):
        select_device("cuda")
    with pytest.raises(DeviceError, match="expected one of auto, cpu, cuda, mps, found 'tpu'"):
        select_device("tpu")
    for device in ("cuda", "tpu"):
        with pytest.raises(DeviceError, match="device: "):
            load_adapter(folder(write_model, GOOD), device=device)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert select_device("auto") == "cuda"
