"""Metagradients, against autograd through the whole run, differences of weights, and torch's optimizers."""

from __future__ import annotations

import pickle
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from token_models import Tagger, texts
from torch import nn
from torch.func import functional_call

from divulge.influence import Adam, AdamW, Sgd, Task, TrainingRun, linear_datamodeling_score

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((12, 3)), RNG.integers(0, 3, 12)
TEST = RNG.standard_normal((4, 3)), RNG.integers(0, 3, 4)
BATCHES = [[0, 1, 2, 3], [4, 5, 4], [9], [2, 3, 8, 10], [6, 7], [0, 1, 5, 6], [8, 9, 3]]
RATES = [0.05, 0.1, 0.0, 0.2, 0.1, 0.05, 0.02]

OPTIMIZERS = {
    "sgd": (Sgd(weight_decay=0.1), partial(torch.optim.SGD, weight_decay=0.1)),
    "momentum": (
        Sgd(momentum=0.9, weight_decay=0.1),
        partial(torch.optim.SGD, momentum=0.9, weight_decay=0.1),
    ),
    "nesterov": (
        Sgd(momentum=0.8, nesterov=True, weight_decay=0.1),
        partial(torch.optim.SGD, momentum=0.8, nesterov=True, weight_decay=0.1),
    ),
    "adam": (Adam(), torch.optim.Adam),
    "adam with decay": (
        Adam(betas=(0.8, 0.95), epsilon=1e-3, weight_decay=0.1),
        partial(torch.optim.Adam, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1),
    ),
    "adamw": (AdamW(weight_decay=0.3), partial(torch.optim.AdamW, weight_decay=0.3)),
}


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3)).double().eval()


def run_of(optimizer, **changes):
    given = {"optimizer": optimizer, "batches": BATCHES, "learning_rate": RATES}
    return TrainingRun(network(), (X, Y), **{**given, **changes})


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_those_of_torch(name):
    ours, theirs = OPTIMIZERS[name]
    module = network()
    optimizer = theirs(module.parameters(), lr=1.0)
    x, y = torch.from_numpy(X), torch.from_numpy(Y)
    for batch, rate in zip(BATCHES, RATES, strict=True):
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        F.cross_entropy(module(x[batch]), y[batch]).backward()
        optimizer.step()
    trained = run_of(ours).trained()
    for got, expected in zip(trained.parameters(), module.parameters(), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-13)


def unrolled(optimizer, weights):
    """Return test losses as a function of weights, with the whole run in one graph, by tensor."""
    module, x, y = network(), torch.from_numpy(X), torch.from_numpy(Y)
    theta = {n: p.detach().requires_grad_() for n, p in module.named_parameters()}
    first = {n: torch.zeros_like(p) for n, p in theta.items()}
    second = dict(first)
    for number, (batch, rate) in enumerate(zip(BATCHES, RATES, strict=True), 1):
        losses = F.cross_entropy(functional_call(module, theta, (x[batch],)), y[batch], reduction="none")
        loss = (weights[batch] * losses).mean()
        grads = dict(zip(theta, torch.autograd.grad(loss, theta.values(), create_graph=True), strict=True))
        for n, g in grads.items():
            decoupled = isinstance(optimizer, AdamW)
            if not decoupled:
                g = g + optimizer.weight_decay * theta[n]
            if isinstance(optimizer, Sgd):
                first[n] = optimizer.momentum * first[n] + g
                move = g + optimizer.momentum * first[n] if optimizer.nesterov else first[n]
                theta[n] = theta[n] - rate * move
                continue
            b, c = optimizer.betas
            first[n], second[n] = b * first[n] + (1 - b) * g, c * second[n] + (1 - c) * g**2
            root = (second[n] / (1 - c**number) + optimizer.epsilon_root).sqrt()
            kept = 1 - rate * optimizer.weight_decay if decoupled else 1
            theta[n] = kept * theta[n] - rate * first[n] / (1 - b**number) / (root + optimizer.epsilon)
    test_x, test_y = map(torch.from_numpy, TEST)
    return F.cross_entropy(functional_call(module, theta, (test_x,)), test_y, reduction="none")


