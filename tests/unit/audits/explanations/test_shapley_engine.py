"""The permutation estimator against enumeration, on every architecture that breaks DeepSHAP."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from audits.errors import ExplanationError
from audits.explanations.shapley import (
    Stop,
    cell_game,
    exact_shapley,
    permutation_shapley,
    shapley_values,
)

PLAYERS = 7


def _game(function, cases, background, player_of_cell=None, players=None):
    owners = np.arange(cases.shape[1]) if player_of_cell is None else np.asarray(player_of_cell)
    return cell_game(
        predict=lambda batch: function(batch["x"]),
        field="x",
        cases={"x": cases},
        background=background,
        player_of_cell=owners,
        players=players or int(owners.max()) + 1,
    )


def _torch_function(net):
    def function(rows):
        with torch.inference_mode():
            return net(rows).double().numpy()

    return function


class Reused(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = torch.nn.Linear(PLAYERS, 12), torch.nn.Linear(12, 2)
        self.act = torch.nn.ReLU()

    def forward(self, x):
        return self.b(self.act(self.act(self.a(x)) - 0.2))


class Gated(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.g = torch.nn.Linear(PLAYERS, 12), torch.nn.Linear(PLAYERS, 12)
        self.b = torch.nn.Linear(12, 2)

    def forward(self, x):
        return self.b(torch.sigmoid(self.g(x)) * self.a(x))


class Recurrent(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = torch.nn.LSTM(1, 8, batch_first=True)
        self.head = torch.nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.cell(x.unsqueeze(-1))[0][:, -1])


class Attending(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Linear(1, 8)
        self.block = torch.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.head = torch.nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.block(self.embed(x.unsqueeze(-1))).mean(1))


def _normed():
    return torch.nn.Sequential(
        torch.nn.Linear(PLAYERS, 12),
        torch.nn.LayerNorm(12),
        torch.nn.SiLU(),
        torch.nn.Linear(12, 2),
    )


class Functional(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = torch.nn.Linear(PLAYERS, 12), torch.nn.Linear(12, 2)

    def forward(self, x):
        return self.b(torch.nn.functional.relu(self.a(x)))


def _stack(activation):
    return torch.nn.Sequential(
        torch.nn.Linear(PLAYERS, 12), activation, torch.nn.Linear(12, 2), torch.nn.Sigmoid()
    )


NETS = {
    "plain modules": lambda: _stack(torch.nn.ReLU()),
    "silu": lambda: _stack(torch.nn.SiLU()),
    "functional relu": Functional,
    "reused relu": Reused,
    "layer norm": _normed,
    "gate": Gated,
    "lstm": Recurrent,
    "transformer": Attending,
}


@pytest.mark.parametrize("name", NETS)
def test_estimates_lie_within_their_error_of_the_truth(name):
    torch.manual_seed(3)
    net = NETS[name]().eval()
    for weight in net.parameters():
        weight.data *= 2.0
    game = _game(_torch_function(net), torch.randn(3, PLAYERS), torch.randn(12, PLAYERS))
    truth = exact_shapley(game)
    estimate = permutation_shapley(
        game, seed=1, stop=Stop(relative=0.0, absolute=0.0, max_cycles=16)
    )
    t = np.abs(estimate.effects - truth.effects) / np.maximum(estimate.se, 1e-6)
    assert t.max() < stats.t.ppf(1 - 1e-4, 15)
    error = np.sqrt(((estimate.effects - truth.effects) ** 2).mean() / (truth.effects**2).mean())
    assert error < 0.08
    assert truth.residual().max() < 1e-5
    assert estimate.residual().max() < 1e-5
    assert np.all(truth.se == 0)


def test_pairwise_models_are_exact_after_one_cycle(seeded):
    linear = seeded.normal(size=(9, 2))
    pairs = seeded.normal(size=(9, 9, 2))

    def function(x):
        return x @ linear + np.einsum("ni,nj,ijc->nc", x, x, pairs)

    game = _game(function, seeded.normal(size=(4, 9)), seeded.normal(size=(6, 9)))
    one = permutation_shapley(game, stop=Stop(max_cycles=1))
    assert one.effects == pytest.approx(exact_shapley(game).effects, abs=1e-9)
    assert np.isnan(one.se).all()
    assert (one.cycles == 1).all()


def test_additive_models_report_no_error(seeded):
    weights = seeded.normal(size=(20, 1))
    cases, background = seeded.normal(size=(3, 20)), seeded.normal(size=(5, 20))
    estimate = shapley_values(_game(lambda x: x @ weights, cases, background))
    expected = (cases - background.mean(axis=0)) * weights[:, 0]
    assert estimate.effects[:, :, 0] == pytest.approx(expected, abs=1e-12)
    assert estimate.se.max() < 1e-7
    assert not estimate.exact
    assert (estimate.cycles == 3).all()


def test_intervals_cover_the_truth(seeded):
    """Nominal 95 % with 8 cycles; 4 standard errors of the count are allowed."""
    first, second = seeded.normal(size=(6, 10)), seeded.normal(size=(10, 2))

    def function(x):
        return np.tanh(x @ first) ** 3 @ second

    game = _game(function, seeded.normal(size=(5, 6)), seeded.normal(size=(4, 6)))
    truth = exact_shapley(game).effects
    covered = []
    stop = Stop(relative=0.0, absolute=0.0, max_cycles=8)
    for seed in range(60):
        estimate = permutation_shapley(game, seed=seed, stop=stop)
        half = stats.norm.ppf(0.975) * estimate.se
        covered.append(np.abs(estimate.effects - truth) <= half)
    assert abs(np.mean(covered) - 0.95) < 0.03


def test_one_hot_levels_play_together(seeded):
    """The effect of a group is not the sum of its columns' effects under interactions."""

    def function(x):
        return (x[:, :1] * x[:, 1:2] * x[:, 3:4]) + np.maximum(x[:, 1:2] + x[:, 2:3], x[:, 3:4])

    cases = seeded.normal(size=(3, 4))
    cases[:, 1:3] = [[1, 0], [0, 1], [1, 0]]
    background = seeded.normal(size=(5, 4))
    background[:, 1:3] = [[0, 1], [1, 0], [0, 1], [0, 1], [1, 0]]
    owners = [0, 1, 1, 2]
    grouped = exact_shapley(_game(function, cases, background, owners))
    seen = []

    def watched(x):
        seen.append(x[:, 1:3].sum(axis=1))
        return function(x)

    estimate = permutation_shapley(
        _game(watched, cases, background, owners),
        stop=Stop(relative=0.0, absolute=0.0, max_cycles=200),
    )
    assert np.concatenate(seen) == pytest.approx(1.0)
    assert estimate.effects == pytest.approx(grouped.effects, abs=0.05)
    columns = exact_shapley(_game(function, cases, background)).effects
    assert np.abs(columns[:, 1] + columns[:, 2] - grouped.effects[:, 1]).max() > 0.01


