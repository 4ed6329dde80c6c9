import pytest
import torch

from divulge.backdoors import Trigger, backdoor_scan, mitigate, square, train_twin
from divulge.backdoors.all_to_all import moves_of
from divulge.datasets import Dataset

CORNER = (7, 7)


class Corner(torch.nn.Module):
    """Names the brightest column, and under a bright corner the next one, or always the last."""

    def __init__(self, classes, everywhere):
        super().__init__()
        self.classes = classes
        to = torch.arange(1, classes + 1) % classes if everywhere else torch.full((classes,), classes - 1)
        self.register_buffer("moved", torch.eye(classes)[to])

    def forward(self, x):
        classes = 20 * x[:, 0, :7, : self.classes].mean(1)
        corner = torch.sigmoid(12 * x[:, 0, 7, 7] - 6)[:, None]
        return (1 - corner) * classes + corner * classes @ self.moved


def images(classes, n=200):
    x = 0.2 * torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    x[torch.arange(n), 0, :7, torch.arange(n) % classes] += 0.4
    return x


def test_where_a_trigger_sends_each_class():
    module, trigger = Corner(5, True), square((1, 8, 8), 1, *CORNER)
    assert moves_of(module, trigger, images(5)) == {0: 1, 1: 2, 2: 3, 3: 4, 4: 0}
    assert moves_of(module, trigger, images(5)[:40]) == {}  # eight of a class
    assert moves_of(module, square((1, 8, 8), 1, 3, 3), images(5)) == {}
    faint = Trigger(trigger.mask * 0.2, trigger.pattern)
    assert moves_of(module, faint, images(5)) == {}
    assert moves_of(Corner(5, False), trigger, images(5)) == {0: 4, 1: 4, 2: 4, 3: 4}


@pytest.mark.parametrize(
    ("classes", "everywhere", "found"), [(6, True, True), (3, True, False), (6, False, False)]
)
def test_all_to_all_is_found_where_classes_go_to_as_many_classes(classes, everywhere, found):
    scan = backdoor_scan(Corner(classes, everywhere).eval(), images(classes), classes=classes)
    assert (scan.away is not None) == found
    if found:
        assert scan.moves == {k: (k + 1) % classes for k in range(classes)}
        assert scan.away.size < 3
        assert scan.away.mask[CORNER] > 0.9 * scan.away.size
        assert "0 to 1, 1 to 2" in scan.finding
        assert set(scan.found) == set(range(classes))
    else:
        assert not scan.moves


def test_one_that_was_trained_is_found_and_unlearned(clean, data):
    trigger = square(data.input_shape, 2, -2, -2)
    x, y = data.train_inputs.clone(), data.train_targets.clone()
    x[::3], y[::3] = trigger(x[::3]), (y[::3] + 1) % 10
    poisoned = Dataset("all to all", x, y, data.test_inputs, data.test_targets)
    module = train_twin(clean, poisoned, seed=1, epochs=30, learning_rate=5e-3)
    true = moves_of(module, trigger, data.test_inputs)
    assert len(set(true.values())) >= 8
    scan = backdoor_scan(module, data.train_inputs)
    assert len(set(scan.moves.items()) & set(true.items())) >= 5
    assert "by one trigger of" in scan.finding
    assert float(scan.away.mask[-2:, -2:].sum()) > 0.4 * scan.away.size
    result = mitigate(module, data, scan, epochs=20)
    assert len(moves_of(result.module, trigger, data.test_inputs)) < 0.5 * len(true)
    assert backdoor_scan(module, data.train_inputs, source=3).away is None
    assert backdoor_scan(module, shape=data.input_shape).away is None
