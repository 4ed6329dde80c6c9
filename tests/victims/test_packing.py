"""Victims and what holds them, pickled; and modules that torch has wrapped, compiled or scripted."""

import pickle
from functools import partial

import joblib
import numpy as np
import pytest
import torch
from processes import new_processes
from smooth import smooth
from torch import nn

import divulge
from divulge import UnsupportedModel, Victim
from divulge.attributions import attribute
from divulge.evaluation import parameter_randomisation
from divulge.influence import GradientSimilarity, TracIn
from divulge.training import Pgd, accuracy

POINTS = np.random.default_rng(0).standard_normal((7, 6))
INPUTS = torch.from_numpy(POINTS).float()
TARGETS = torch.arange(7) % 3

pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning"),
]


def chain(dtype=torch.float32):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3)).to(dtype)


def exported(module):
    return torch.export.export(module.eval(), (INPUTS,), dynamic_shapes=[{0: torch.export.Dim("b")}]).module()


WRAPPED = {
    "scripted": lambda: torch.jit.script(smooth()),
    "traced": lambda: torch.jit.trace(smooth().eval(), INPUTS),
    "frozen": lambda: torch.jit.freeze(torch.jit.script(smooth().eval())),
    "compiled": lambda: torch.compile(smooth(), backend="eager"),
    "compiled chain": lambda: torch.compile(chain(), backend="aot_eager"),
    "data parallel": lambda: nn.DataParallel(smooth()),
    "exported": lambda: exported(smooth()),
}


@pytest.fixture(params=WRAPPED)
def name(request):
    return request.param


@pytest.fixture
def wrapped(name):
    return WRAPPED[name]()


@pytest.fixture
def bare(name):
    return (chain() if "chain" in name else smooth()).eval()


