import numpy as np
import pytest
import torch
from matplotlib.image import imread

from divulge.backdoors import backdoor_scan
from divulge.backdoors.figures import plot_triggers
from divulge.saliency import agnostic_saliency
from divulge.saliency.views import comparison, cosines, gallery, save


@pytest.fixture(scope="module")
def maps(clean, data):
    return agnostic_saliency(clean, range(10), data.input_shape, steps=5, reach=None)


@pytest.fixture(scope="module")
def other(backdoored, data):
    return agnostic_saliency(backdoored, range(10), data.input_shape, steps=5, reach=None)


def test_figures_are_drawn(maps, other, backdoored, data, tmp_path):
    scan = backdoor_scan(backdoored, data, steps=5)
    drawn = (
        gallery(maps, title="digits"),
        comparison(maps, other, names=("clean", "poisoned")),
        plot_triggers(scan),
    )
    for axes, count in zip(drawn, (10, 20, 20), strict=True):
        assert axes.size == count
        axes[0, 0].figure.savefig(tmp_path / "a.png")


def test_maps_of_two_models_are_compared(maps, other):
    torch.testing.assert_close(cosines(maps, maps), torch.ones(10))
    assert (cosines(maps, other) < 0.99).all()


def test_only_maps_of_the_same_kind_are_compared(maps, clean):
    with pytest.raises(ValueError, match="expected maps of the same targets"):
        cosines(maps, agnostic_saliency(clean, [0], (1, 8, 8), steps=0))
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(9, 10)).eval()
    with pytest.raises(ValueError, match="expected maps of one shape"):
        cosines(maps, agnostic_saliency(module, range(10), (1, 3, 3), steps=0))


def test_maps_are_written(maps, tmp_path):
    for suffix in ("png", "npz", "npy"):
        save(maps, tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), maps.maps)
    with np.load(tmp_path / "a.npz") as arrays:
        np.testing.assert_array_equal(arrays["maps"], maps.maps)
        assert arrays["targets"].tolist() == [str(k) for k in range(10)]
        assert arrays["reached"].shape == (6, 10)
    image = imread(tmp_path / "a.png")
    assert image.shape[:2] == (8, 80)
    np.testing.assert_allclose(image[:, 8:16, 0], maps.pictures[1, 0], atol=2 / 255)
    with pytest.raises(ValueError, match=r"expected a file named \*.png, \*.npz or \*.npy, got a.gif"):
        save(maps, tmp_path / "a.gif")


def test_colour_and_odd_numbers_of_maps(tmp_path):
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 13)).eval()
    maps = agnostic_saliency(module, range(13), (3, 4, 4), steps=1)
    save(maps, tmp_path / "a.png")
    assert imread(tmp_path / "a.png").shape[:2] == (8, 40)
    assert gallery(maps).shape == (2, 10)
