import numpy as np
import pytest
import torch
from torch import nn

from divulge import Victim, compare


class Sum(nn.Module):
    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        total = self.branches[0](x)
        for branch in self.branches[1:]:
            total = total + branch(x)
        return total


def net(d=8, h=6, outputs=3, dtype=torch.float64):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(d, h), nn.ReLU(), nn.Linear(h, outputs)).to(dtype)


def rebuilt(module, order, factors):
    """The same function with other parameters."""
    copy = net(8, len(order))
    with torch.no_grad():
        copy[0].weight.copy_((module[0].weight * factors[:, None])[order])
        copy[0].bias.copy_((module[0].bias * factors)[order])
        copy[2].weight.copy_((module[2].weight / factors)[:, order])
        copy[2].bias.copy_(module[2].bias)
    return copy


def test_the_same_network_in_another_order_is_no_error():
    module = net()
    order = torch.tensor([3, 1, 0, 5, 4, 2])
    result = compare(rebuilt(module, order, torch.rand(6, dtype=torch.float64) + 0.5), Victim(module))
    assert result.max_parameter_error < 1e-14
    assert result.max_output_error < 1e-14
    assert result.agreement == 1
    assert result.hidden_units == result.hidden_units_true == result.hidden_units_effective == 6
    assert result.units_matched == 6
    assert result.matches == tuple(sorted((int(victim), copy) for copy, victim in enumerate(order)))
    assert result.points == 10_000


def test_errors_are_those_of_the_parameters():
    module = net()
    copy = rebuilt(module, torch.arange(6), torch.ones(6, dtype=torch.float64))
    with torch.no_grad():
        copy[2].bias[1] += 0.25
    result = compare(copy, Victim(module))
    assert result.max_parameter_error == pytest.approx(0.25)
    assert result.max_output_error == pytest.approx(0.25)
    assert result.agreement < 1
    assert result.units_matched == 6


def test_a_lost_unit_is_not_matched():
    module = net()
    copy = rebuilt(module, torch.tensor([5, 4, 2, 1, 0]), torch.ones(6, dtype=torch.float64))
    result = compare(copy, Victim(module))
    assert (result.hidden_units, result.hidden_units_true, result.units_matched) == (5, 6, 5)
    assert result.matches == ((0, 4), (1, 3), (2, 2), (4, 1), (5, 0))
    assert result.max_parameter_error > 0.01


def test_a_unit_that_is_another_one_is_not_matched():
    module = net()
    copy = rebuilt(module, torch.arange(6), torch.ones(6, dtype=torch.float64))
    with torch.no_grad():
        copy[0].bias[2] += 0.5
    result = compare(copy, Victim(module))
    assert result.units_matched == 5
    assert 2 not in dict(result.matches)


def test_a_turned_unit_with_an_affine_part_is_no_error():
    module = net()
    copy, skip = (
        rebuilt(module, torch.arange(6), torch.ones(6, dtype=torch.float64)),
        nn.Linear(8, 3).double(),
    )
    with torch.no_grad():
        row, offset, weights = module[0].weight[2], module[0].bias[2], module[2].weight[:, 2]
        copy[0].weight[2] *= -1
        copy[0].bias[2] *= -1
        skip.weight.copy_(torch.outer(weights, row))
        skip.bias.copy_(weights * offset)
    result = compare(nn.Sequential(Sum(copy, skip)), Victim(module))
    assert result.max_output_error < 1e-14
    assert result.max_parameter_error < 1e-14
    assert result.units_matched == 6
    assert compare(copy, Victim(module)).max_parameter_error > 0.01


def test_dead_and_doubled_units_count_as_units_but_not_as_findable():
    module = net()
    with torch.no_grad():
        module[0].weight[0] = 0
        module[2].weight[:, 1] = 0
        module[0].weight[3], module[0].bias[3] = 2 * module[0].weight[2], 2 * module[0].bias[2]
    copy = rebuilt(module, torch.tensor([2, 4, 5]), torch.ones(6, dtype=torch.float64))
    with torch.no_grad():
        copy[2].weight[:, 0] += 2 * module[2].weight[:, 3]
        copy[2].bias += module[2].weight[:, 0] * module[0].bias[0].relu()
    result = compare(copy, Victim(module))
    assert (result.hidden_units, result.hidden_units_true, result.hidden_units_effective) == (3, 6, 3)
    assert result.units_matched == 3
    assert result.max_parameter_error < 1e-14
    assert result.max_output_error < 1e-14


def test_a_float32_victim_and_its_float64_copy():
    module = net(dtype=torch.float32)
    copy = net(dtype=torch.float32).double()
    result = compare(copy, Victim(module))
    assert result.max_parameter_error == 0
    assert 0 < result.max_output_error < 1e-5


