import numpy as np
import pytest
import torch
from torch import nn

import divulge
from divulge.errors import BudgetExhausted
from divulge.oracles import DEFENCES, Defence, check_defence, defence_by_name

POINTS = np.random.default_rng(0).standard_normal((5, 6))
NUMBERS = {
    "rounded": 3,
    "noisy": 0.1,
    "top": 2,
    "clipped": 0.1,
    "budget": 9,
    "private": 1.0,
    "cached": 0.5,
    "grouped": 2,
}


@pytest.fixture
def oracle():
    torch.manual_seed(0)
    victim = divulge.Victim(nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3)).double())
    return divulge.GradientOracle(victim)


@pytest.mark.parametrize("name", DEFENCES)
def test_every_defence_answers(oracle, name):
    defended = defence_by_name(f"{name}:{NUMBERS[name]}" if name in NUMBERS else name, oracle)
    assert isinstance(defended, Defence) == (name != "none")
    assert defended.explain(POINTS).explanations.shape == (5, 6)


def test_all_defences_have_a_name():
    def below(kind):
        return {kind}.union(*(below(k) for k in kind.__subclasses__()))

    from divulge.oracles.defences.partial import PartialDefence

    shipped = {kind for kind in below(Defence) if kind.__module__.startswith("divulge.")}
    named = {entry.make for name, entry in DEFENCES.items() if name != "none"}
    assert named == shipped - {Defence, PartialDefence}


def test_the_first_is_the_innermost(oracle):
    plain = oracle.explain(POINTS).explanations
    told = defence_by_name("rounded:2+top:3", oracle)
    assert isinstance(told, divulge.TopK)
    assert isinstance(told.oracle, divulge.Rounded)
    rounded = np.round(plain, 2)
    np.testing.assert_array_equal(told.explain(POINTS).explanations, divulge.TopK(oracle, 3).part(rounded))


def test_parameters(oracle):
    assert defence_by_name("rounded:bits=9", oracle).bits == 9
    noisy = defence_by_name("noisy:0.1,fixed_per_input=true,seed=3", oracle)
    same = divulge.Noisy(oracle, 0.1, fixed_per_input=True, seed=3)
    np.testing.assert_array_equal(noisy.explain(POINTS).explanations, same.explain(POINTS).explanations)
    watched = defence_by_name("prada:0.8,least=20", oracle)
    assert (watched.threshold, watched.least) == (0.8, 20)
    with pytest.raises(BudgetExhausted, match="budget of 4"):
        defence_by_name("budget:4", oracle).explain(POINTS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "blur",
            "a defence named none, rounded, noisy, private, top, clipped, cached, grouped, .* got 'blur'",
        ),
        ("rounded:2+blur", "got 'blur'"),
        ("bits:8", "got 'bits:8'"),
        ("", "got ''"),
        ("top", "k behind the colon"),
        ("top:1.5", "that is a whole number, got 1.5"),
        ("top:9", "k between 1 and 6, got 9"),
        ("sign:3", "no parameter"),
        ("rounded", "either decimals or bits"),
        ({"Rounded": {"decimals": 6}}, "got {'Rounded'"),
    ],
)
def test_senseless_names(oracle, text, message):
    with pytest.raises(ValueError, match=message):
        defence_by_name(text, oracle)


def test_checked_without_an_oracle():
    assert check_defence("rounded:2+top:3") == ["rounded:2", "top:3"]
    with pytest.raises(ValueError, match="got 'blur'"):
        check_defence("sign+blur")
