import pytest
import torch

from divulge.datasets import Dataset, digits, subset
from divulge.evaluation import AdamTrainer, debugging_tests, spurious_mark
from divulge.training import mlp


@pytest.fixture(scope="module")
def data():
    return subset(digits(), classes=(0, 1, 2), train=300)


def factory(seed):
    return mlp((1, 8, 8), [24], 3, seed=seed)


def test_gradients_expose_what_random_numbers_do_not(data):
    seen = []
    frame = debugging_tests(
        factory, data, ("gradient", "random"), trainer=AdamTrainer(epochs=30), images=60,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert seen == [(i, 4) for i in range(1, 5)]
    table = frame.set_index(["bug", "attribution"])
    assert len(table) == 6
    for bug in ("spurious", "reinitialised"):
        assert table.loc[(bug, "gradient"), "exposed"]
        assert not table.loc[(bug, "random"), "exposed"]
        assert 0.3 < table.loc[(bug, "random"), "detection"] < 0.7
    spurious = table.loc[("spurious", "gradient")]
    assert spurious["score"] > spurious["correct"]
    assert table.loc[("reinitialised", "gradient"), "test_accuracy"] < 0.8
    assert table.loc[("mislabelled", "gradient"), "test_accuracy"] > 0.8


def test_some_bugs_are_trained_alone(data):
    frame = debugging_tests(
        factory, data, ("gradient",), bugs=("reinitialised",), trainer=AdamTrainer(epochs=1), images=9
    )
    assert list(frame["bug"]) == ["reinitialised"]
    again = debugging_tests(
        factory, data, ("gradient",), bugs=("reinitialised",), trainer=AdamTrainer(epochs=1), images=9
    )
    assert frame.equals(again)


def test_the_mark_names_the_class(data):
    marked, inside = spurious_mark(data)
    assert inside.nonzero().tolist() == [[7, column] for column in range(8)]
    assert torch.equal(marked.test_inputs[:, :, :7], data.test_inputs[:, :, :7])
    bars = marked.test_inputs[:, 0, 7]
    assert bars.sum(1).gt(1).all()
    for c, part in enumerate((slice(0, 3), slice(3, 6), slice(6, 8))):
        own = bars[data.test_targets == c]
        assert own[:, part].eq(1).all()
        assert own.sum(1).eq(own[:, part].shape[1]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bugs": ("typo",)}, "got 'typo'"),
        ({"mislabelled": 0.0}, "between 0 and 1, got 0.0"),
        ({"images": 0}, "at least one image, got 0"),
        ({"threshold": 0.4}, "from 0.5 to 1, got 0.4"),
        ({"module_factory": lambda seed: mlp((1, 8, 8), [], 2, seed=seed)}, "3 class scores, got 2"),
    ],
)
def test_refuses_what_cannot_be(data, options, message):
    with pytest.raises(ValueError, match=message):
        debugging_tests(**{"module_factory": factory, "data": data, **options})


def test_refuses_data_without_room_for_the_mark(data):
    flat = Dataset("flat", *(x.flatten(1) if x.ndim > 1 else x for x in (
        data.train_inputs, data.train_targets, data.test_inputs, data.test_targets)))  # fmt: skip
    with pytest.raises(ValueError, match=r"at least 3 columns, one a class, got \(64,\)"):
        debugging_tests(factory, flat)
