"""Posteriors that hold a given number of nats."""

import torch
from torch.distributions import Normal, kl_divergence

from divulge.bits.code import places_of
from divulge.bits.mean_kl import LogVariance, Posterior


def posterior(count=23, blocks=4, nats=3.0):
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(count, generator=generator, dtype=torch.float64)
    group = torch.arange(count) % 3
    deviations = torch.tensor([0.5, 1.0, 2.0])
    made = Posterior(mean, group, deviations, places_of(count, blocks, 1), nats=nats, generator=generator)
    with torch.no_grad():
        made.share.normal_(generator=generator)
    return made, mean, deviations[group].double()


def test_every_block_holds_its_nats():
    made, _, _ = posterior()
    mean, log_variance, deviation = made.moments()
    held = kl_divergence(
        Normal(deviation * mean, deviation * torch.exp(log_variance / 2)), Normal(0.0, deviation)
    )
    blocks = held.masked_fill(~made.used, 0).sum(dim=1)
    torch.testing.assert_close(blocks, torch.full((4,), 3.0, dtype=torch.float64), rtol=1e-9, atol=1e-9)


def test_samples_have_the_moments_in_the_order_of_the_weights():
    made, prior, deviation = posterior()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        drawn = torch.stack([made.sample(made.noise(generator)) for _ in range(4000)])
        mean, log_variance, scale = made.moments()
    places = places_of(23, 4, 1)
    used = places >= 0
    wanted = torch.empty(23, dtype=torch.float64)
    wanted[places[used]] = (mean * scale)[used]
    spread = torch.empty(23, dtype=torch.float64)
    spread[places[used]] = (scale * torch.exp(log_variance / 2))[used]
    assert ((drawn.mean(dim=0) - prior - wanted).abs() < 5 * spread / 4000**0.5).all()
    torch.testing.assert_close(drawn.std(dim=0), spread, rtol=0.1, atol=0)
    assert (spread <= deviation).all()


def test_the_variance_solves_its_equation_and_its_derivative_is_right():
    excess = torch.logspace(-8, 3, 60, dtype=torch.float64, requires_grad=True)
    found = LogVariance.apply(excess)
    torch.testing.assert_close(torch.expm1(found) - found, excess, rtol=1e-7, atol=1e-14)
    assert (found < 0).all()
    some = torch.tensor([0.05, 0.7, 9.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(LogVariance.apply, (some,))


def test_gradients_are_finite_where_a_weight_gets_nothing():
    made, _, _ = posterior()
    with torch.no_grad():
        made.share[:, 0] = -1e4
    made.sample(made.noise(torch.Generator().manual_seed(2))).square().sum().backward()
    assert all(part.grad.isfinite().all() for part in made.parameters())
