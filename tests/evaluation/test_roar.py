from functools import partial

import numpy as np
import pytest
import torch
from processes import new_processes
from torch import nn

from divulge import UnreadableFile
from divulge.attributions import attribute
from divulge.datasets import Dataset, digits, subset
from divulge.evaluation import AdamTrainer, diffroar, diffroar_runs, predictive_power
from divulge.evaluation.summary import paired_interval, pairs_interval
from divulge.training import mlp


@pytest.fixture(scope="module")
def data():
    """Ten coordinates, of which the first two decide the class and the third says it again."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(450, 10, generator=generator) - 0.5
    y = (x[:, 0] + x[:, 1] > 0).long()
    x[:, 2] = 0.3 * (2 * y - 1)
    return Dataset("made", x[:200], y[:200], x[200:], y[200:])


factory = partial(mlp, (10,), [32], 2)  # called with seed=; processes find it by name
QUICK = AdamTrainer(epochs=5, batch_size=50, learning_rate=0.02)


class Counting:
    """A recipe that counts its calls, and may be interrupted in one of them."""

    def __init__(self, stop_at=None):
        self.calls, self.stop_at = 0, stop_at

    def __repr__(self):
        return "Counting()"

    def __call__(self, module, inputs, targets, seed):
        self.calls += 1
        if self.calls == self.stop_at:
            raise KeyboardInterrupt
        assert len(inputs) == len(targets) == 200  # never the test part
        return QUICK(module, inputs, targets, seed=seed)


def test_the_coordinate_that_decides_teaches(data):
    first = torch.zeros(10)
    first[2] = 1
    ranked = tuple(first.expand_as(x).contiguous() for x in (data.train_inputs, data.test_inputs))
    power = partial(predictive_power, factory, data, ranked, trainer=QUICK)
    assert power(1) == 1
    assert power(1, keep="bottom") < 0.8
    again = power(1, keep="bottom")
    assert again == power(1, keep="bottom")


def test_a_gradient_beats_a_random_ranking(data):
    frame = diffroar(factory, data, levels=(1, 0.2), runs=3, trainer=QUICK)
    assert list(frame["k"]) == [1, 2]
    assert list(frame["level"]) == [1, 0.2]
    assert (frame["runs"] == 3).all()
    assert (frame["model"] > 0.95).all()
    assert (frame["low"] > 0.1).all()
    assert (frame["low"] <= frame["diffroar"]).all()
    assert (frame["diffroar"] <= frame["high"]).all()
    assert ((frame["random_low"] < 0) & (frame["random_high"] > 0)).all()
    np.testing.assert_allclose(frame["diffroar"], frame["top"] - frame["bottom"])


def test_is_seeded_and_jobs_change_nothing(data):
    new_processes()
    run = partial(diffroar_runs, factory, data, levels=(1, 3), runs=2, trainer=QUICK)
    one, two = run(jobs=1, seed=5), run(jobs=2, seed=5)
    assert one.equals(two)
    assert not one.equals(run(seed=6))
    assert list(one.columns) == ["run", "level", "k", "ranking", "keep", "accuracy", "model"]
    assert len(one) == 2 * 2 * 4


def test_goes_on_after_an_interruption(data, tmp_path):
    expected = diffroar_runs(factory, data, levels=(1, 3), runs=2, trainer=Counting())
    broken = Counting(stop_at=8)
    with pytest.raises(KeyboardInterrupt):
        diffroar_runs(factory, data, levels=(1, 3), runs=2, trainer=broken, folder=tmp_path)
    after, seen = Counting(), []
    frame = diffroar_runs(
        factory, data, levels=(1, 3), runs=2, trainer=after, folder=tmp_path,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert frame.equals(expected)
    assert after.calls == 18 - 7
    assert seen[-1] == (18, 18)
    assert diffroar_runs(factory, data, levels=(1, 3), runs=2, trainer=after, folder=tmp_path).equals(frame)
    assert after.calls == 11
    # random rankings do not depend on the attribution; another level or seed does
    diffroar_runs(factory, data, "integrated_gradients", levels=(1,), runs=1, trainer=after, folder=tmp_path)
    assert after.calls == 13
    damaged = next(tmp_path.glob("*.json"))
    damaged.write_text("{")
    with pytest.raises(UnreadableFile, match=f"{damaged.name}: the file is damaged, or no finished run"):
        diffroar_runs(factory, data, levels=(1, 3), runs=2, trainer=after, folder=tmp_path)
    damaged.unlink()
    again = diffroar_runs(factory, data, levels=(1, 3), runs=2, trainer=after, folder=tmp_path)
    assert again.equals(frame)


def test_robust_modules_and_given_attributions(data):
    seen = []

    def perturb(module, inputs, targets, done):
        seen.append(len(inputs))
        return inputs

    diffroar_runs(
        factory,
        data,
        levels=(1,),
        runs=1,
        trainer=AdamTrainer(epochs=2, batch_size=400, perturb=perturb),
        baseline=False,
    )
    assert len(seen) == 2  # the retrained modules have no adversary
    ranked = tuple(attribute(factory(seed=3), x) for x in (data.train_inputs, data.test_inputs))
    frame = diffroar(factory, data, ranked, levels=(2,), runs=1, trainer=QUICK, baseline=False)
    assert frame[["model", "low", "pairs_low"]].isna().all(axis=None)
    assert "random" not in frame


def test_one_logit_is_trained_on_log_odds(data):
    frame = diffroar(lambda seed: mlp((10,), [8], 1, seed=seed), data, levels=(1,), runs=1, trainer=QUICK)
    assert frame["model"][0] > 0.95
    assert frame["top"][0] > 0.9


def test_images_and_a_constant_attribution():
    few = subset(digits(), classes=(0, 1), train=60, test=40)
    quick = AdamTrainer(epochs=1)
    with pytest.warns(UserWarning, match="of 100 of 100 inputs is constant"):
        frame = diffroar(
            lambda seed: nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), few,
            lambda module, x, classes: torch.ones_like(x), levels=(0.5,), runs=1, trainer=quick, fill="mean",
        )  # fmt: skip
    assert frame["k"][0] == 32


def test_intervals():
    a, b = np.array([0.5, 0.7, 0.6]), np.array([0.2, 0.3, 0.1])
    low, high = paired_interval(a - b)
    assert (low, high) == pytest.approx((0.4 - 4.302653 * 0.1 / 3**0.5, 0.4 + 4.302653 * 0.1 / 3**0.5))
    low, high = pairs_interval(a, b)  # equal variances: n + m - 2 degrees of freedom
    half = 2.776445 * (2 * 0.01 / 3) ** 0.5
    assert (low, high) == pytest.approx((0.4 - half, 0.4 + half))
    assert np.isnan(paired_interval(a[:1])).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"runs": 0}, "at least one run, got 0"),
        ({"levels": ()}, "at least one level"),
        ({"levels": (0,)}, "from 1 to 10 coordinates, got 0"),
        ({"levels": (11,)}, "from 1 to 10 coordinates, got 11"),
        ({"seed": -1}, "at least 0, got -1"),
        ({"attribution": "lemon"}, "got 'lemon'"),
        ({"fill": "noise"}, "got 'noise'"),
        ({"module_factory": lambda seed: mlp((10,), [], 3, seed=seed), "classes": 4}, "class 3 has no"),
        (
            {"module_factory": lambda seed: mlp((10,), [4], 2, seed=seed), "classes": 3},
            "3 class scores, got 2",
        ),
        ({"confidence": 1}, "got 1"),
        ({"folder": __file__}, "is a file"),
    ],
)
def test_refuses_what_cannot_be(data, change, message):
    options = {
        "module_factory": factory,
        "levels": (1,),
        "runs": 1,
        "trainer": AdamTrainer(epochs=1, batch_size=400),
        **change,
    }
    classes = options.pop("classes", 2)
    if classes > 2:
        targets = data.train_targets.clone()
        targets[0] = 2
        if classes == 4:
            targets[1], targets[0] = 4, 2
        data = Dataset("made", data.train_inputs, targets, data.test_inputs, data.test_targets)
    with pytest.raises(ValueError, match=message):
        diffroar(data=data, **options)


def test_refuses_attributions_of_another_shape(data):
    with pytest.raises(ValueError, match=r"shape \(200, 10\), got \(200, 9\)"):
        diffroar(
            factory,
            data,
            (torch.ones(200, 9), torch.ones(200, 10)),
            levels=(1,),
            runs=1,
            trainer=AdamTrainer(epochs=1, batch_size=400),
        )
