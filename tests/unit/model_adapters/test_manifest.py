"""Every mistake in model.toml is one sentence with the file and the dotted key."""

from __future__ import annotations

import pytest

from model_adapters import AdapterError, read_manifest

BASE = """
[model]
id = "icu"
version = "1.0"
task = "binary"
outputs = ["deterioration"]
space = "logit"
thresholds = [0.2]
[weights]
format = "xgboost"
file = "m.json"
sha256 = "%s"
[inputs.ehr]
features = ["age", "sex"]
[[inputs.ehr.encoding]]
feature = "age"
kind = "numeric"
[[inputs.ehr.encoding]]
feature = "sex"
kind = "category"
levels = ["F", "M"]
[card]
intended_use = "triage"
sites = ["A", "B"]
[card.training]
years = 3
""" % ("a" * 64)


def written(folder, text):
    (folder / "model.toml").write_text(text, encoding="utf-8")
    return folder


def test_what_it_declares(tmp_path):
    manifest = read_manifest(written(tmp_path, BASE))
    assert manifest.card.key == "icu@1.0"
    assert manifest.card.declared == {
        "intended_use": "triage",
        "sites": "A; B",
        "training.years": "3",
    }
    assert manifest.output.names == ("deterioration",)
    assert manifest.output.thresholds == (0.2,)
    assert len(manifest.sha256) == 64
    assert manifest.card.manifest_sha256 == manifest.sha256


CASES = {
    "missing key": ('id = "icu"\n', "", r"model\.id: is missing; add it"),
    "unknown key": ('id = "icu"', 'id = "icu"\nspaec = 1', r"model\.spaec: is not a known key"),
    "unknown task": (
        '"binary"',
        '"guess"',
        r"model\.task: input should be 'binary'.*found 'guess'",
    ),
    "version as a number": ('"1.0"', "1.0", r"model\.version: .*found 1\.0"),
    "thresholds": ("[0.2]", "[0.2, 0.3]", r"thresholds must give one number per output, found 2"),
    "threshold scale": ("[0.2]", "[1.2]", "thresholds stand on the probability scale"),
    "binary": ('["deterioration"]', '["a", "b"]', "a binary task has one output, found 2"),
    "hash": ("a" * 64, "abc", r"weights\.sha256: .*found 'abc'"),
    "level": ('["F", "M"]', "[]", r"inputs\.ehr\.encoding\[1\]\.levels: .*at least 1 item"),
    "kind": ('"numeric"', '"number"', r"inputs\.ehr\.encoding\[0\]: .*found"),
    "order": ('feature = "age"', 'feature = "bmi"', "the first difference at 'age'"),
    "mean alone": ('"numeric"', '"numeric"\nmean = 3', "mean and std standardise together"),
    "inputs": ("[inputs.ehr]\nfeatures", "[inputs.ehr]\nnothing", r"inputs\.ehr\.size: is missing"),
    "no TOML": ("[model]", "[model", "is not valid TOML"),
}


@pytest.mark.parametrize(("old", "new", "sentence"), CASES.values(), ids=CASES)
def test_mistakes(tmp_path, old, new, sentence):
    assert old in BASE
    with pytest.raises(AdapterError, match=sentence) as error:
        read_manifest(written(tmp_path, BASE.replace(old, new)))
    message = str(error.value)
    assert message.startswith(str(tmp_path))
    assert "\n" not in message
    assert message.endswith(".")


IMAGE = BASE.split("[inputs.ehr]", maxsplit=1)[0]


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ("size = [8]", r"inputs\.image\.size: .*at least 2 items"),
        ("size = [8, 8]\nchannels = 2", r"inputs\.image\.channels: "),
        ("size = [8, 8]\nmean = [0.1, 0.2]", "mean gives one number or one per channel"),
        ("size = [8, 8]\nstd = [0.0]", r"inputs\.image\.std\[0\]: "),
        ("size = [8, 8]\nwindow = [5, 1]", r"window is \[low, high\]"),
        ('modality = "smell"', "an input is an image"),
    ],
)
def test_mistakes_of_image_inputs(tmp_path, section, sentence):
    with pytest.raises(AdapterError, match=sentence):
        read_manifest(written(tmp_path, f"{IMAGE}\n[inputs.image]\n{section}\n"))


def test_sections_fit_the_format(tmp_path):
    with pytest.raises(AdapterError, match="inputs is missing"):
        read_manifest(written(tmp_path, IMAGE))
    text = BASE.replace('"xgboost"', '"safetensors"')
    with pytest.raises(AdapterError, match="architecture is missing"):
        read_manifest(written(tmp_path, text))
    text = BASE + '\n[architecture]\nname = "monai.UNet"\n'
    with pytest.raises(AdapterError, match="architecture belongs to safetensors"):
        read_manifest(written(tmp_path, text))
    text = BASE.replace('"xgboost"', '"safetensors"') + '\n[architecture]\nname = "sequential"\n'
    with pytest.raises(AdapterError, match='layers and name = "sequential" go together'):
        read_manifest(written(tmp_path, text))
    text = BASE.replace('"xgboost"', '"predictions"')
    with pytest.raises(AdapterError, match="only brings predictions"):
        read_manifest(written(tmp_path, text))


def test_folders_without_a_manifest(tmp_path):
    with pytest.raises(AdapterError, match="no such model folder"):
        read_manifest(tmp_path / "nowhere")
    with pytest.raises(AdapterError, match=r"holds no model\.toml"):
        read_manifest(tmp_path)
    (tmp_path / "model.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(AdapterError, match="is not UTF-8"):
        read_manifest(tmp_path)
