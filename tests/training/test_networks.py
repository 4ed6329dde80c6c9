import pytest
import torch

from divulge.training import cnn, mlp, patch_cnn


def test_networks_refuse_what_cannot_be():
    with pytest.raises(ValueError, match=r"got \[0, 10\]"):
        mlp((4,), [0], 10)
    with pytest.raises(ValueError, match="2x2"):
        cnn((1, 2, 2), 10)
    with pytest.raises(ValueError, match=r"got \(4,\)"):
        cnn((4,), 10)
    with pytest.raises(ValueError, match="at least 4x4 pixels, got 3x9"):
        patch_cnn((1, 3, 9), 10, patch=2)


def test_patches_hardly_overlap():
    module = patch_cnn((3, 8, 13), 2, patch=2, channels=(5, 7), dtype=torch.float64)
    x = torch.rand(1, 3, 8, 13, dtype=torch.float64)
    other = x.clone()
    other[:, :, 5:, 9:] += 1  # one pixel within the last of 2 x 3 patches of 4x4
    before, after = (module[:4](images) for images in (x, other))
    changed = (before != after)[0].any(dim=0)
    assert changed.tolist() == [[False, False, False], [False, False, True]]
    assert module(x).shape == (1, 2)
