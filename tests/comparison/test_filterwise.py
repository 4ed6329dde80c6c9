"""Copies of networks of images against their victims, filter by filter."""

import copy

import pytest
import torch
from image_pairs import KINDS, SHAPE, compare, conv, flat, network, written
from torch import nn

from divulge import Victim
from divulge.comparison.image_layers import image_network
from divulge.errors import UnsupportedModel
from divulge.filter_figures import filter_pairs


@pytest.mark.parametrize("name", KINDS)
def test_order_and_scale_of_channels_do_not_matter(name):
    module = network(*KINDS[name])
    layers = image_network(module, SHAPE)
    assert not layers.ended
    result = compare(flat(written(layers.layers, seed=3)), Victim(module, SHAPE))
    assert result.max_output_error < 1e-13
    assert result.max_parameter_error < 1e-13
    assert result.notes == ()
    assert result.units_matched == result.hidden_units == result.hidden_units_true == sum(layers.sizes)
    first = [each for each in result.filters if each.layer == 1]
    assert [each.filter for each in first] == list(range(len(layers.layers[0].weighted.offsets)))
    assert sorted(each.copys_filter for each in first) == [each.filter for each in first]
    assert all(max(each.filter_error, each.bias_error) < 1e-13 for each in result.filters)
    assert result.layers[0].form == layers.layers[0].words
    assert len(result.filters_to_frame()) == len(result.filters)


@pytest.mark.parametrize("name", ["plain", "global", "dense behind"])
def test_a_copy_may_take_images_as_the_victim_does(name):
    victim, own = Victim(network(*KINDS[name]), SHAPE), network(*KINDS[name], seed=1)
    assert compare(own, victim) == compare(flat(own), victim)
    assert filter_pairs(victim, own).keys() == filter_pairs(victim, flat(own)).keys() != set()


def test_a_copy_of_other_inputs_is_refused_in_words():
    victim = Victim(network(*KINDS["plain"]), SHAPE)
    own = network(*KINDS["plain"][:1], shape=(2, 9, 9))
    with pytest.raises(UnsupportedModel, match=r"neither rows nor .*\(n, 288\).*\(n, 2, 12, 12\)"):
        compare(own, victim)


def edited(change, kind="plain"):
    """Compare a network with its copy after a change."""
    module = network(*KINDS[kind])
    other = copy.deepcopy(module)
    with torch.no_grad():
        change(other)
    return compare(flat(other), Victim(module, SHAPE))


def test_an_error_is_told_of_its_filter():
    def change(module):
        module[3].weight[2, 1, 0, 0] += 1e-5 * module[3].weight[2].norm()

    result = edited(change)
    wrong = [each for each in result.filters if each.filter_error > 1e-8]
    assert [(each.layer, each.filter, each.copys_filter) for each in wrong] == [(2, 2, 2)]
    assert wrong[0].filter_error == pytest.approx(1e-5, rel=0.2)
    assert result.max_parameter_error == pytest.approx(1e-5, rel=0.5)
    assert result.notes == ()


def test_an_error_is_told_of_its_bias():
    result = edited(lambda module: module[0].bias[1].add_(1e-4 * module[0].weight[1].norm()))
    assert [each.filter for each in result.filters if each.bias_error > 1e-8] == [1]


def test_an_error_of_the_outputs_is_a_parameters_error():
    result = edited(lambda module: module[-1].bias[1].add_(0.5))
    assert result.max_parameter_error == pytest.approx(0.5)


def test_a_turned_channel_is_said_and_not_matched():
    def change(module):
        module[0].weight[1] *= -1
        module[0].bias[1] *= -1

    result = edited(change)
    assert result.layers[0].units_matched == 3 * 64
    assert result.notes == ("layer 1: 1 of the copy's channels are on where the victim's are off",)
    assert result.max_parameter_error is None
    turned = result.filters[1]
    assert turned.copys_filter == 1
    assert turned.filter_error > 0.1