@pytest.mark.parametrize("name", [*OPTIMIZERS, "smooth adam"])
def test_autograd_through_the_whole_run_says_the_same(name):
    optimizer = OPTIMIZERS[name][0] if name in OPTIMIZERS else Adam(epsilon_root=1e-3)
    weights = torch.linspace(0.5, 1.5, 12, dtype=torch.float64, requires_grad=True)
    losses = unrolled(optimizer, weights)
    expected = [torch.autograd.grad(loss, weights, retain_graph=True)[0].numpy() for loss in losses]
    got = run_of(optimizer).metagradients(TEST, weights=weights.detach().numpy())
    np.testing.assert_allclose(got.values, losses.detach().numpy(), rtol=1e-12)
    largest = np.abs(expected).max()
    np.testing.assert_allclose(got.scores / 12, expected, rtol=0, atol=1e-10 * largest)
    assert got.complete
    assert (got.steps, got.scores.shape) == (7, (4, 12))
    np.testing.assert_array_equal(got.scores[:, 11], 0)  # no batch holds it
    np.testing.assert_allclose(got.leave_one_out(), -np.array(expected), atol=1e-10)


def differences(run, test, rows, step=1e-5, **options):
    n = len(run._prepared.train)
    sides = [
        [run.values(test, weights=1 + side * step * (np.arange(n) == row), **options) for side in (1, -1)]
        for row in rows
    ]
    return np.array([(up - down) / (2 * step) for up, down in sides]).T


