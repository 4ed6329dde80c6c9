from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from divulge import Influence
from divulge.influence import Task, domain_influence, influence_by_distance, perturb_training_images


def test_domains_sum_the_scores(make):
    module, train, test = make("logistic")
    influence = Influence(module, train, damping=0.5)
    domains = np.arange(40) % 3
    result, scores = domain_influence(influence, test, domains), influence.scores(test)
    np.testing.assert_array_equal(result.counts, [14, 13, 13])
    np.testing.assert_allclose(result.total[:, 1], scores[:, domains == 1].sum(1))
    np.testing.assert_allclose(result.strength[:, 2], np.abs(scores[:, domains == 2]).mean(1))
    others = np.abs(scores[:, domains != 1]).mean(1)
    np.testing.assert_allclose(result.ratio(1), np.abs(scores[:, domains == 1]).mean(1) / others)
    for wrong in (np.zeros(40, int), domains[:-1], domains - 1, domains / 2):
        with pytest.raises(ValueError, match="expected domains as 40 numbers from 0 on"):
            domain_influence(influence, test, wrong)


def test_distances_are_euclidean(make):
    module, train, test = make("logistic")
    influence = Influence(module, train, damping=0.5)
    distances, scores = influence_by_distance(influence, train[0], test)
    assert distances.shape == scores.shape == (7, 40)
    assert distances[2, 5] == pytest.approx(np.linalg.norm(train[0][5] - test[0][2]))
    with pytest.raises(ValueError, match="expected 40 training inputs, got 39"):
        influence_by_distance(influence, train[0][1:], test)


@pytest.fixture
def pictures():
    """Two classes of noise around two images, features that are a random layer."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    y = np.arange(24) % 2
    x = np.clip(0.5 + 0.05 * (2 * y - 1)[:, None] + 0.15 * rng.standard_normal((24, 16)), 0, 1)
    features = nn.Sequential(nn.Linear(16, 30), nn.Tanh()).double().eval().requires_grad_(False)
    return features, (x[:14], y[:14]), (x[14:], y[14:])


def test_changed_images_stay_in_their_box_and_raise_the_loss(pictures):
    features, train, test = pictures
    shares = []
    for radius in (0.02, 0.3):
        attack = perturb_training_images(features, train, test, radius, images=2, weight_decay=1e-3, steps=6)
        before = train[0][attack.rows]
        assert np.abs(attack.inputs - before).max() <= radius + 1e-12
        assert attack.inputs.min() >= 0
        assert attack.inputs.max() <= 1
        assert (attack.probability[:, 1] < attack.probability[:, 0]).all()
        assert (attack.steps[~attack.flipped] == 6).all()
        shares.append(attack.share)
    assert shares[0] <= shares[1]
    assert shares[1] > 0


def test_a_flip_is_one_after_training_from_scratch(pictures):
    from divulge.influence import fit_linear

    features, (x, y), (test_x, test_y) = pictures
    attack = perturb_training_images(features, (x, y), (test_x, test_y), 0.3, weight_decay=1e-3, steps=6)
    for i, row in enumerate(attack.attacked):
        changed = x.copy()
        changed[attack.rows[i]] = attack.inputs[i]
        with torch.no_grad():
            head = fit_linear(features(torch.tensor(changed)), y, 2, weight_decay=1e-3)
            p = head(features(torch.tensor(test_x[row : row + 1]))).softmax(1)[0]
        assert float(p[test_y[row]]) == pytest.approx(attack.probability[i, 1], abs=1e-6)
        assert (int(p.argmax()) != test_y[row]) == attack.flipped[i]


def test_numbers_above_zero(pictures):
    features, train, test = pictures
    with pytest.raises(ValueError, match="above 0, got 0, 1 and 30"):
        perturb_training_images(features, train, test, 0)
    with pytest.raises(ValueError, match=r"above 0, got 0\.1, 0 and 30"):
        perturb_training_images(features, train, test, 0.1, images=0)


def test_domains_explain_what_the_task_does(make):
    module, train, test = make("logistic")
    influence = Influence(module, train, task=Task(of="margin"), damping=0.5)
    result = domain_influence(influence, test, np.arange(40) % 2)
    np.testing.assert_array_equal(result.scores, influence.scores(test, "margin"))


def test_distances_of_other_inputs_are_refused(make):
    module, train, test = make("logistic")
    influence = Influence(module, train, damping=0.5)
    half = train[0].reshape(40, -1)[:, : train[0][0].size // 2]
    with pytest.raises(ValueError, match=f"inputs of {train[0][0].size} numbers .*, got {half.shape[1]}"):
        influence_by_distance(influence, half, test)
    with pytest.raises(ValueError, match="training inputs as one array for a distance, got dict"):
        influence_by_distance(influence, {"a": train[0]}, test)