def test_every_background_row_is_used_in_every_cycle(seeded):
    background = np.arange(37, dtype=float)[:, None] * np.ones((1, 3))
    seen = set()

    def function(x):
        seen.update(np.unique(x[x >= 0]).tolist())
        return x.sum(axis=1, keepdims=True)

    estimate = permutation_shapley(_game(function, np.full((1, 3), -1.0), background))
    assert seen == set(range(37))
    assert estimate.base == pytest.approx([54.0])


def test_rows_stop_when_they_are_precise_enough(seeded):
    def function(x):
        return x[:, :1] * x[:, 1:2] * x[:, 2:3] * x[:, 3:4] * 5

    cases = seeded.normal(size=(2, 16))
    cases[0, :4] = 0.0
    game = _game(function, cases, seeded.normal(size=(8, 16)))
    loose = permutation_shapley(game, stop=Stop(relative=0.5, absolute=0.5))
    tight = permutation_shapley(game, stop=Stop(relative=0.02, absolute=0.0, max_cycles=60))
    assert loose.evaluations < tight.evaluations
    assert np.nanmax(tight.se) < np.nanmax(loose.se)
    hurried = permutation_shapley(game, stop=Stop(relative=0.0, absolute=0.0, seconds=-1.0))
    assert (hurried.cycles == 3).all()


def test_a_background_of_one_row_works_and_none_is_refused(seeded):
    weights = seeded.normal(size=(3, 1))
    cases = seeded.normal(size=(1, 3))
    single = shapley_values(_game(lambda x: x @ weights, cases, cases * 0))
    assert single.effects[0, :, 0] == pytest.approx(cases[0] * weights[:, 0])
    with pytest.raises(ExplanationError, match="at least one case"):
        _game(lambda x: x, cases, cases[:0])


def test_one_player_takes_all(seeded):
    game = _game(lambda x: x.sum(axis=1, keepdims=True), np.ones((1, 2)), np.zeros((3, 2)), [0, 0])
    assert permutation_shapley(game).effects.ravel() == pytest.approx([2.0])


def test_cells_without_an_owner_are_refused(seeded):
    with pytest.raises(ExplanationError, match="own a cell"):
        _game(lambda x: x, np.ones((1, 3)), np.ones((1, 3)), [0, 2, 2], players=3)


def test_too_many_players_for_enumeration(seeded):
    with pytest.raises(ExplanationError, match="at most 14"):
        exact_shapley(_game(lambda x: x[:, :1], np.ones((1, 15)), np.ones((1, 15))))
