"""Text classifiers in the Hugging Face layout, made here from nothing."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import torch
from safetensors.torch import save

from model_adapters import AdapterError, UnsafeFormatError, check_model_folder, load_adapter

pytest.importorskip("transformers", reason="the extra hf is not installed")
pytest.importorskip("tokenizers", reason="the extra hf is not installed")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "no", "fever", "shock", "rises", "cough", "."]


def tokenizer_json():
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    one = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    one.normalizer = normalizers.Lowercase()
    one.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    one.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return one.to_str().encode()


def network():
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=32, num_labels=2, pad_token_id=0,
    )  # fmt: skip
    return BertForSequenceClassification(config).eval()


@pytest.fixture
def hf_folder(write_model):
    def write(module=None, settings=None, leave_out=()):
        module = module or network()
        config = {**module.config.to_dict(), **(settings or {})}
        files = {
            "config.json": json.dumps(config, default=str).encode(),
            "tokenizer.json": tokenizer_json(),
        }
        tensors = {name: value.clone() for name, value in module.state_dict().items()}
        data = save({k: v for k, v in tensors.items() if k not in leave_out})
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        folder = write_model(
            data,
            weights={"format": "hf", "file": "model.safetensors", "external": hashes},
            **{"inputs.note": {"modality": "text", "max_tokens": 12}},
        )
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return folder

    return write


def test_scores_are_those_of_the_library(hf_folder):
    module = network()
    adapter = load_adapter(hf_folder(module), device="cpu")
    prepared = adapter.prepare({"note": ["No fever. Shock rises.", "cough"]})
    with torch.inference_mode():
        one = module(torch.tensor([[2, 4, 5, 9, 6, 7, 9, 3]])).logits[0]
        two = module(torch.tensor([[2, 8, 3]])).logits[0]
    wanted = [float(logits[1] - logits[0]) for logits in (one, two)]
    np.testing.assert_allclose(adapter.predict(prepared)[:, 0], wanted, atol=1e-5)


def test_tokens_are_placed_and_cut(hf_folder):
    adapter = load_adapter(hf_folder(), device="cpu")
    text = "No fever. " * 9
    found = adapter.tokens_of("note", text)
    assert (len(found.ids), found.total) == (12, 29)
    assert (found.ids[0], found.ids[-1]) == (2, 3)
    assert (found.spans[0], found.spans[-1]) == ((0, 0), (0, 0))
    assert text[slice(*found.spans[2])] == "fever"


def test_every_promise_is_kept(hf_folder):
    results = check_model_folder(hf_folder(), device="cpu")
    assert all(one.passed for one in results), results


def test_removing_a_word_is_removing_its_token(hf_folder):
    adapter = load_adapter(hf_folder(), device="cpu")
    whole, shorter = adapter.prepare({"note": ["no fever cough", "no cough"]})["note"]
    whole = whole.clone()
    whole[2] = adapter.padding_of("note")
    scores = adapter.predict({"note": torch.stack([whole, shorter])})
    assert scores[0, 0] == pytest.approx(scores[1, 0], abs=1e-5)


def test_code_in_a_repository_never_runs(hf_folder):
    folder = hf_folder(settings={"auto_map": {"AutoModel": "evil.Model"}})
    with pytest.raises(UnsafeFormatError, match="auto_map"):
        load_adapter(folder, device="cpu")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"settings": {"model_type": "nonesuch"}}, "describes no text classifier"),
        ({"settings": {"pad_token_id": None}}, "names no pad_token_id"),
        ({"settings": {"hidden_size": 16}}, "does not fit 'config.json'"),
        ({"leave_out": ("classifier.weight",)}, r"lacks 1 tensors \(the first: classifier"),
    ],
)
def test_what_does_not_fit_is_one_sentence(hf_folder, changes, said):
    with pytest.raises(AdapterError, match=said):
        load_adapter(hf_folder(**changes), device="cpu")


def test_every_file_has_a_hash(hf_folder):
    folder = hf_folder()
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(AdapterError, match="another hash"):
        load_adapter(folder, device="cpu")
