import torch

from divulge.surrogate.inputs import Inputs


def drawn(data, kind, n, seed=0):
    return Inputs(data, data.shape[1], kind, None, torch.Generator().manual_seed(seed)).draw(n)


def gap(data, images):
    """The mean distance of the data from the nearest image."""
    return float(torch.cdist(data, images).min(dim=1).values.mean())


def test_spread_images_are_of_the_data_and_leave_smaller_gaps():
    data = torch.randn(500, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    images = drawn(data, "spread", 81)[1::2]
    assert len(images) == 40
    assert float(torch.cdist(images, data).min(dim=1).values.max()) < 1e-6
    random = [gap(data, drawn(data, "mixed", 80, seed)[1::2]) for seed in range(10)]
    assert gap(data, images) < min(random)


def test_spread_is_the_same_for_the_same_seed_and_knows_more_images_than_axes_or_data():
    data = torch.rand(30, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert torch.equal(drawn(data, "spread", 20, 3), drawn(data, "spread", 20, 3))
    assert drawn(data, "spread", 100).shape == (100, 3)
