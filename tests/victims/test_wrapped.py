"""Modules that answer in another form or precision."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from divulge import GradientOracle, Victim
from divulge.errors import UnsupportedModel

X = np.random.default_rng(0).normal(size=(9, 6))


@dataclass
class Answer:
    """As Hugging Face's models return."""

    logits: torch.Tensor
    loss: None = None


class Headed(nn.Module):
    """Answers in some form."""

    def __init__(self, form):
        super().__init__()
        torch.manual_seed(0)
        self.inner, self.form = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 3)), form

    def forward(self, x):
        return self.form(self.inner(x))


@pytest.mark.parametrize("form", [Answer, lambda z: {"logits": z}])
def test_logits_are_taken_out_of_an_answer(form):
    module = Headed(form)
    victim = Victim(module, (6,))
    plain = Victim(module.inner, (6,))
    np.testing.assert_array_equal(victim.values(X), plain.values(X))
    np.testing.assert_array_equal(victim.values_and_gradients(X, 2)[1], plain.values_and_gradients(X, 2)[1])


@pytest.mark.parametrize(
    "form", [lambda z: {"scores": z}, lambda z: (z, z), lambda z: "text", lambda z: None]
)
def test_an_answer_without_logits_is_refused(form):
    with pytest.raises(UnsupportedModel, match="an answer that holds logits"):
        Victim(Headed(form), (6,))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("form", [lambda z: z, Answer])
def test_half_precision_is_fed_and_read_in_float32(dtype, form):
    module = Headed(form)
    plain = Victim(module.inner, (6,)).values(X)
    victim = Victim(module.to(dtype), (6,))
    assert victim.dtype == torch.float32
    np.testing.assert_allclose(victim.values(X), plain, atol=0.05)
    _, gradients = GradientOracle(victim).query(X)
    assert np.abs(gradients).max() > 0.01


def test_other_precisions_are_refused():
    with pytest.raises(UnsupportedModel, match="float16, bfloat16, float32 or float64, got"):
        Victim(nn.Linear(2, 2).to(torch.float8_e4m3fn), (2,))


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_scripted_modules_answer_as_they_are():
    inner = Headed(lambda z: z).inner
    victim = Victim(torch.jit.trace(inner, torch.zeros(2, 6)), (6,))
    np.testing.assert_allclose(victim.values(X), Victim(inner, (6,)).values(X), rtol=1e-5, atol=1e-7)