class Tied(nn.Module):
    """Names the next token with the table that it reads tokens by; one token is never met."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.inner, self.head = nn.Embedding(7, 3), nn.Linear(3, 3), nn.Linear(3, 7, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids):
        return self.head(F.gelu(self.inner(self.embed(ids))))


def tokens():
    ids = np.random.default_rng(1).integers(0, 6, (13, 5))
    task = Task(call=lambda module, text: module(text[:, :-1]), positions="sum", of="margin")
    return Tied().double().eval(), (ids[:10], ids[:10, 1:]), (ids[10:], ids[10:, 1:]), {"task": task}


def tagged():
    train, test = texts(9, 0), texts(3, 1)
    return Tagger().double().eval(), train, test, {"parameters": ["embed", "query", "norm.*"]}


def images():
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.GELU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8, 1)
    )
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((12, 1, 6, 6)), rng.standard_normal((12, 1))
    return module.double().eval(), (x[:9], y[:9]), (x[9:], y[9:]), {"loss": "squared"}


@pytest.mark.parametrize("optimizer", [Sgd(momentum=0.9), Adam(), AdamW(epsilon_root=1e-4)])
@pytest.mark.parametrize("case", [tokens, tagged, images])
def test_differences_of_weights_say_the_same(case, optimizer):
    module, train, test, options = case()
    run = TrainingRun(
        module,
        train,
        optimizer=optimizer,
        learning_rate=lambda t: 0.05 / (1 + t),
        batch_size=4,
        epochs=3,
        **options,
    )
    got = run.metagradients(test)
    expected = differences(run, test, (0, 3, 8))
    size = np.abs(got.scores).max() / got.scores.shape[1]
    np.testing.assert_allclose(
        got.scores[:, [0, 3, 8]] / got.scores.shape[1], expected, rtol=0, atol=1e-6 * size
    )
    assert np.abs(expected).max() > 0.01 * size


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 16, 17])
def test_numbers_of_steps(steps):
    run = run_of(Adam(), batches=(BATCHES * 3)[:steps], learning_rate=0.03)
    got = run.metagradients(TEST).scores[:, :1] / 12
    np.testing.assert_allclose(got, differences(run, TEST, (0,)), rtol=0, atol=1e-7)


def test_the_module_stays_and_the_same_seed_gives_the_same():
    module = network()
    before = [p.detach().clone() for p in module.parameters()]
    options = {"optimizer": Adam(), "epochs": 2, "batch_size": 5, "learning_rate": 0.1}
    first, again, other = (TrainingRun(module, (X, Y), seed=seed, **options) for seed in (3, 3, 4))
    assert [len(batch) for batch in first.batches] == [5, 5, 2, 5, 5, 2]
    assert [len(batch) for batch in TrainingRun(module, (X, Y)).batches] == [12]
    assert sorted(np.concatenate(first.batches[:3])) == list(range(12))
    with torch.no_grad():
        scores = [run.metagradients(TEST).scores for run in (first, again, other)]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert not np.allclose(scores[0], scores[2])
    trained = first.trained()
    assert not torch.equal(trained[0].weight, before[0])
    for got, expected in zip(module.parameters(), before, strict=True):
        assert torch.equal(got, expected)
        assert got.grad is None
    copy = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(copy.metagradients(TEST).scores, scores[0])


def test_single_precision():
    wide = run_of(Sgd(momentum=0.9)).metagradients(TEST)
    run = TrainingRun(
        network().float(), (X, Y), optimizer=Sgd(momentum=0.9), batches=BATCHES, learning_rate=RATES
    )
    got = run.metagradients(TEST)
    assert got.scores.dtype == np.float32
    np.testing.assert_allclose(got.scores, wide.scores, rtol=0, atol=1e-5 * np.abs(wide.scores).max())


def test_the_mean_over_test_points_and_more_of_them_than_a_block():
    run = run_of(Sgd())
    x, y = np.tile(TEST[0], (20, 1)), np.tile(TEST[1], 20)
    each, mean = run.metagradients((x, y)), run.metagradients((x, y), together=True)
    np.testing.assert_allclose(each.scores[76:], run.metagradients(TEST).scores, rtol=1e-12)
    np.testing.assert_allclose(mean.scores, each.scores.mean(0, keepdims=True), rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(mean.values, each.values.mean())
    assert mean.since.tolist() == [0]


def test_what_is_known_after_an_interruption():
    run = run_of(Sgd(momentum=0.9))
    told = []

    def stop(at):
        def progress(done, total):
            told.append((done, total))
            if done == at:
                raise KeyboardInterrupt

        return progress

    part = run.metagradients(TEST, progress=stop(10))
    assert told[-1] == (10, 14)
    assert not part.complete
    assert part.since.tolist() == [4] * 4
    frozen = run_of(Sgd(momentum=0.9))
    seen = np.unique(np.concatenate(BATCHES[4:]))
    assert not part.scores[:, np.setdiff1d(np.arange(12), seen)].any()
    assert part.scores[:, seen].all()
    whole = frozen.metagradients(TEST)
    np.testing.assert_allclose(part.scores[:, 7], whole.scores[:, 7])  # is in no batch before
    with pytest.raises(KeyboardInterrupt):
        run.metagradients(TEST, progress=stop(3))


def test_interrupted_in_the_second_block_of_test_points():
    run = run_of(Sgd())
    test = np.tile(TEST[0], (20, 1)), np.tile(TEST[1], 20)

    def progress(done, total):
        assert total == 21
        if done == 14:
            raise KeyboardInterrupt

    part = run.metagradients(test, progress=progress)
    assert part.since.tolist() == [0] * 64 + [7] * 16
    np.testing.assert_allclose(part.scores[:4], run.metagradients(TEST).scores)
    assert not part.scores[64:].any()
    np.testing.assert_allclose(part.values[64:68], run.values(TEST))


def test_training_without_samples_is_foretold():
    run = TrainingRun(
        network(), (X, Y), optimizer=Sgd(momentum=0.5), learning_rate=0.05, epochs=4, batch_size=4
    )
    scores = run.metagradients(TEST).scores
    measure = partial(run.values, TEST, None)
    found = linear_datamodeling_score(scores, measure, subsets=10, share=0.8, jobs=1)
    assert found.mean > 0.9
    kept = np.arange(12) != 5
    np.testing.assert_array_equal(measure(np.flatnonzero(kept)), run.values(TEST, weights=kept))


BAD = [
    ({"optimizer": "adam"}, TypeError, r"expected optimizer as Sgd\(\), Adam\(\) or AdamW\(\), got 'adam'"),
    ({"learning_rate": [0.1, 0.2]}, ValueError, "a learning rate for each of 7 steps, got 2"),
    ({"learning_rate": lambda t: 0.1 - t}, ValueError, "of at least 0, got -0.9 at step 1"),
    ({"learning_rate": "a"}, ValueError, "for each of 7 steps, got 1"),
    ({"learning_rate": np.nan}, ValueError, "of at least 0, got nan at step 0"),
    ({"learning_rate": [True] * 7}, ValueError, "of at least 0, got True at step 0"),
    ({"batches": []}, ValueError, "at least one batch, got none"),
    ({"batches": [[0], []]}, ValueError, r"batch 1 as row numbers of shape \(b,\), got float64"),
    ({"batches": [[0], [12]]}, ValueError, "rows from 0 to 11 in batch 1, got 12"),
    ({"batches": [[0], [-1]]}, ValueError, "rows from 0 to 11 in batch 1, got -1"),
    ({"batches": None, "epochs": 0}, ValueError, "epochs as a whole number of at least 1, got 0"),
    ({"batches": None, "batch_size": 2.5}, ValueError, "batch_size as a whole number of at least 1, got 2.5"),
    ({"batches": None, "seed": -1}, ValueError, "seed as a whole number of at least 0, got -1"),
    ({"parameters": ["3"]}, ValueError, "expected parameters among .* got '3'"),
    ({"task": "mean"}, TypeError, "expected task as a divulge.influence.Task, got 'mean'"),
    ({"task": Task(), "loss": "squared"}, ValueError, "one loss, got one in task= and another as loss="),
]


@pytest.mark.parametrize(("changes", "error", "message"), BAD)
def test_what_cannot_be_used_is_named(changes, error, message):
    with pytest.raises(error, match=message):
        run_of(**{"optimizer": Sgd(), **changes})


def test_modules_in_training_mode_and_data_are_looked_at():
    with pytest.raises(ValueError, match=r"Dropout '1' is in training mode.*call module.eval\(\) first"):
        TrainingRun(nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5)), (X, Y))
    with pytest.raises(ValueError, match="row 5 holds a NaN"):
        TrainingRun(network(), (np.where(np.arange(12)[:, None] == 5, np.nan, X), Y))
    run = run_of(Sgd())
    with pytest.raises(ValueError, match="expected 12 finite weights, one a training sample, got float64"):
        run.metagradients(TEST, weights=np.ones(3))
    with pytest.raises(ValueError, match="expected 12 finite weights"):
        run.trained(np.full(12, np.inf))
    with pytest.raises(ValueError, match="weights or rows, got both"):
        run.values(TEST, np.ones(12), [0])
    with pytest.raises(ValueError, match="rows from 0 to 11, got 12"):
        run.values(TEST, rows=[12])
    with pytest.raises(ValueError, match="test targets from 0 to 2, got 3 at row 0"):
        run.metagradients((TEST[0], TEST[1] * 0 + 3))
    with pytest.raises(ValueError, match="like the training data"):
        run.metagradients((TEST[0][:, :2], TEST[1]))


def test_runs_that_leave_the_finite_numbers():
    steep = run_of(Sgd(), learning_rate=1e200, loss=lambda z, y: (z**2).sum(1))
    with pytest.raises(ValueError, match=r"leaves the finite numbers at step \d, learning rate 1e\+200"):
        steep.metagradients(TEST)


def test_a_module_that_computes_something_else_the_next_time_is_found():
    calls = [0]

    class Late(nn.Linear):
        def forward(self, x):
            calls[0] += 1
            return super().forward(x) * (1 + (calls[0] > 25))

    run = TrainingRun(Late(3, 3).double().eval(), (X, Y), batches=BATCHES * 2, learning_rate=0.1)
    calls[0] = 8
    with pytest.raises(ValueError, match=r"training from step \d+ on, taken again, ends .* away"):
        run.metagradients(TEST)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sgd(momentum=1.0), "momentum from 0 to below 1, got 1.0"),
        (lambda: Sgd(nesterov=True), "momentum above 0 with nesterov=True, got 0"),
        (lambda: Sgd(weight_decay=-1), "weight_decay of at least 0, got -1"),
        (lambda: Adam(betas=(0.9, 1.0)), "the second of betas from 0 to below 1, got 1.0"),
        (lambda: Adam(betas=0.9), "betas as two numbers, got 0.9"),
        (lambda: Adam(epsilon=0), "epsilon above 0, got 0"),
        (lambda: AdamW(epsilon_root=np.nan), "epsilon_root of at least 0, got nan"),
    ],
)
def test_optimizers_that_there_are_not(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_run_keeps_to_the_tensors_it_began_with():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 3)).double().eval()
    run = TrainingRun(module, (X, Y), parameters=["3"], batches=BATCHES, learning_rate=0.1)
    expected = run.values(TEST)
    with torch.no_grad():
        for tensor in (module[0].weight, module[1].running_mean, module[3].weight):
            tensor += 1
    np.testing.assert_array_equal(run.values(TEST), expected)
    outputs = run.trained()(torch.tensor(TEST[0]))
    losses = nn.functional.cross_entropy(outputs, torch.tensor(TEST[1]), reduction="none")
    np.testing.assert_allclose(losses.detach().numpy(), expected)
    module.train()
    for ask in (run.trained, lambda: run.values(TEST), lambda: run.metagradients(TEST)):
        with pytest.raises(
            ValueError, match=r"hooks of this Sequential were changed since, such as by train"
        ):
            ask()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"learning_rate": np.array(0.1)}, r"a learning rate of at least 0, got array\(0.1\)"),
        ({"learning_rate": torch.tensor(0.1)}, r"a learning rate of at least 0, got tensor\(0.1000\)"),
        ({"batches": 5}, "batches as the row numbers of each step, got 5"),
    ],
)
def test_single_numbers_in_other_forms(given, message):
    with pytest.raises(ValueError, match=message):
        TrainingRun(network(), (X, Y), **{"batches": BATCHES, **given})
