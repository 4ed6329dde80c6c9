"""What may differ between a network of images and its copy, and what is not compared filter by filter."""

import copy
import warnings

import pytest
import torch
from image_pairs import KINDS, SHAPE, compare, conv, flat, network, written
from torch import nn
from torch.nn import functional as F

from divulge import Victim
from divulge.comparison.image_layers import image_network


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (
            [conv(2, 4, 5), nn.ReLU, nn.Identity, conv(4, 6, 3), nn.ReLU],
            "behind the victim's comes ReLU, average",
        ),
        ([conv(2, 4, 5), nn.LeakyReLU, lambda: nn.AvgPool2d(2), conv(4, 6, 3), nn.ReLU], "LeakyReLU(0.01)"),
        (
            [conv(2, 4, 3), nn.ReLU],
            "layer 1: the victim's is a convolution of 5x5, the copy's a convolution of 3x3",
        ),
        ([nn.Flatten, lambda: nn.Linear(288, 256), nn.ReLU], "the copy's a dense layer of 256 units"),
        ([conv(2, 4, 5), nn.ReLU, lambda: nn.AvgPool2d(2)], "the copy has 1 hidden layers, the victim 2"),
        ([conv(2, 4, 5), nn.Sigmoid], "an operation sigmoid is none of a row of layers"),
        ([conv(2, 4, 5, padding=2, padding_mode="reflect"), nn.ReLU], "maps are padded by their reflection"),
        ([conv(2, 4, 5, padding=2, padding_mode="circular"), nn.ReLU], "maps are padded in a circle"),
        ([conv(2, 4, 5), conv(4, 6, 3), nn.ReLU], "no activation comes behind one of the layers"),
    ],
)
def test_other_layouts_are_told_in_words(parts, said):
    module = network(*KINDS["plain"])
    result = compare(flat(network(*parts)), Victim(module, SHAPE))
    assert said in " ".join(result.notes)
    assert result.max_parameter_error is None
    assert result._repr_html_()


def test_a_wider_kernel_with_zeros_around_is_the_same():
    module = network(*KINDS["plain"])
    other = copy.deepcopy(module)
    other[0] = conv(2, 4, 7, padding=1)().double()
    with torch.no_grad():
        other[0].weight.zero_()
        other[0].weight[:, :, 1:6, 1:6] = module[0].weight
        other[0].bias.copy_(module[0].bias)
    result = compare(flat(other), Victim(module, SHAPE))
    assert result.max_output_error == result.max_parameter_error == 0
    with torch.no_grad():
        other[0].weight[0, 0, 0, 0] = 0.1 * module[0].weight[0].norm()
    assert compare(flat(other), Victim(module, SHAPE)).filters[0].filter_error == pytest.approx(0.1, rel=0.1)


class Residual(nn.Module):
    def __init__(self, shortcut=False):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.inner, self.second = (
            nn.Conv2d(2, 4, 3),
            nn.Conv2d(4, 4, 3, padding=1),
            nn.Conv2d(4, 4, 3, padding=1),
        )
        self.shortcut = nn.Conv2d(4, 4, 1) if shortcut else nn.Identity()
        self.out = nn.Linear(4, 3)

    def forward(self, x):
        x = F.relu(self.first(x))
        x = F.relu(self.second(F.relu(self.inner(x))) + self.shortcut(x))
        return self.out(x.mean((2, 3)))


@pytest.mark.parametrize("shortcut", [False, True])
def test_layers_in_front_of_a_sum_are_compared(shortcut):
    module = Residual(shortcut).double()
    result = compare(flat(copy.deepcopy(module)), Victim(module, SHAPE))
    assert [layer.units_matched for layer in result.layers] == [400, 400]
    assert len(result.filters) == 8
    assert any("behind hidden layer 2: results of several layers meet" in note for note in result.notes)
    assert result.hidden_sizes is result.max_parameter_error is None


def test_modules_written_in_functions_and_exported_ones_are_read(tmp_path):
    class Written(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.out = nn.Conv2d(2, 4, 3), nn.Linear(100, 3)

        def forward(self, x):
            x = F.max_pool2d(torch.relu(self.conv((x - 0.5) / 0.25)), 2)
            return self.out(x.view(len(x), -1))

    torch.manual_seed(0)
    module = Written().double().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(module, (torch.zeros(3, *SHAPE).double(),)), tmp_path / "a.pt2")
    for victim in (Victim(module, SHAPE), Victim.from_file(tmp_path / "a.pt2")):
        result = compare(flat(written(image_network(module, SHAPE).layers, 1)), victim)
        assert result.max_parameter_error < 1e-13
        assert result.layers[0].form == "convolution of 3x3, ReLU, max of 2x2"


def test_logits_known_up_to_one_for_all_are_compared_as_odds():
    module = network(*KINDS["one"])
    other = copy.deepcopy(module)

    class FromProbabilities:
        kind = "probability"

    result = FromProbabilities()
    result.module = flat(other)
    with torch.no_grad():
        other[-1].weight += torch.randn(other[-1].weight.shape[1])
        other[-1].bias += 2
    assert compare(result, Victim(module, SHAPE)).max_parameter_error < 1e-13
    assert compare(flat(other), Victim(module, SHAPE)).max_parameter_error > 0.1


