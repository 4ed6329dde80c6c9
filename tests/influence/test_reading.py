"""Training data in the forms that people pass."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from dense_influence import dense
from torch import nn
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from divulge import Influence
from divulge.influence.reading import read_pair


class Items(Dataset):
    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


class Stream(IterableDataset):
    def __init__(self, items):
        self.items = items

    def __iter__(self):
        return iter(self.items)


class Doubled(TensorDataset):
    """Transforms what it holds."""

    def __getitem__(self, i):
        x, y = super().__getitem__(i)
        return 2 * x, y


@pytest.fixture
def problem(make):
    module, train, test = make("logistic", n=12)
    return module, train, test, Influence(module, train, damping=0.5).scores(test)


def joined(items):
    return torch.stack([x for x, _ in items]) / 2, torch.stack([y for _, y in items])


def dicts(x, y, inputs, targets):
    return [{inputs: a, targets: b} for a, b in zip(x, y, strict=True)]


def loader(x, y, **options):
    return DataLoader(TensorDataset(x, y), batch_size=5, **options)


FORMS = {
    "dict": lambda x, y: {"inputs": x, "labels": y},
    "list of pairs": lambda x, y: list(zip(x, y, strict=True)),
    "tuple of lists": lambda x, y: tuple([a, int(b)] for a, b in zip(x, y, strict=True)),
    "list of dicts": lambda x, y: dicts(x, y, "x", "label"),
    "dataset of dicts": lambda x, y: Items(
        [{"pixel_values": a, "labels": b} for a, b in zip(x, y, strict=True)]
    ),
    "loader": loader,
    "shuffled loader": lambda x, y: DataLoader(
        TensorDataset(x, y), batch_size=5, shuffle=True, drop_last=True
    ),
    "loader that collates": lambda x, y: loader(2 * x, y, collate_fn=joined),
    "stream": lambda x, y: DataLoader(Stream(list(zip(x, y, strict=True))), batch_size=5),
    "bare stream": lambda x, y: Stream(list(zip(x, y, strict=True))),
    "subset": lambda x, y: Subset(TensorDataset(torch.cat([x, x]), torch.cat([y, y])), range(12)),
    "transformed": lambda x, y: Doubled(x / 2, y),
    "big-endian": lambda x, y: (x.numpy().astype(">f8"), y.numpy().astype(">i4")),
    "long doubles": lambda x, y: (x.numpy().astype(np.longdouble), y.numpy()),
}


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_forms_that_say_the_same(problem, form, lower):
    module, (x, y), test, expected = problem
    train = FORMS[form](torch.as_tensor(x), torch.as_tensor(y))
    influence = Influence(module, train, damping=0.5, lower=lower)
    np.testing.assert_allclose(influence.scores(test), expected, rtol=1e-6, atol=1e-9)


def test_big_endian_files(problem, tmp_path):
    module, (x, y), test, expected = problem
    np.save(tmp_path / "x.npy", x.astype(">f8"))
    train = np.load(tmp_path / "x.npy", mmap_mode="r"), y
    for lower in (True, False):
        influence = Influence(module, train, damping=0.5, lower=lower)
        np.testing.assert_allclose(influence.scores(test), expected, rtol=1e-6, atol=1e-9)


WRONG = {
    "drawn": (
        lambda x, y: loader(x, y, sampler=WeightedRandomSampler([1.0] * 12, 12)),
        "got the sampler WeightedRandomSampler; pass a Dataset",
    ),
    "a part": (
        lambda x, y: loader(x, y, sampler=SubsetRandomSampler(range(5))),
        "got the sampler SubsetRandomSampler",
    ),
    "keys": (
        lambda x, y: [{"x": x[0], "y": y[0], "mask": 1}],
        "the module fails on inputs of shapes .* 'x', .* 'mask': .* unexpected keyword argument 'x'",
    ),
    "other keys": (lambda x, y: {"a": x, "b": y}, "a dict with one key among .*, got a, b"),
    "triples": (lambda x, y: Items([(x[0], y[0], 1)]), "samples that are pairs .*, got tuple of 3"),
    "shapes": (
        lambda x, y: Items([(x[0], y[0]), (x[1, :, :2], y[1])]),
        r"inputs of one shape, got \(1, 6, 6\) and, at row 1, \(1, 2, 6\)",
    ),
    "two pairs": (lambda x, y: [(x[0], x[1]), (x[2], x[3])], "two pairs that may be either"),
    "nothing": (lambda x, y: Items([]), "an empty Dataset"),
    "words": (
        lambda x, y: (x, np.array(list("abcabcabcabc"))),
        "targets that are real numbers, got dtype <U1",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_forms_that_are_not_plain_are_refused(problem, name):
    module, (x, y), *_ = problem
    build, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        Influence(module, build(torch.as_tensor(x), torch.as_tensor(y)))


def test_two_samples_as_pairs(problem):
    module, (x, y), test, _ = problem
    pairs = [(x[0], int(y[0])), (x[1], int(y[1]))]
    expected = Influence(module, (x[:2], y[:2]), damping=0.5).scores(test)
    np.testing.assert_allclose(Influence(module, pairs, damping=0.5).scores(test), expected)


class Tokens(nn.Module):
    """Looks up token numbers, or what is left of them."""

    def __init__(self, cast):
        super().__init__()
        self.table, self.last, self.cast = nn.Embedding(7, 3), nn.Linear(3, 2), cast

    def forward(self, x):
        return self.last(torch.tanh(self.table(x.long() if self.cast else x)).mean(1))


@pytest.mark.parametrize(
    ("cast", "dtype"),
    [(False, np.int64), (False, np.int32), (True, np.int64), (True, np.uint8)],
)
def test_token_numbers_stay_whole(cast, dtype):
    torch.manual_seed(0)
    module = Tokens(cast).double()
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 7, (14, 4)), rng.integers(0, 2, 14)
    train, test = (x[:10].astype(dtype), y[:10]), (x[10:].astype(dtype), y[10:])
    expected = dense(module, (x[:10], y[:10]), (x[10:], y[10:])).scores(0.5, "gauss_newton")
    options = {"curvature": "gauss_newton", "damping": 0.5, "tolerance": 1e-12}
    influence = Influence(module, train, **options)
    np.testing.assert_allclose(influence.scores(test), expected, rtol=1e-8, atol=1e-12)
    if dtype != np.uint8:
        with pytest.raises(ValueError, match="test inputs that are whole numbers"):
            influence.scores((test[0].astype(float), test[1]))
        with pytest.raises(ValueError, match="several, and whole numbers, have no gradient"):
            influence.perturbation(test, [0])


def test_token_numbers_above_single_precision(make):
    class Parity(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = nn.Linear(2, 2)

        def forward(self, x):
            return self.last((x.long() % 2).float())

    x = np.array([[2**24 + 1, 2], [2**24, 3], [5, 2**24 + 3]])
    small, y = x % 2, np.array([0, 1, 1])
    module = Parity()
    scores = [Influence(module, (a, y), damping=0.1).scores((a, y)) for a in (x, small)]
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-5)


def test_whole_numbers_of_a_dense_network(problem):
    module, (x, y), test, _ = problem
    whole = np.round(3 * x).astype(np.int64)
    scores = [Influence(module, (a, y), damping=0.5).scores(test) for a in (whole, whole.astype(float))]
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-7)


@pytest.mark.parametrize("name", ["damping", "weight_decay"])
@pytest.mark.parametrize("value", [None, "0.1", [0.1], True, 1j])
def test_numbers_that_are_none(problem, name, value):
    module, train, *_ = problem
    with pytest.raises(ValueError, match=f"expected {name} of at least 0, got "):
        Influence(module, train, **{name: value})


def test_other_arguments_that_are_none(problem):
    module, train, test, expected = problem
    for name, value in (
        ("tolerance", "1e-3"),
        ("rank", None),
        ("batch_size", "8"),
        ("seed", 0.5),
        ("seed", -1),
    ):
        with pytest.raises(ValueError, match=f"expected (a )?{name}.*, got "):
            Influence(module, train, **{name: value})
    with pytest.raises(ValueError, match="temperature of at least 0, got None"):
        Influence(module, train, loss="smooth_hinge", temperature=None)
    influence = Influence(module, train, damping=np.float32(0.5), batch_size=np.int64(3))
    np.testing.assert_allclose(influence.scores(test), expected, rtol=1e-7)
    with pytest.raises(ValueError, match="whole k from 1 to 12, got '3'"):
        influence.top_k(test, "3")


def ragged_loader(batch_first=True, ordered=True, lengths=(2, 4, 3)):
    """Texts filled up to the longest, as pad_sequence does it, with a class each."""
    items = [(torch.arange(1, n + 1) + 10 * i, i) for i, n in enumerate(lengths)]

    def filled(batch):
        batch = batch if ordered else sorted(batch, key=lambda item: -len(item[0]))
        texts = torch.nn.utils.rnn.pad_sequence([x for x, _ in batch], batch_first=batch_first)
        return texts, torch.tensor([y for _, y in batch])

    return DataLoader(items, batch_size=2, collate_fn=filled)


def test_texts_filled_up_keep_their_order():
    inputs, targets = read_pair(ragged_loader(), "training")
    np.testing.assert_array_equal(inputs, [[1, 2, 0, 0], [11, 12, 13, 14], [21, 22, 23, 0]])
    np.testing.assert_array_equal(targets, [0, 1, 2])


@pytest.mark.parametrize("lengths", [(2, 4, 3), (3, 3, 3), (3, 3, 4)])
def test_batches_with_another_first_axis_are_refused(lengths):
    with pytest.raises(ValueError, match=r"puts samples on the first axis, got shape \(\d, 1\) for 1"):
        read_pair(ragged_loader(batch_first=False, lengths=lengths), "training")


def test_batches_that_are_sorted_are_refused():
    with pytest.raises(ValueError, match="keeps the samples' order, row 0 is another sample"):
        read_pair(ragged_loader(ordered=False), "training")
