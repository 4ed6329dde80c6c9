import pytest
import torch

from divulge.backdoors import backdoor_scan, mitigate, square
from divulge.training import accuracy


def test_a_backdoor_is_unlearned(backdoored, data):
    scan = backdoor_scan(backdoored, data.train_inputs)
    before = [p.clone() for p in backdoored.parameters()]
    calls = []
    result = mitigate(backdoored, data, scan, epochs=20, progress=lambda *done: calls.append(done))
    assert all(torch.equal(*pair) for pair in zip(before, backdoored.parameters(), strict=True))
    assert result.success_before[3] > 0.8
    assert result.success[3] < 0.1
    assert result.accuracy > result.accuracy_before - 0.02
    assert result.accuracy == accuracy(result.module, data.test_inputs, data.test_targets)
    true = square(data.input_shape, 2, -2, -2)
    assert true.success(result.module, data.test_inputs, 3) < 0.3 * true.success(
        backdoored, data.test_inputs, 3
    )
    assert not result.module.training
    assert calls[-1] == (20, 20)


def test_triggers_may_be_given_and_the_seed_decides(backdoored, data):
    triggers = {3: square(data.input_shape, 2, -2, -2), 5: square(data.input_shape, 2, 0, 0)}
    one, again, other = (
        mitigate(backdoored, data, triggers, epochs=1, images=200, seed=seed).module for seed in (0, 0, 1)
    )
    assert torch.equal(one[0].weight, again[0].weight)
    assert not torch.equal(one[0].weight, other[0].weight)


@pytest.mark.parametrize(
    ("finding", "change", "message"),
    [
        ({}, {}, "expected a finding with a flagged class, none is flagged"),
        ({3: square((1, 9, 9), 2, 0, 0)}, {}, r"expected triggers for images \(1, 8, 8\), got \(1, 9, 9\)"),
        ({3: square((1, 8, 8), 2, 0, 0)}, {"share": 0}, "expected a share above 0 and at most 1, got 0"),
        ({3: square((1, 8, 8), 2, 0, 0)}, {"images": 0}, "expected images of at least 1, got 0"),
        ({3: square((1, 8, 8), 2, 0, 0)}, {"epochs": 0}, "expected at least one epoch, got 0"),
    ],
)
def test_bad_input_is_one_sentence(backdoored, data, finding, change, message):
    with pytest.raises(ValueError, match=message):
        mitigate(backdoored, data, finding, **change)
