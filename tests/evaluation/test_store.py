import numpy as np
import torch

from divulge.attributions import IntegratedGradients, SmoothGrad
from divulge.evaluation import AdamTrainer
from divulge.evaluation.store import described
from divulge.training import Pgd


def test_recipes_are_told_apart_by_all_their_parts():
    ones = [SmoothGrad(), SmoothGrad(5), SmoothGrad(noise=0.2), SmoothGrad(input_range=2.0)]
    ones += [AdamTrainer(), AdamTrainer(perturb=Pgd(0.1)), AdamTrainer(perturb=Pgd(0.2))]
    assert len({described(one) for one in ones}) == len(ones)
    assert described(SmoothGrad()) == described(SmoothGrad(50))


def test_long_baselines_are_told_apart_by_every_number():
    numbers = torch.zeros(5000, dtype=torch.float64)  # too many to be shown
    other = numbers.clone()
    other[2500] = 1
    one, two = (described(IntegratedGradients(3, base)) for base in (numbers, other))
    assert one != two
    assert one == described(IntegratedGradients(3, np.zeros(5000)))