def same(one, other):
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [chain, smooth, lambda: chain(torch.float64)])
def test_a_victim_is_pickled_with_its_native_network(make):
    victim = Victim(make())
    found = pickle.loads(pickle.dumps(victim))
    assert found.lowered == victim.lowered
    assert repr(found) == repr(victim)
    np.testing.assert_array_equal(found.values(POINTS), victim.values(POINTS))
    for one, other in zip(
        found.values_and_gradients(POINTS, 2), victim.values_and_gradients(POINTS, 2), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert divulge.compare(found.module, victim).agreement == 1
    assert victim.lowered == found.lowered  # the victim is left as it was


def test_oracles_are_pickled_with_their_ledgers():
    victim = Victim(chain(torch.float64))
    for make in (
        divulge.GradientOracle,
        divulge.LabelOracle,
        lambda v: divulge.Prada(divulge.JacobianOracle(v)),
        lambda v: divulge.Rounded(divulge.SmoothGradOracle(v), decimals=3),
    ):
        oracle = make(victim)
        oracle.explain(POINTS[:2])
        found = pickle.loads(pickle.dumps(oracle))
        assert found.ledger.by_kind == oracle.ledger.by_kind
        told, expected = found.explain(POINTS), oracle.explain(POINTS)
        assert told.outputs.tolist() == expected.outputs.tolist()
    assert divulge.reconstruct(pickle.loads(pickle.dumps(divulge.GradientOracle(victim)))).complete


def test_a_victim_goes_to_another_process():
    new_processes()
    victims = [Victim(chain()), Victim(smooth())]
    found = joblib.Parallel(n_jobs=2)(joblib.delayed(Victim.values)(victim, POINTS) for victim in victims)
    for one, victim in zip(found, victims, strict=True):
        np.testing.assert_array_equal(one, victim.values(POINTS))


def test_influences_are_pickled():
    influence = divulge.Influence(chain().eval(), (INPUTS, TARGETS), curvature="gauss_newton", damping=0.1)
    found = pickle.loads(pickle.dumps(influence))
    same(found.scores((INPUTS[:2], TARGETS[:2])), influence.scores((INPUTS[:2], TARGETS[:2])))


def test_a_wrapped_module_answers_like_itself(wrapped, bare):
    modes = [getattr(part, "training", None) for part in wrapped.modules()]
    found, expected = (Victim(module, (6,)) for module in (wrapped, bare))
    same(found.values(POINTS), expected.values(POINTS))
    for one, other in zip(
        found.values_and_gradients(POINTS, 1), expected.values_and_gradients(POINTS, 1), strict=True
    ):
        same(one, other)
    for method in ("gradient", "integrated_gradients:steps=5"):
        same(attribute(wrapped, INPUTS, method), attribute(bare, INPUTS, method))
    assert accuracy(wrapped, INPUTS, TARGETS) == accuracy(bare, INPUTS, TARGETS)
    same(Pgd(0.1)(wrapped, INPUTS, TARGETS), Pgd(0.1)(bare, INPUTS, TARGETS))
    assert divulge.compare(bare, found, POINTS).agreement == 1
    assert [getattr(part, "training", None) for part in wrapped.modules()] == modes


def test_a_victim_of_a_wrapped_module_is_pickled_or_refused(name, wrapped):
    victim = Victim(wrapped, (6,))
    if name == "exported":
        with pytest.raises(UnsupportedModel, match="exported module cannot be pickled; build it where it is"):
            pickle.dumps(victim)
    else:
        same(pickle.loads(pickle.dumps(victim)).values(POINTS), victim.values(POINTS))


def test_a_module_with_a_scripted_part_is_pickled():
    module = nn.Sequential(WRAPPED["scripted"](), nn.Linear(3, 2)).eval()
    victim = Victim(module, (6,))
    same(pickle.loads(pickle.dumps(victim)).values(POINTS), victim.values(POINTS))


@pytest.mark.parametrize("curvature", ["gauss_newton", "kfac"])
def test_influences_of_a_wrapped_module_are_pickled_or_refused(name, wrapped, bare, curvature):
    for part in wrapped.modules():
        if hasattr(part, "training"):
            part.training = False
    make = partial(divulge.Influence, wrapped, (INPUTS, TARGETS), curvature=curvature, damping=0.1)
    if name == "frozen":
        with pytest.raises(ValueError, match="RecursiveScriptModule has no parameters"):
            make()
        return
    influence = make()
    if curvature == "kfac" and name in ("exported", "scripted", "traced"):
        with pytest.raises(
            ValueError, match="kfac and ekfac are for the weights and biases of Linear, Conv1d, Conv2d"
        ):
            influence.scores((INPUTS[:2], TARGETS[:2]))
        return
    expected = divulge.Influence(bare, (INPUTS, TARGETS), curvature=curvature, damping=0.1)
    scores = influence.scores((INPUTS[:2], TARGETS[:2]))
    np.testing.assert_allclose(scores, expected.scores((INPUTS[:2], TARGETS[:2])), rtol=1e-3, atol=1e-4)
    if name == "exported":
        with pytest.raises(UnsupportedModel, match="exported module cannot be pickled; build it where it is"):
            pickle.dumps(influence)
        return
    found = pickle.loads(pickle.dumps(influence))
    assert found.path == influence.path
    same(found.scores((INPUTS[:2], TARGETS[:2])), influence.scores((INPUTS[:2], TARGETS[:2])))
    same(found.self_influence(), influence.self_influence())


def test_scores_to_compare_with_of_a_scripted_module_are_pickled():
    module = WRAPPED["scripted"]().eval()
    train, test = (INPUTS, TARGETS), (INPUTS[:2], TARGETS[:2])
    states = [module.state_dict()]
    for scores in (
        GradientSimilarity(module, train),
        TracIn(module, train, checkpoints=states, learning_rates=[0.1]),
    ):
        same(pickle.loads(pickle.dumps(scores)).scores(test), scores.scores(test))


def test_a_wrapped_module_is_randomised_and_trained_as_a_copy(name, wrapped, bare):
    if name == "frozen":
        with pytest.raises(ValueError, match="a module with parameters, RecursiveScriptModule has none"):
            parameter_randomisation(wrapped, INPUTS)
        return
    before = Victim(wrapped, (6,)).values(POINTS)
    frame = parameter_randomisation(wrapped, INPUTS)
    assert frame["rank_correlation"].between(-1, 0.999).all()
    assert len(frame) == 2
    oracle = divulge.GradientOracle(Victim(bare))
    stolen = divulge.steal(oracle, wrapped, queries=5, steps=3)
    assert not np.allclose(Victim(stolen.module, (6,)).values(POINTS), before)
    same(Victim(wrapped, (6,)).values(POINTS), before)


def test_a_scripted_module_tells_the_shape_of_one_input():
    net = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2))
    for module in (torch.jit.script(net), torch.jit.trace(net, torch.zeros(1, 6))):
        assert Victim(module).input_shape == (6,)
