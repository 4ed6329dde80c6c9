import numpy as np
import torch
from torch import nn

import divulge
from divulge.surrogate.losses import FEW, NEARBY, NEARBY_EXPLAINED, Told


def told(oracle, n, seed=0):
    points = np.random.default_rng(seed).standard_normal((n, 6))
    return Told.of(oracle.explain(points), torch.float64)


def affine():
    return divulge.Victim(nn.Linear(6, 3, dtype=torch.float64), (6,))


def test_answers_of_an_affine_victim_hold_nearby_to_the_letter():
    victim = affine()
    for oracle in (divulge.GradientOracle(victim), divulge.SmoothGradOracle(victim, 4)):
        here = told(oracle, 50)
        there = here.nearby(torch.Generator().manual_seed(1))
        assert not torch.equal(here.x, there.x)
        outputs = victim.module(there.x).gather(1, there.outputs[:, None])[:, 0]
        torch.testing.assert_close(there.values, outputs)
        torch.testing.assert_close(there.explanations, here.explanations)


def test_how_far_an_answer_holds_depends_on_its_kind_and_on_their_number():
    victim = affine()
    spread = told(divulge.LabelOracle(victim), 500).reach / NEARBY
    assert 0.9 < spread < 1.1
    assert told(divulge.ProbabilityOracle(victim), 500).reach == NEARBY * spread
    few, more = (told(divulge.GradientOracle(victim), n).reach for n in (FEW, 4 * FEW))
    assert 0.8 * NEARBY_EXPLAINED < few < 1.2 * NEARBY_EXPLAINED
    assert 0.4 < more / few < 0.6


def test_answers_that_do_not_say_how_they_go_on_stay_where_they_are():
    victim = affine()
    for oracle in (
        divulge.SaliencyOracle(victim),
        divulge.ValueOracle(victim),
        divulge.SignOnly(divulge.GradientOracle(victim)),
    ):
        here = told(oracle, 50)
        assert here.nearby(torch.Generator().manual_seed(1)) is here
