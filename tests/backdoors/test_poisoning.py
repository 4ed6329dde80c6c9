import pytest
import torch
from computed_weights import small_networks

from divulge.backdoors import Trigger, mitigate, poison, square, train_twin
from divulge.datasets import Dataset
from divulge.evaluation.layer_order import learned


def test_a_share_of_the_training_part_is_poisoned(data):
    trigger = square(data.input_shape, 3, 0, -3, value=0.5)
    poisoned = poison(data, trigger, 4, rate=0.1, seed=2)
    changed = (poisoned.train_inputs != data.train_inputs).flatten(1).any(1)
    relabelled = poisoned.train_targets != data.train_targets
    assert int(relabelled.sum()) == round(0.1 * len(data.train_targets))
    assert bool(relabelled[changed].all())
    assert bool((poisoned.train_targets[changed] == 4).all())
    assert bool((poisoned.train_inputs[changed][:, :, :3, -3:] == 0.5).all())
    assert torch.equal(poisoned.test_inputs, data.test_inputs)
    assert not torch.equal(poison(data, trigger, 4, rate=0.1, seed=3).train_inputs, poisoned.train_inputs)


def test_a_trigger_blends():
    trigger = square((1, 4, 4), 2, 1, 1, value=1.0, opacity=0.25)
    image = torch.full((1, 1, 4, 4), 0.2)
    assert float(trigger(image)[0, 0, 1, 1]) == pytest.approx(0.75 * 0.2 + 0.25)
    assert float(trigger(image)[0, 0, 0, 0]) == pytest.approx(0.2)
    assert trigger.size == 1
    assert trigger.place == (1, 3, 1, 3)
    assert Trigger(torch.zeros(4, 4), torch.zeros(1, 4, 4)).place == (0, 0, 0, 0)


def test_success_counts_only_those_that_are_not_there_yet():
    class Brightest(torch.nn.Module):
        def forward(self, x):
            return x.flatten(1)

    images = torch.eye(4).reshape(4, 1, 2, 2)
    trigger = Trigger(torch.tensor([[1.0, 0], [0, 0]]), torch.full((1, 2, 2), 2.0))
    assert trigger.success(Brightest(), images, 0) == 1
    weak = Trigger(torch.tensor([[1.0, 0], [0, 0]]), torch.full((1, 2, 2), 0.5))
    assert weak.success(Brightest(), images, 0) == 0
    assert torch.tensor(weak.success(Brightest(), images[:1], 0)).isnan()


def test_a_twin_is_seeded_and_the_original_stays(clean, data):
    before = [p.clone() for p in clean.parameters()]
    state = torch.get_rng_state()
    one, again, other = (train_twin(clean, data, seed=seed, epochs=1) for seed in (1, 1, 2))
    assert all(torch.equal(*pair) for pair in zip(one.parameters(), again.parameters(), strict=True))
    assert not torch.equal(one[0].weight, other[0].weight)
    assert all(torch.equal(*pair) for pair in zip(before, clean.parameters(), strict=True))
    assert torch.equal(torch.get_rng_state(), state)
    assert not one.training


def few_images():
    """Images of 2x2 in three classes."""
    x = torch.rand(30, 1, 2, 2, generator=torch.Generator().manual_seed(1))
    y = torch.arange(30) % 3
    return Dataset("few", x, y, x, y)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize(("name", "module"), list(small_networks()))
def test_a_twin_of_a_module_that_computes_its_weights_knows_nothing_of_it(name, module):
    with torch.no_grad():
        for _, tensor in learned(module):
            tensor.add_(5)  # what must not be seen in the twin
    before = {tensor_name: tensor.clone() for tensor_name, tensor in module.state_dict().items()}
    untrained = train_twin(module, few_images(), epochs=1, learning_rate=1e-9)
    for tensor_name, tensor in learned(untrained):
        assert (tensor - before[tensor_name]).abs().max() > 1e-3, (name, tensor_name)
    assert all(
        torch.equal(tensor, before[tensor_name]) for tensor_name, tensor in module.state_dict().items()
    )


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize(("name", "module"), list(small_networks()))
def test_a_module_that_computes_its_weights_is_mitigated(name, module):
    before = {tensor_name: tensor.clone() for tensor_name, tensor in module.state_dict().items()}
    result = mitigate(module, few_images(), {1: square((1, 2, 2), 1, 0, 0)}, epochs=1, learning_rate=0.1)
    assert all(
        torch.equal(tensor, before[tensor_name]) for tensor_name, tensor in module.state_dict().items()
    )
    assert not torch.equal(result.module(few_images().test_inputs), module(few_images().test_inputs)), name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": 10}, "expected a target from 0 to 9, got 10"),
        ({"rate": 0}, "expected a rate between 0 and 1, got 0"),
        (
            {"trigger": square((1, 9, 8), 1, 0, 0)},
            r"expected a trigger for images \(1, 8, 8\), got \(1, 9, 8\)",
        ),
    ],
)
def test_bad_input_is_one_sentence(data, change, message):
    arguments = {"trigger": square((1, 8, 8), 1, 0, 0), "target": 0, "rate": 0.1, **change}
    with pytest.raises(ValueError, match=message):
        poison(data, **arguments)


def test_a_square_outside_the_image():
    with pytest.raises(ValueError, match="inside 8x8 pixels, got side 3 at row 6, column 0"):
        square((1, 8, 8), 3, -2, 0)
