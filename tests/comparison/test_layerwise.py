from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from divulge import Victim, compare
from divulge.reconstruction.network.hidden_layer import Sum
from divulge.victims.lowering import hidden_layers


def chain(*sizes, seed=0, dtype=torch.float64):
    torch.manual_seed(seed)
    layers = []
    for width, out in pairwise(sizes):
        layers += [nn.Linear(width, out), nn.ReLU()]
    return nn.Sequential(*layers[:-1]).to(dtype)


def linears(module):
    return [layer for layer in module if isinstance(layer, nn.Linear)]


def rebuilt(module, orders=None, seed=1):
    """The same function, units in another order and scale; without the units that an order leaves out."""
    rng = np.random.default_rng(seed)
    weights = [layer.weight.detach().numpy() for layer in linears(module)]
    biases = [layer.bias.detach().numpy() for layer in linears(module)]
    if orders is None:
        orders = [rng.permutation(len(b)) for b in biases[:-1]]
    for k, order in enumerate(orders):
        factors = rng.uniform(0.3, 3, len(biases[k]))
        weights[k], biases[k] = (weights[k] * factors[:, None])[order], (biases[k] * factors)[order]
        weights[k + 1] = (weights[k + 1] / factors)[:, order]
    copy = chain(weights[0].shape[1], *(len(b) for b in biases))
    with torch.no_grad():
        for layer, weight, bias in zip(linears(copy), weights, biases, strict=True):
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.copy_(torch.from_numpy(bias))
    return copy


@pytest.mark.parametrize("sizes", [(6, 5, 2), (6, 5, 7, 2), (3, 8, 4, 6, 1), (4, 5, 5, 5, 5, 3)])
def test_order_and_scale_of_every_layer_do_not_matter(sizes):
    module = chain(*sizes)
    result = compare(rebuilt(module), Victim(module))
    assert result.hidden_sizes == result.hidden_sizes_true == sizes[1:-1]
    assert result.max_parameter_error < 1e-13
    assert result.max_output_error < 1e-13
    assert result.units_matched == result.hidden_units == result.hidden_units_effective == sum(sizes[1:-1])
    for layer, size in zip(result.layers, sizes[1:-1], strict=True):
        assert layer.units_true == layer.units_found == layer.units_matched == size
        assert layer.max_row_error < 1e-13


@pytest.mark.parametrize("k", [0, 1, 2])
def test_an_error_is_told_of_its_layer(k):
    module = chain(4, 6, 5, 7, 2)
    copy = rebuilt(module)
    layer = linears(copy)[k]
    with torch.no_grad():
        layer.bias[1] += 1e-5 * layer.weight[1].norm()
    result = compare(copy, Victim(module))
    assert result.units_matched == 18
    errors = [layer.max_row_error for layer in result.layers]
    assert [error > 1e-12 for error in errors] == [other == k for other in range(3)]
    assert result.max_parameter_error >= errors[k] > 1e-7
    if k == 0:
        assert errors[k] == pytest.approx(1e-5)


def test_units_that_are_missing_or_wrong_are_not_matched():
    module = chain(4, 6, 5, 2)
    lost = compare(rebuilt(module, [[5, 0, 1, 2, 3, 4], [2, 0, 1, 4]]), Victim(module))
    assert [(layer.units_true, layer.units_found, layer.units_matched) for layer in lost.layers] == [
        (6, 6, 6), (5, 4, 4),
    ]  # fmt: skip
    assert lost.max_parameter_error > 1e-3

    lost = compare(rebuilt(module, [[5, 0, 1, 2, 4], [0, 1, 2, 3, 4]]), Victim(module))
    assert lost.layers[0].units_matched == 5
    assert lost.layers[0].max_row_error < 1e-13
    assert lost.layers[1].units_matched < 5  # their rows lack a column
    assert lost.max_parameter_error is None

    wrong = rebuilt(module)
    with torch.no_grad():
        linears(wrong)[0].weight[2] *= torch.tensor([1.0, 1.5, 1.0, 1.0])
    result = compare(wrong, Victim(module))
    assert result.layers[0].units_matched == 5
    assert result.max_parameter_error is None
    nothing = compare(chain(4, 3, 5, 2, seed=9), Victim(module)).layers
    assert [(layer.units_matched, layer.max_row_error) for layer in nothing] == [(0, None), (0, None)]