def test_networks_of_another_depth_have_no_parameter_error():
    torch.manual_seed(0)
    deep = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 2)).double()
    for copy, victim in ((deep, net(4, 6, 2)), (net(4, 6, 2), deep)):
        result = compare(copy, Victim(victim))
        assert result.max_parameter_error is None
        assert result.matches == ()
        assert result.max_output_error > 0
        assert (result.hidden_units, result.hidden_units_true) == ((10, 6) if copy is deep else (6, 10))
    assert compare(deep, Victim(deep)).max_output_error < 1e-14


def test_given_data_are_used():
    module = net()
    victim = Victim(module)
    data = torch.rand(20, 8, dtype=torch.float64)
    copy = rebuilt(module, torch.arange(6), torch.ones(6, dtype=torch.float64))
    with torch.no_grad():
        copy[2].bias[0] += 10
    result = compare(copy, victim, data)
    true = victim.values(data)
    assert result.points == 20
    assert result.output_range == pytest.approx(np.ptp(true))
    assert result.output_std == pytest.approx(np.sqrt(true.var(axis=0).mean()))
    assert result.agreement == pytest.approx((true.argmax(1) == 0).mean())


def test_one_output_names_a_class_by_its_sign():
    module = net(outputs=1)
    copy = net(outputs=1)
    with torch.no_grad():
        copy[2].bias += 0.1
    victim = Victim(module)
    values = victim.values(np.eye(8))[:, 0]
    assert compare(copy, victim, np.eye(8)).agreement == np.mean((values > 0) == (values > -0.1))


def test_shapes_are_checked():
    victim = Victim(net())
    with pytest.raises(ValueError, match="copy with 3 outputs, got 2"):
        compare(net(outputs=2), victim)
    with pytest.raises(ValueError, match=r"fails on inputs of shape \(n, 8\)"):
        compare(net(d=7), victim)
    with pytest.raises(ValueError, match=r"expected points of shape \(n, 8\), got \(4, 7\)"):
        compare(net(), victim, np.zeros((4, 7)))
    with pytest.raises(ValueError, match="at least one point"):
        compare(net(), victim, np.zeros((0, 8)))


def test_a_reconstruction_stands_for_its_module():
    class Result:
        module = net()

    assert compare(Result(), Victim(net())).max_parameter_error == 0


def test_units_that_miss_the_domain_are_counted():
    victim = net()
    with torch.no_grad():
        victim[0].bias[1] = 100.0  # always on inside the box
        victim[0].bias[4] = -100.0  # never
    found = compare(victim, Victim(victim), domain=(0.0, 1.0))
    assert found.units_folded == 2
    assert found.hidden_units_effective == 6
    assert compare(victim, Victim(victim)).units_folded is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_logit_and_two_are_compared_by_their_log_odds(dtype):
    two = net(4, 3, 2, dtype)
    one = nn.Sequential(two[0], nn.ReLU(), nn.Linear(3, 1)).to(dtype)
    with torch.no_grad():
        one[2].weight[:] = two[2].weight[1:] - two[2].weight[:1]
        one[2].bias[:] = two[2].bias[1:] - two[2].bias[:1]
    for copy, victim in ((one, two), (two, one)):
        found = compare(copy, Victim(victim))
        assert found.agreement == 1
        assert found.units_matched == 3
        assert found.max_output_error < (1e-5 if dtype == torch.float32 else 1e-12)
        assert found.max_parameter_error < 1e-5


def test_a_probability_names_its_class_by_a_half():
    victim = Victim(nn.Sequential(nn.Linear(3, 1), nn.Sigmoid()))
    turned = nn.Sequential(nn.Linear(3, 1), nn.Sigmoid())
    with torch.no_grad():
        for mine, theirs in zip(turned.parameters(), victim.module.parameters(), strict=True):
            mine.copy_(-theirs)
    assert compare(turned, victim).agreement == 0
    assert compare(victim.module, victim).agreement == 1
    with pytest.raises(ValueError, match="a copy with 1 outputs, got 2"):
        compare(nn.Linear(3, 2), victim)


def test_outputs_that_are_not_finite_are_refused():
    masked = nn.Linear(4, 3)
    with torch.no_grad():
        masked.bias[1] = -torch.inf
    with pytest.raises(ValueError, match="output 1 of the victim is -inf at point 0"):
        compare(nn.Linear(4, 3), Victim(masked))
    with pytest.raises(ValueError, match="output 1 of the copy is -inf at point 0"):
        compare(masked, Victim(nn.Linear(4, 3)))
