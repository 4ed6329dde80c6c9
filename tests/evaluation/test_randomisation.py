import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from divulge.datasets import digits
from divulge.evaluation import parameter_randomisation, rank_correlation, structural_similarity
from divulge.training import cnn, fit_classifier


@pytest.fixture(scope="module")
def trained():
    data = digits()
    return fit_classifier(cnn((1, 8, 8), 10), data.train_inputs, data.train_targets, epochs=6), data


def test_a_gradient_forgets_and_the_input_does_not(trained):
    module, data = trained
    inputs = data.test_inputs[:60]
    frame = parameter_randomisation(module, inputs)
    assert list(frame["layer"]) == ["9", "7", "3", "0"]
    assert abs(frame["rank_correlation"].iloc[-1]) < 0.15
    assert frame["ssim"].iloc[-1] < 0.5
    same = parameter_randomisation(module, inputs, lambda module, x, classes: x)
    np.testing.assert_allclose(same[["rank_correlation", "absolute_rank_correlation", "ssim"]], 1)


def test_one_layer_alone_changes_less(trained):
    module, data = trained
    before = [p.clone() for p in module.parameters()]
    inputs = data.test_inputs[:60]
    cascading = parameter_randomisation(module, inputs, seed=1)
    independent = parameter_randomisation(module, inputs, mode="independent", seed=1)
    assert cascading.iloc[0].equals(independent.iloc[0])
    assert independent["rank_correlation"].iloc[-1] != cascading["rank_correlation"].iloc[-1]
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))
    assert cascading.equals(parameter_randomisation(module, inputs, seed=1))


def test_inputs_that_are_no_images_have_no_structure():
    frame = parameter_randomisation(nn.Linear(5, 3), torch.randn(4, 5))
    assert list(frame["layer"]) == [""]
    assert frame["ssim"].isna().all()


def test_rank_correlation_is_scipys():
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(6, 3, 4, generator=generator).round() for _ in range(2))
    expected = [spearmanr(x.flatten(), y.flatten()).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(rank_correlation(a, b), expected)
    assert rank_correlation(torch.ones(1, 4), torch.rand(1, 4)).tolist() == [0]


def slow_similarity(a, b, window=7):
    """Window by window."""
    values = []
    for i in range(a.shape[0] - window + 1):
        for j in range(a.shape[1] - window + 1):
            x, y = (z[i : i + window, j : j + window].ravel() for z in (a, b))
            (sx, sxy), (_, sy) = np.cov(x, y)
            top = (2 * x.mean() * y.mean() + 0.01**2) * (2 * sxy + 0.03**2)
            values.append(top / ((x.mean() ** 2 + y.mean() ** 2 + 0.01**2) * (sx + sy + 0.03**2)))
    return np.mean(values)


def test_structural_similarity_is_what_it_says():
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 3, 12, 9))
    for x in (a, b):
        x -= x.min((1, 2), keepdims=True)
        x /= x.max((1, 2), keepdims=True)
    expected = [slow_similarity(x, y) for x, y in zip(a, b, strict=True)]
    got = structural_similarity(torch.from_numpy(a)[:, None], torch.from_numpy(b)[:, None])
    np.testing.assert_allclose(got, expected)
    same = torch.from_numpy(a)[:, None]
    np.testing.assert_allclose(structural_similarity(same, 3 * same + 1), 1)
    assert structural_similarity(torch.zeros(2, 1, 3, 3), torch.zeros(2, 1, 3, 3)).tolist() == [1, 1]


def test_refuses_what_cannot_be():
    x = torch.randn(4, 5)
    with pytest.raises(ValueError, match="got 'all'"):
        parameter_randomisation(nn.Linear(5, 3), x, mode="all")
    with pytest.raises(ValueError, match="with parameters, Flatten has none"):
        parameter_randomisation(nn.Flatten(), x)
    for measure in (rank_correlation, structural_similarity):
        with pytest.raises(ValueError, match=r"got \(4, 5\) and \(4, 4\)"):
            measure(x, x[:, :4])
