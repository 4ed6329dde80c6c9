import pytest
import torch

from divulge.backdoors import backdoor_scan
from divulge.backdoors.image_bounds import image_bounds

images = torch.linspace(0, 1, 120).reshape(2, 3, 4, 5)


def test_images_between_zero_and_one_need_no_bounds():
    assert image_bounds(images, None) == (0, 1)
    assert image_bounds(None, None) == (0, 1)
    assert image_bounds(images, (-0.5, 2)) == (-0.5, 2)
    assert image_bounds(255 * images, (0, 255)) == (0, 255)


@pytest.mark.parametrize(
    ("change", "bounds", "message"),
    [
        (lambda x: 255 * x, None, "expected images between 0 and 1, got values from 0 to 255"),
        (lambda x: (255 * x).byte(), None, "between 0 and 1, got values from 0 to 255"),
        (lambda x: 2 * x - 1, None, "between 0 and 1, got values from -1 to 1"),
        (lambda x: (x - 0.1307) / 0.3081, None, "got values from -0.424213 to 2.82149"),
        (lambda x: x, (-1, 0.5), "between -1 and 0.5, got values from 0 to 1"),
        (lambda x: x, (0, 255), "expected images that use the bounds 0 to 255, got values from 0 to 1"),
        (lambda x: x, (-100, 100), "use the bounds -100 to 100, got values from 0 to 1"),
    ],
)
def test_images_of_another_scale_are_told(change, bounds, message):
    with pytest.raises(ValueError, match=f"{message}; say bounds="):
        image_bounds(change(images), bounds)


class Bytes(torch.nn.Module):
    """A classifier of images from 0 to 255."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x / 255)


@pytest.mark.parametrize("method", ["agnostic", "neural-cleanse"])
def test_a_scan_asks_for_the_bounds_of_bytes(backdoored, data, method):
    module, pixels = Bytes(backdoored).eval(), (255 * data.train_inputs).round().byte()
    with pytest.raises(ValueError, match="got values from 0 to 255; say bounds="):
        backdoor_scan(module, pixels, method=method)


def test_bytes_with_their_bounds_are_scanned(backdoored, data):
    scan = backdoor_scan(Bytes(backdoored).eval(), (255 * data.train_inputs).round().byte(), bounds=(0, 255))
    assert scan.flagged == (3,)
    assert scan.bounds == (0, 255)


def test_a_scan_without_data_says_which_bounds_it_took(backdoored, data):
    scan = backdoor_scan(backdoored, shape=data.input_shape)
    assert "inputs were taken to lie between 0 and 1" in scan.notes[-1]
    given = backdoor_scan(backdoored, shape=data.input_shape, bounds=(0, 1)).notes
    assert not any("inputs were taken" in note for note in given)