@pytest.mark.parametrize("stride", [1, 2])
def test_places_that_nothing_sees_may_be_more(stride):
    torch.manual_seed(0)
    narrow = nn.ZeroPad2d((0, 1, 1, 0))
    module = nn.Sequential(narrow, nn.Conv2d(2, 4, 3, stride), nn.ReLU(), nn.Flatten())
    places = 11 if stride == 1 else 6
    module.append(nn.Linear(4 * places**2, 3))
    module = module.double()
    around = 1 if stride == 1 else (1, 2)
    wide = nn.Sequential(nn.Conv2d(2, 4, 3, stride, around), nn.ReLU(), nn.Flatten()).double()
    with torch.no_grad():
        wide[0].weight.copy_(module[1].weight)
        wide[0].bias.copy_(module[1].bias)
        height, width = wide[0](torch.zeros(1, *SHAPE).double()).shape[2:]
        left = 1  # one column more in front
        weights = torch.zeros(3, 4, height, width).double()
        weights[:, :, :places, left : left + places] = module[4].weight.view(3, 4, places, places)
        wide.append(nn.Linear(4 * height * width, 3).double())
        wide[3].weight.copy_(weights.flatten(1))
        wide[3].bias.copy_(module[4].bias)
    result = compare(flat(wide), Victim(module, SHAPE))
    assert result.max_output_error < 1e-13
    assert result.notes == ()
    assert result.max_parameter_error < 1e-13
    assert (result.layers[0].units_matched, result.layers[0].units_found) == (
        4 * places**2,
        4 * height * width,
    )
    with torch.no_grad():
        wide[3].weight[0, 0] += 0.5
    assert compare(flat(wide), Victim(module, SHAPE)).max_parameter_error > 0.1


class Rearranged(nn.Module):
    """A convolution, something done to its maps, a dense layer."""

    def __init__(self, change):
        super().__init__()
        torch.manual_seed(1)
        self.change, self.conv = change, nn.Conv2d(2, 4, 3)
        self.out = nn.Linear(change(self.conv(torch.zeros(1, *SHAPE))).numel(), 3)

    def forward(self, x):
        return self.out(self.change(self.conv(x)).flatten(1))


PLAIN = torch.relu


@pytest.mark.parametrize(
    ("true", "mine"),
    [
        (lambda h: F.relu(h.permute(0, 2, 3, 1)), PLAIN),
        (lambda h: F.relu(h.transpose(2, 3)), PLAIN),
        (lambda h: F.relu(h[:, 2:]), lambda h: F.relu(h[:, :2])),
        (lambda h: F.relu(h.permute(0, 3, 1, 2) * 2), lambda h: F.relu(h * 2)),
        (lambda h: F.relu(torch.add(h, torch.tensor(1.0), alpha=3)), lambda h: F.relu(h + 1)),
        (lambda h: F.relu(torch.div(h, 0.1, rounding_mode="floor")), lambda h: F.relu(h / 0.1)),
        (lambda h: F.avg_pool2d(F.relu(h), 2, divisor_override=1), lambda h: F.avg_pool2d(F.relu(h), 2)),
        (lambda h: F.relu((h * 4).to(torch.int32).to(h.dtype)), lambda h: F.relu(h * 4)),
        (
            lambda h: F.leaky_relu(F.max_pool2d(h, 3, 1, 1), -0.5),
            lambda h: F.max_pool2d(F.leaky_relu(h, -0.5), 3, 1, 1),
        ),
    ],
)
def test_the_same_weights_of_another_function_are_no_copy(true, mine):
    module, other = Rearranged(true).double(), Rearranged(mine).double()
    other.load_state_dict(module.state_dict())
    result = compare(flat(other), Victim(module, SHAPE))
    assert result.max_output_error > 0.01
    assert result.max_parameter_error is None or result.max_parameter_error > 1e-3
    assert result.hidden_units_effective in (None, result.hidden_units_true)


@pytest.mark.parametrize("order", [(0, 2, 3, 1), (0, 1, 3, 2)])
def test_maps_in_another_order_are_put_back(order):
    module = Rearranged(lambda h: F.relu(h.permute(order))).double()
    other = Rearranged(PLAIN).double()
    sizes = [(1, 4, 10, 10)[axis] for axis in order][1:]
    back = [[axis - 1 for axis in order[1:]].index(axis) + 1 for axis in range(3)]
    other.load_state_dict(module.state_dict())
    with torch.no_grad():
        other.out.weight.copy_(module.out.weight.view(3, *sizes).permute(0, *back).flatten(1))
    result = compare(flat(other), Victim(module, SHAPE))
    assert result.max_output_error < 1e-13
    assert result.max_parameter_error == 0
    assert result.notes == ()


def test_a_layer_of_every_row_is_none_of_one_window():
    torch.manual_seed(0)
    parts = [nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Linear(10, 3), nn.ReLU(), nn.Flatten(), nn.Linear(120, 3)]
    read = image_network(nn.Sequential(*parts).double(), SHAPE)
    assert [layer.words for layer in read.layers] == ["convolution of 3x3, ReLU"]
    assert read.ended == "a layer is applied at every place of a map"


def test_layers_behind_one_without_activation_are_not_compared():
    torch.manual_seed(0)
    parts = [nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1), nn.ReLU(), nn.Flatten()]
    module = nn.Sequential(*parts, nn.Linear(288, 3)).double()
    result = compare(flat(copy.deepcopy(module[1:])), Victim(module, SHAPE))
    assert result.layers == ()
    assert result.notes


def test_outputs_of_other_places_are_no_copy():
    torch.manual_seed(0)
    parts = nn.Conv2d(2, 2, 3, padding=1), nn.ReLU(), nn.Conv2d(2, 1, 3), nn.Flatten()
    module = nn.Sequential(*parts).double()
    wider = nn.ZeroPad2d((0, 9, 0, 9)), nn.Conv2d(2, 1, 3, stride=2)
    other = copy.deepcopy(nn.Sequential(*parts[:2], *wider, nn.Flatten()).double())
    other[3].load_state_dict(module[2].state_dict())
    result = compare(flat(other), Victim(module, SHAPE))
    assert result.max_output_error > 0.01
    assert result.max_parameter_error is None
    assert "outputs: " in result.notes[0]