def test_a_channel_that_is_missing_is_said():
    module = network(*KINDS["plain"])
    other = network(conv(2, 3, 5), nn.ReLU, lambda: nn.AvgPool2d(2), conv(3, 6, 3), nn.ReLU)
    kept = [0, 1, 3]
    with torch.no_grad():
        other[0].weight.copy_(module[0].weight[kept])
        other[0].bias.copy_(module[0].bias[kept])
        other[3].weight.copy_(module[3].weight[:, kept])
        other[3].bias.copy_(module[3].bias)
    result = compare(flat(other), Victim(module, SHAPE))
    assert result.notes == ("layer 1: the copy has 3 channels that may be on, the victim 4",)
    assert [each.copys_filter for each in result.filters[:4]] == [0, 1, None, 2]
    assert result.filters[2].filter_error is None
    assert result.layers[0].units_matched == 3 * 64
    assert result.layers[1].units_matched == 0
    assert result.max_parameter_error is None
    assert "<td" in result._repr_html_()
    assert result.notes[0] in result._repr_html_()
    assert "filter_error" in repr(result)


def test_a_channel_that_is_never_on_is_not_missed():
    module = network(*KINDS["plain"])
    with torch.no_grad():
        module[3].weight[2] = -module[3].weight[2].abs()
        module[3].bias[2] = -1.0
    other = network(conv(2, 4, 5), nn.ReLU, lambda: nn.AvgPool2d(2), conv(4, 5, 3), nn.ReLU)
    kept = [0, 1, 3, 4, 5]
    with torch.no_grad():
        for ours, theirs in ((other[0], module[0]), (other[3], module[3])):
            rows = kept if len(theirs.bias) == 6 else slice(None)
            ours.weight.copy_(theirs.weight[rows])
            ours.bias.copy_(theirs.bias[rows])
        other[-1].weight.copy_(module[-1].weight.view(3, 6, -1)[:, kept].flatten(1))
        other[-1].bias.copy_(module[-1].bias)
    result = compare(flat(other), Victim(module, SHAPE))
    assert result.max_output_error < 1e-14
    assert result.max_parameter_error < 1e-14
    assert result.hidden_units_effective == result.units_matched == 4 * 64 + 5 * 4
    assert result.notes == ()


@pytest.mark.parametrize("seed", range(4))
def test_a_filter_and_its_negative_are_two(seed):
    module = network(*KINDS["one"][:0], conv(2, 6, 3), nn.ReLU, seed=seed)
    with torch.no_grad():
        for part in (module[0].weight, module[0].bias):
            part[3:] = -part[:3]
    result = compare(flat(written(image_network(module, SHAPE).layers, seed)), Victim(module, SHAPE))
    assert result.notes == ()
    assert result.max_parameter_error < 1e-13


def test_equal_filters_that_a_copy_holds_as_one_are_named():
    module = network(conv(2, 4, 3), nn.ReLU)
    other = network(conv(2, 3, 3), nn.ReLU)
    with torch.no_grad():
        for part in (module[0].weight, module[0].bias):
            part[3] = 2 * part[1]
        other[0].load_state_dict({name: part[:3] for name, part in module[0].state_dict().items()})
        weights = module[-1].weight.view(3, 4, -1).clone()
        weights[:, 1] += 2 * weights[:, 3]
        other[-1].weight.copy_(weights[:, :3].flatten(1))
        other[-1].bias.copy_(module[-1].bias)
    result = compare(flat(other), Victim(module, SHAPE))
    assert result.max_output_error < 1e-13
    assert "the victim's channels 1, 3 are each another of these" in result.notes[1]
    assert result.max_parameter_error is None


def test_units_that_may_be_on_are_the_victims_whatever_the_copy_is():
    module = network(*KINDS["plain"])
    other = network(conv(2, 4, 5), nn.LeakyReLU, lambda: nn.AvgPool2d(2), conv(4, 6, 3), nn.ReLU)
    result = compare(flat(other), Victim(module, SHAPE))
    assert result.layers == ()
    assert result.hidden_units_effective == result.hidden_units_true == 4 * 64 + 6 * 4
