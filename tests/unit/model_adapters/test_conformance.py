"""The conformance suite finds every kind of broken promise, and passes a model that keeps them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from model_adapters import (
    AdapterError,
    Feature,
    Field,
    ModelAdapter,
    ModelCard,
    OutputSpec,
    check_adapter,
    check_model_folder,
    example_batch,
)

RAW = {"ehr": pd.DataFrame(np.random.default_rng(1).normal(size=(6, 2)), columns=["a", "b"])}
CARD = ModelCard(
    id="toy", version="1", weights_sha256="0", manifest_sha256="0", format="safetensors"
)
FEATURES = tuple(Feature(name=n, label=n, columns=(i,)) for i, n in enumerate("ab"))


class Toy:
    """An honest model in a few lines; each broken one changes a single member."""

    card = CARD
    inputs = (Field(name="ehr", modality="table", shape=(2,), features=FEATURES),)
    output = OutputSpec(task="binary", names=("y",), space="logit")
    caps = frozenset({"grad", "layers"})
    device = "cpu"
    squash = False

    def __init__(self):
        torch.manual_seed(0)
        layers = (torch.nn.Linear(2, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))
        self.net = torch.nn.Sequential(*layers).eval().requires_grad_(requires_grad=False)

    def prepare(self, raw):
        return {"ehr": np.nan_to_num(raw["ehr"].to_numpy(dtype=np.float64))}

    def forward(self, prepared):
        out = 3 * self.net(torch.as_tensor(prepared["ehr"], dtype=torch.float32))
        return out.sigmoid() if self.squash else out

    def predict(self, prepared):
        with torch.inference_mode():
            return self.forward(prepared).double().numpy()

    def module(self):
        return self.net

    def target_layer(self):
        return None


def failures(adapter, raw=RAW):
    return {result.name for result in check_adapter(adapter, raw) if result.status == "failed"}


def test_an_honest_model_keeps_every_promise():
    toy = Toy()
    assert isinstance(toy, ModelAdapter)
    results = check_adapter(toy, RAW)
    assert {r.status for r in results} == {"passed", "not_applicable"}
    assert all(r.passed and r.detail.endswith(".") for r in results)
    assert results[0].to_dict()["name"] == "inputs are as declared"


class RandomOutput(Toy):
    def predict(self, prepared):
        rng = np.random.default_rng()
        return super().predict(prepared) + rng.normal(size=(len(prepared["ehr"]), 1))


class RandomPreprocessing(Toy):
    def prepare(self, raw):
        values = super().prepare(raw)["ehr"]
        return {"ehr": values + np.random.default_rng().normal(size=values.shape)}


class TrainingMode(Toy):
    def __init__(self):
        super().__init__()
        self.net.train()


class CentredOnTheBatch(Toy):
    def prepare(self, raw):
        values = super().prepare(raw)["ehr"]
        return {"ehr": values - values.mean(axis=0)}


class RanksTheBatch(Toy):
    caps = frozenset()

    def predict(self, prepared):
        return np.arange(len(prepared["ehr"]), dtype=float)[:, None]


class OtherForward(Toy):
    def predict(self, prepared):
        return super().predict(prepared) + 1e-3


class CutGradient(Toy):
    def forward(self, prepared):
        x = torch.as_tensor(prepared["ehr"], dtype=torch.float32)
        return super().forward({"ehr": x.detach()}) + 0 * x.detach().requires_grad_().sum()


class LogitsCalledProbabilities(Toy):
    output = replace(Toy.output, space="probability")


class ClassesThatDoNotAddUp(Toy):
    output = OutputSpec(task="multiclass", names=("y",), space="probability")
    squash = True


class RisingSurvival(Toy):
    output = OutputSpec(task="survival", names=("30 d", "60 d"), space="survival")
    caps = frozenset()

    def predict(self, prepared):
        return np.tile([0.2, 0.9], (len(prepared["ehr"]), 1))


class NotANumber(Toy):
    def predict(self, prepared):
        return super().predict(prepared) * np.nan


class OneColumnTooMany(Toy):
    output = replace(Toy.output, task="multilabel", names=("y", "z"))


class LosesAColumn(Toy):
    def prepare(self, raw):
        return {"ehr": super().prepare(raw)["ehr"][:, :1]}


class ForgetsAColumn(Toy):
    inputs = (replace(Toy.inputs[0], features=FEATURES[:1]),)


class MissingSpreads(Toy):
    caps = frozenset()

    def prepare(self, raw):
        return {"ehr": raw["ehr"].to_numpy(dtype=np.float64)}

    def predict(self, prepared):
        values = prepared["ehr"]
        return np.nan_to_num(values.sum(axis=1, keepdims=True) + np.isnan(values).sum())


class Learns(Toy):
    def predict(self, prepared):
        out = super().predict(prepared)
        with torch.no_grad():
            self.net[2].bias += 1e-6
        return out


class LeavesAHook(Toy):
    def predict(self, prepared):
        self.net[0].register_forward_hook(lambda *_: None)
        return super().predict(prepared)


class Thaws(Toy):
    def forward(self, prepared):
        self.net.requires_grad_(requires_grad=True)
        return super().forward(prepared)


class FallsIntoTraining(Toy):
    def forward(self, prepared):
        out = super().forward(prepared)
        self.net[1].training = True
        self.net[1].momentum = 0.0
        return out


class Raises(Toy):
    def predict(self, prepared):
        raise ValueError("two\nlines")


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (RandomOutput, "same input, same output"),
        (RandomPreprocessing, "same input, same output"),
        (TrainingMode, "batches do not matter"),
        (TrainingMode, "the model is left as it was"),
        (CentredOnTheBatch, "batches do not matter"),
        (RanksTheBatch, "order does not matter"),
        (OtherForward, "forward equals predict"),
        (CutGradient, "forward equals predict"),
        (LogitsCalledProbabilities, "scores are on the declared scale"),
        (ClassesThatDoNotAddUp, "scores are on the declared scale"),
        (RisingSurvival, "scores are on the declared scale"),
        (NotANumber, "scores are on the declared scale"),
        (OneColumnTooMany, "one column per output"),
        (LosesAColumn, "inputs are as declared"),
        (ForgetsAColumn, "inputs are as declared"),
        (MissingSpreads, "missing values stay in their row"),
        (Learns, "the model is left as it was"),
        (LeavesAHook, "the model is left as it was"),
        (Thaws, "the model is left as it was"),
        (FallsIntoTraining, "the model is left as it was"),
        (Raises, "one column per output"),
    ],
)
def test_broken_promises_are_found(broken, promise):
    assert promise in failures(broken())


def test_only_the_broken_promise_is_reported():
    assert failures(OtherForward()) == {"forward equals predict"}
    assert failures(LeavesAHook()) == {"the model is left as it was"}
    assert failures(LogitsCalledProbabilities()) == {"scores are on the declared scale"}


def test_what_is_only_suspicious_is_a_warning():
    class Probabilities(Toy):
        squash = True
        notes = ("Trained with another version.",)

    class NoImputation(Toy):
        caps = frozenset()

        def prepare(self, raw):
            return {"ehr": raw["ehr"].to_numpy(dtype=np.float64)}

    warned = {
        r.name: r.detail for r in check_adapter(Probabilities(), RAW) if r.status == "warning"
    }
    assert "probabilities, not logits" in warned["scores are on the declared scale"]
    assert warned["library versions"] == "Trained with another version."
    results = {r.name: r for r in check_adapter(NoImputation(), RAW)}
    assert results["missing values stay in their row"].status == "warning"


def test_a_raised_error_is_one_sentence():
    details = [r.detail for r in check_adapter(Raises(), RAW) if r.status == "failed"]
    assert details
    assert all(detail == "Raised ValueError: two lines" for detail in details)


def test_one_case_is_not_enough():
    with pytest.raises(AdapterError, match="needs at least 2 cases, found 1"):
        check_adapter(Toy(), {"ehr": RAW["ehr"].iloc[:1]})


def test_a_model_without_a_known_input_wants_real_cases():
    class Notes(Toy):
        inputs = (Field(name="note", modality="text"),)

    with pytest.raises(AdapterError, match="no example of 'text' can be made"):
        example_batch(Notes(), n=2, seed=0)


def test_the_published_network_conforms(pneumonia):
    results = check_model_folder(pneumonia, device="cpu")
    assert [r for r in results if not r.passed] == []
