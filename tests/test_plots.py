import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import typer
from torch import nn

from divulge import Victim, compare
from divulge.cli import values
from divulge.panels import figure_of
from divulge.plots import plot_filters, plot_reconstruction, save_plot, suffixes

CURVE = [(10, 1, 3.0), (20, 2, float("nan")), (40, 5, 1e-12)]


def net(d, h, outputs=3):
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(d, h), nn.ReLU(), nn.Linear(h, outputs)).double()


def figure(victim, copy, curve=CURVE):
    return figure_of(plot_reconstruction(victim, copy, compare(copy, victim), curve))


def images(figure):
    return [axis.images[0].get_array() for axis in figure.axes if axis.images]


def test_units_are_drawn_in_pairs():
    module = net(12, 5)
    shown = images(figure(Victim(module, (1, 3, 4)), module))
    assert [image.shape for image in shown] == [(3, 4)] * 10
    for above, below in zip(shown[:5], shown[5:], strict=True):
        np.testing.assert_allclose(above, below, atol=1e-14)
    rows = module[1].weight.detach().numpy()
    directions = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    for image in shown[:5]:
        assert np.isclose(np.abs(directions - image.reshape(-1)).max(axis=1), 0).sum() == 1


def test_a_turned_unit_is_turned_back():
    module, copy = net(4, 3), net(4, 3)
    with torch.no_grad():
        copy[1].weight[0] *= -1
        copy[1].bias[0] *= -1
    shown = images(figure(Victim(module), copy))
    for above, below in zip(shown[:3], shown[3:], strict=True):
        np.testing.assert_allclose(above, below, atol=1e-14)


def test_lost_units_leave_an_empty_frame():
    module, copy = net(4, 3), net(4, 3)
    with torch.no_grad():
        copy[1].bias[1] += 1
    drawn = figure(Victim(module), copy)
    assert len(images(drawn)) == 5
    assert [text.get_text() for axis in drawn.axes for text in axis.texts] == ["not found"]


@pytest.mark.parametrize(
    ("shape", "drawn"), [((1, 28, 28), (28, 28)), ((3, 4, 5), (12, 5)), ((1, 1, 5), (1, 5)), ((9,), (3, 3))]
)
def test_input_shapes(shape, drawn):
    module = net(int(np.prod(shape)), 2)
    shown = images(figure(Victim(module, shape), module))
    assert [image.shape for image in shown] == [drawn] * 4


@pytest.mark.parametrize(("h", "axes"), [(1, 2), (16, 32), (17, 64), (60, 64)])
def test_at_most_32_units_are_shown(h, axes):
    module = net(4, h)
    assert len(images(figure(Victim(module), module))) == 2 * min(h, 32)
    assert len(figure(Victim(module), module).axes) == axes + 2


def test_the_curve_is_logarithmic_and_leaves_out_what_is_not_finite():
    module = net(4, 3)
    error, units = figure(Victim(module), module).axes[-2:]
    assert error.get_yscale() == "log"
    np.testing.assert_array_equal(error.lines[0].get_xydata(), [[10, 3.0], [40, 1e-12]])
    np.testing.assert_array_equal(units.lines[0].get_xydata(), [[10, 1], [40, 5]])


def test_an_error_of_zero_and_an_empty_curve_can_be_drawn(tmp_path):
    module = net(4, 3)
    for name, curve in (("zero", [(1, 0, 1.0), (3, 3, 0.0)]), ("empty", [])):
        figure(Victim(module), module, curve).savefig(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 1000


def test_deep_networks_show_their_first_layer():
    deep = nn.Sequential(net(4, 5, 3), nn.ReLU(), nn.Linear(3, 2).double())
    drawn = images(figure(Victim(deep), deep))
    assert len(drawn) == 2 * 5


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_is_saved_by_suffix_without_global_state(tmp_path, suffix):
    before = dict(mpl.rcParams)
    module = net(4, 3)
    path = tmp_path / f"figure.{suffix}"
    assert f".{suffix}" in suffixes()
    save_plot(np.array(figure(Victim(module), module).axes, object), path)
    assert path.read_bytes()[:4] in {b"\x89PNG", b"%PDF", b"<?xm"}
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == []


def test_files_are_checked_beforehand(tmp_path):
    with pytest.raises(typer.BadParameter, match=r"\*.png.* got figure.xyz"):
        values.picture(str(tmp_path / "figure.xyz"))
    with pytest.raises(typer.BadParameter, match=r"there is no .*nowhere"):
        values.picture(str(tmp_path / "nowhere" / "figure.png"))
    assert values.picture(str(tmp_path / "figure.PNG")) == tmp_path / "figure.PNG"


def two_convolutions(filters=4, between=None):
    torch.manual_seed(0)
    parts = [nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, filters, (2, 3)), between or nn.ReLU(), nn.Flatten()]
    return nn.Sequential(nn.Unflatten(1, (1, 8, 8)), *parts, nn.Linear(20 * filters, 2)).double()


def test_filters_are_drawn_layer_by_layer_above_the_curve():
    module = two_convolutions()
    copy = two_convolutions()
    with torch.no_grad():  # two channels change places, one is scaled
        for part in (copy[1].weight, copy[1].bias):
            part[[0, 2]] = part[[2, 0]].clone()
            part[1] *= 3
        copy[3].weight[:, [0, 2]] = copy[3].weight[:, [2, 0]].clone()
        copy[3].weight[:, 1] /= 3
    axes = plot_reconstruction(Victim(module, (64,)), copy, compare(copy, Victim(module, (64,))), CURVE)
    assert [axis.get_title() for axis in axes] == [
        "layer 1: 3 filters of 3x3", "layer 2: 4 filters of 2x3", "", "",
    ]  # fmt: skip
    for axis, shape in zip(axes[:2], [(5, 13), (10, 17)], strict=True):
        above, below = (image.get_array().filled(9) for image in axis.images)
        assert above.shape == shape
        np.testing.assert_allclose(above, below, atol=1e-12)
    first = module[1].weight.detach().numpy()[0, 0]
    drawn = axes[0].images[0].get_array()[1:4, 1:4]
    np.testing.assert_allclose(drawn, first / np.abs(first).max(), atol=1e-12)


def test_a_filter_that_is_missing_leaves_its_place_empty():
    module, copy = two_convolutions(), two_convolutions(3)
    axis = plot_filters(Victim(module, (64,)), copy, layer=2)
    assert [text.get_text() for text in axis.texts] == ["victim", "copy", "not found"]


def test_at_most_16_filters_are_shown():
    module = two_convolutions(20)
    image = plot_filters(Victim(module, (64,)), module, layer=2).images[0]
    assert image.get_array().shape == (10, 16 * 4 + 1)


@pytest.mark.parametrize("copy", [two_convolutions(between=nn.LeakyReLU()), two_convolutions()])
@pytest.mark.parametrize("layer", [0, 3])
def test_a_layer_that_is_no_common_convolution_is_refused(copy, layer):
    with pytest.raises(ValueError, match=f"convolution of both .* got {layer}"):
        plot_filters(Victim(two_convolutions(), (64,)), copy, layer=layer)
