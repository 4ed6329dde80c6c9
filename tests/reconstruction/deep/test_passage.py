"""Networks whose layers hand on their input: leaky units, absolute values, maxima, skip connections."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from deep_networks import random_deep, units_of
from kinds_of_units import Absolute, Around, Beside, Maxout, chain, prelu, started
from random_victims import function_error
from torch import nn

from divulge import GradientOracle, Victim, compare, reconstruct
from divulge.reconstruction import NoteKind
from divulge.reconstruction.asking.gradient_probe import GradientProbe
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.passage import beyond_rows, on_both_sides
from divulge.reconstruction.deep.wide.search import WideSearch


def plain(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """A plain hidden layer and the outputs."""
    return chain(inputs, hidden, outputs, unit=lambda n: nn.ReLU())


ACTIVE = "LeakyReLU(0.1)"
BESIDE = "ReLU beside its input"
VICTIMS = {
    "leaky": (lambda: chain(14, 8, 6, 1, unit=lambda n: nn.LeakyReLU(0.1)), (8, 6), (ACTIVE, ACTIVE)),
    "leaky, wide": (lambda: chain(5, 12, 6, 1, unit=lambda n: nn.LeakyReLU(0.1)), (12, 6), (ACTIVE, ACTIVE)),
    "leaky, then plain": (
        lambda: nn.Sequential(nn.Linear(14, 8), nn.LeakyReLU(-0.3), *plain(8, 6, 2)),
        (8, 6),
        ("LeakyReLU(-0.3)", "ReLU"),
    ),
    "slopes": (lambda: chain(14, 8, 6, 1, unit=prelu), (8, 6), ("PReLU", "PReLU")),
    "around one": (
        lambda: nn.Sequential(
            Around(nn.Linear(10, 6), nn.ReLU(), nn.Linear(6, 10)), *plain(10, 8, 1)
        ),
        (6, 8),
        (BESIDE, "ReLU"),
    ),
    "beside": (
        lambda: nn.Sequential(Beside(nn.Linear(10, 6), nn.ReLU()), *plain(16, 8, 1)),
        (6, 8),
        (BESIDE, "ReLU"),
    ),
    "maxima": (
        lambda: nn.Sequential(Maxout(12, 7), nn.Linear(7, 6), nn.ReLU(), nn.Linear(6, 1)),
        (7, 6),
        (BESIDE, "ReLU"),
    ),
}  # fmt: skip


def errors(copy: nn.Module, victim: Victim) -> list[float]:
    """Errors relative to the range, near and far."""
    points = np.random.default_rng(3).standard_normal((3000, victim.input_size))
    return [function_error(copy, victim, scale * points) for scale in (0.3, 1.0, 3.0, 10.0, 100.0)]


def victim_of(module: nn.Module, inputs: int) -> Victim:
    """Wrap a module."""
    return Victim(module, (inputs,))


def inputs_of(module: nn.Module) -> int:
    """Return how many inputs a network has."""
    return int(next(module.parameters()).shape[1])


@pytest.mark.parametrize("kind", VICTIMS)
def test_a_layer_that_hands_on_its_input_is_found_and_named(kind):
    build, sizes, kinds = VICTIMS[kind]
    module = started(build, seed=2)
    victim = victim_of(module, inputs_of(module))
    oracle = GradientOracle(victim, budget=40_000)
    result = reconstruct(oracle)
    assert result.complete, result.notes
    assert result.hidden_sizes == sizes
    assert result.unit_kinds == kinds
    assert result.queries == oracle.ledger.total
    assert max(errors(result.module, victim)) < 1e-9
    assert result.certificate.error < 1e-9
    assert (NoteKind.PASSAGE in [note.kind for note in result.notes]) == (BESIDE in kinds)
    assert compare(result, victim).max_output_error < 1e-9


def test_units_are_followed_anew_where_those_met_end_in_nothing(monkeypatch):
    found, run = [], WideSearch.run

    def first_in_vain(search):
        found.append(run(search))
        return found[-1] if found[:-1] else None

    monkeypatch.setattr(WideSearch, "run", first_in_vain)
    module = started(VICTIMS["around one"][0], seed=2)
    victim = victim_of(module, 10)
    result = reconstruct(GradientOracle(victim, budget=40_000))
    assert result.complete, result.notes
    assert len(found) > 1
    assert max(errors(result.module, victim)) < 1e-9


def test_absolute_values_are_found_and_named():
    module = started(lambda: chain(14, 8, 1, unit=lambda n: Absolute()), seed=0)
    result = reconstruct(GradientOracle(victim_of(module, 14)))
    assert (result.complete, result.unit_kinds, result.notes) == (True, ("abs",), ())
    module = started(lambda: chain(14, 8, 6, 1, unit=lambda n: Absolute()), seed=1)
    victim = victim_of(module, 14)
    result = reconstruct(GradientOracle(victim, budget=60_000))
    assert result.complete, result.notes
    assert result.unit_kinds[0] == "abs"
    assert max(errors(result.module, victim)) < 1e-9


def test_clipped_units_of_one_hidden_layer_are_whole_though_no_answer_tells_their_sides():
    module = started(lambda: chain(14, 8, 1, unit=lambda n: nn.ReLU6()), seed=0)
    victim = victim_of(module, 14)
    result = reconstruct(GradientOracle(victim))
    assert result.complete, result.notes
    assert result.hidden_sizes == (16,)
    assert result.unit_kinds == ("ReLU in pairs, as ReLU6 or Hardtanh",)
    assert NoteKind.SIDES in [note.kind for note in result.notes]
    assert max(errors(result.module, victim)) < 1e-9


def test_leaky_units_of_three_layers_are_found_and_named():
    module = started(lambda: chain(8, 8, 8, 8, 2, unit=lambda n: nn.LeakyReLU(0.1)), seed=0)
    victim = victim_of(module, 8)
    result = reconstruct(GradientOracle(victim, budget=60_000))
    assert result.complete, result.notes
    assert result.hidden_sizes == (8, 8, 8)
    assert result.unit_kinds == ("LeakyReLU(0.1)",) * 3
    assert max(errors(result.module, victim)) < 1e-9


@pytest.mark.parametrize("outputs", [1, 3])
def test_a_skip_around_two_layers_is_no_unit_that_is_on_everywhere(outputs):
    """Gradients of one output show one combination of what is handed on, other outputs others."""
    build = lambda: nn.Sequential(  # noqa: E731
        Around(nn.Linear(10, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 10)),
        nn.Linear(10, outputs),
    )
    victim = victim_of(started(build, seed=0), 10)
    result = reconstruct(GradientOracle(victim, budget=40_000))
    assert result.complete, result.notes
    assert result.hidden_sizes == (6, 6)
    assert max(errors(result.module, victim)) < 1e-9


def test_the_same_seed_gives_the_same_copy():
    module = started(VICTIMS["beside"][0], seed=2)
    first, second = (reconstruct(GradientOracle(victim_of(module, 10)), seed=5) for _ in range(2))
    assert first.queries == second.queries
    for name, tensor in first.module.state_dict().items():
        torch.testing.assert_close(tensor, second.module.state_dict()[name], rtol=0, atol=0)


@pytest.mark.parametrize("budget", [900, 1_500])
def test_a_budget_that_ends_on_the_way_is_told(budget):
    victim = victim_of(started(VICTIMS["leaky"][0], seed=0), 14)
    result = reconstruct(GradientOracle(victim, budget=budget))
    assert not result.complete
    assert result.queries <= budget
    assert NoteKind.STOPPED in [note.kind for note in result.notes]
    assert torch.isfinite(result.module(torch.zeros(1, 14, dtype=torch.float64))).all()


def test_single_precision_is_never_called_whole_where_it_is_wrong():
    torch.manual_seed(0)
    module = chain(14, 8, 6, 1, unit=lambda n: nn.LeakyReLU(0.1)).eval()
    victim = victim_of(module, 14)
    result = reconstruct(GradientOracle(victim, budget=5_000))
    assert not result.complete or max(errors(result.module, victim)) < 1e-3


@pytest.mark.parametrize("sizes", [(14, 8, 6, 1), (10, 10, 8, 1)])
@pytest.mark.parametrize("seed", range(3))
def test_rows_of_a_plain_network_show_on_one_side(sizes, seed):
    network = random_deep(*sizes, seed=seed)
    probe, units = asked(network, sizes[0]), units_of(network, 0)
    assert not on_both_sides(probe, units)
    assert not beyond_rows(probe, units)


def test_rows_before_leaky_units_show_on_both_and_skips_beyond_them():
    network = random_deep(14, 8, 6, 1)
    units = units_of(network, 0)
    leaky = nn.Sequential(network[0], nn.LeakyReLU(0.2), *network[2:])
    assert on_both_sides(asked(leaky, 14), units)
    wide = nn.Sequential(Beside(network[0], nn.ReLU()), nn.Linear(22, 1, dtype=torch.float64))
    assert beyond_rows(asked(wide, 14), units)
    assert not on_both_sides(asked(wide, 14, count=3), units)  # too few to say


def asked(network: nn.Sequential, inputs: int, count: int = 200) -> Probe:
    """A probe that has had answers."""
    oracle = GradientOracle(victim_of(network, inputs))
    probe = GradientProbe(Transcript(AskedOutput(oracle, 0)))
    probe.pieces(np.random.default_rng(0).standard_normal((count, inputs)))
    return probe