def test_a_turned_unit_of_an_inner_layer_is_found_but_an_error():
    module = chain(4, 6, 5, 2)
    copy = rebuilt(module)
    with torch.no_grad():
        linears(copy)[0].weight[3] *= -1
        linears(copy)[0].bias[3] *= -1
    result = compare(copy, Victim(module))
    assert result.layers[0].units_matched == 6
    assert result.layers[0].max_row_error < 1e-13
    assert result.max_parameter_error > 0.1


def test_a_turned_unit_of_the_last_layer_with_an_affine_part_is_no_error():
    module = chain(4, 6, 5, 2)
    copy = rebuilt(module)
    inner, _, hidden, relu, outputs = copy
    beside = nn.Linear(6, 2).double()
    with torch.no_grad():
        beside.weight.copy_(torch.outer(outputs.weight[:, 1], hidden.weight[1]))
        beside.bias.copy_(outputs.weight[:, 1] * hidden.bias[1])
        hidden.weight[1] *= -1
        hidden.bias[1] *= -1
    last = Sum(nn.Sequential(hidden, relu, outputs), beside)
    result = compare(nn.Sequential(inner, nn.ReLU(), last), Victim(module))
    assert result.max_output_error < 1e-13
    assert result.max_parameter_error < 1e-13
    assert [layer.units_matched for layer in result.layers] == [6, 5]
    assert result.hidden_sizes == (6, 5)


@pytest.mark.parametrize("depth", [1, 2])
def test_as_many_layers_as_both_have(depth):
    module = chain(4, 6, 5, 3, 2)
    layers = linears(rebuilt(module))[:depth]
    parts = [part for layer in layers for part in (layer, nn.ReLU())]
    copy = nn.Sequential(*parts, nn.Linear((4, 6, 5)[depth], 2).double())
    for result in (compare(copy, Victim(module)), compare(module, Victim(copy))):
        assert [layer.units_matched for layer in result.layers] == [6, 5][:depth]
        assert all(layer.max_row_error < 1e-13 for layer in result.layers)
        assert result.max_parameter_error is None
        assert len(result.matches) == 6
        assert sorted([result.hidden_sizes, result.hidden_sizes_true], key=len) == [
            (6, 5, 3)[:depth], (6, 5, 3),
        ]  # fmt: skip


def test_an_affine_copy_of_a_deep_network_has_none_of_its_units():
    result = compare(nn.Linear(4, 2).double(), Victim(chain(4, 6, 5, 2)))
    assert (result.hidden_sizes, result.hidden_sizes_true) == ((), (6, 5))
    assert result.layers == ()
    assert result.units_matched == 0
    assert result.max_parameter_error is None


@pytest.mark.parametrize("k", [1, 2])
def test_units_that_are_never_active_behind_the_first_layer_do_not_count(k):
    module = chain(4, 6, 5, 4, 2)
    with torch.no_grad():
        linears(module)[k].weight[2] = -linears(module)[k].weight[2].abs()
        linears(module)[k].bias[2] = -0.1
    orders = [list(range(size)) for size in (6, 5, 4)]
    orders[k].remove(2)
    result = compare(rebuilt(module, orders), Victim(module))
    assert result.max_output_error < 1e-13
    assert result.max_parameter_error < 1e-13
    assert (result.hidden_units_true, result.hidden_units_effective) == (15, 14)
    assert result.units_matched == result.hidden_units == 14


def test_a_float32_victim_and_its_float64_copy():
    module = chain(6, 5, 7, 2, dtype=torch.float32)
    copy = rebuilt(chain(6, 5, 7, 2, dtype=torch.float32).double())
    result = compare(copy, Victim(module))
    assert result.units_matched == 12
    assert result.max_parameter_error < 1e-14


def test_a_layer_that_skips_another_has_no_layers_in_a_row():
    inner = nn.Sequential(nn.Linear(4, 6), nn.ReLU())
    skipping = nn.Sequential(
        Sum(inner, nn.Linear(4, 6)), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2)
    ).double()
    assert hidden_layers(skipping, (4,)) is None
    result = compare(skipping, Victim(chain(4, 6, 5, 2)))
    assert result.layers == ()
    assert result.hidden_sizes is result.hidden_units is result.units_matched is None
    assert result.hidden_units_true == result.hidden_units_effective == 11
    assert compare(chain(4, 6, 5, 2), Victim(skipping)).hidden_units_effective is None
