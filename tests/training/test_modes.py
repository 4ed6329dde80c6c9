import pytest
import torch
from computed_weights import computed_weights
from torch import nn

from divulge import GradientOracle, Victim, steal
from divulge.attributions import attribute
from divulge.evaluation import parameter_randomisation
from divulge.evaluation.power import check_fit
from divulge.training import Pgd, accuracy, fit_classifier
from divulge.training.modes import copied, evaluating


@pytest.fixture
def module():
    """A module in training whose batch norm and dropout are frozen."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Flatten(), nn.Linear(16, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3)
    )
    module[2].running_mean.fill_(0.3)
    module.train()
    module[2].eval()
    module[4].eval()
    return module


INPUTS = torch.rand(9, 1, 4, 4, generator=torch.Generator().manual_seed(0))
TARGETS = torch.arange(9) % 3
FROZEN = [True, True, True, False, True, False, True]


def modes(module):
    return [part.training for part in module.modules()]


def test_every_part_gets_its_own_mode_back(module):
    assert modes(module) == FROZEN
    with evaluating(module):
        assert not any(modes(module))
    assert modes(module) == FROZEN


def test_also_after_an_error(module):
    with pytest.raises(RuntimeError, match="halfway"), evaluating(module):
        raise RuntimeError("halfway")
    assert modes(module) == FROZEN


def test_a_mode_that_train_and_eval_refuse_to_change(module):
    class Fixed(nn.Module):
        def train(self, mode=True):
            raise NotImplementedError

        def forward(self, x):
            return x

    module.append(Fixed())
    with evaluating(module):
        assert not any(modes(module))
    assert modes(module) == [*FROZEN, True]


def attributed(module):
    attribute(module, INPUTS, "smoothgrad")


def randomised(module):
    parameter_randomisation(module, INPUTS)


def attacked(module):
    Pgd(0.1)(module, INPUTS, TARGETS)


def checked(module):
    check_fit(module, Few(INPUTS, TARGETS))


class Few:
    """What `check_fit` looks at."""

    classes = 3

    def __init__(self, inputs, targets):
        self.train_inputs, self.train_targets = inputs, targets


def counted(module):
    accuracy(module, INPUTS, TARGETS)


@pytest.mark.parametrize("use", [attributed, randomised, attacked, checked, counted])
def test_what_is_frozen_stays_so_in_the_owners_next_step(module, use):
    statistics = module[2].running_mean.clone()
    use(module)
    assert modes(module) == FROZEN
    module(INPUTS)
    assert torch.equal(module[2].running_mean, statistics)


@pytest.mark.parametrize("use", [attributed, attacked, checked, counted])
def test_a_module_that_fails_is_left_as_it_was(module, use):
    module.append(nn.Linear(7, 7))  # takes other numbers than the module gives
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        use(module)
    assert modes(module) == [*FROZEN, True]


def test_training_against_an_adversary_attacks_the_module_as_it_answers(module):
    seen = []

    class Watch(Pgd):
        def __call__(self, module, inputs, targets, done=1.0):
            before = modes(module)
            attacked = super().__call__(module, inputs, targets, done)
            seen.append(modes(module) == before)
            return attacked

    fit_classifier(module, INPUTS, TARGETS, epochs=2, perturb=Watch(0.1))
    assert seen == [True, True]
    assert not any(modes(module))


def test_accuracy_is_that_of_the_module_as_it_answers(module):
    module.train()  # batch norm and dropout too
    statistics = module[2].running_mean.clone()
    one, two = (accuracy(module, INPUTS, TARGETS) for _ in range(2))
    assert one == two
    assert torch.equal(module[2].running_mean, statistics)
    with evaluating(module):
        assert one == float((module(INPUTS).argmax(dim=1) == TARGETS).double().mean())


def test_borrowed_twice_it_goes_back_with_the_last(module):
    first, second = evaluating(module), evaluating(module[2])
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert modes(module) == [True, True, True, False, True, False, True]
    second.__exit__(None, None, None)
    assert modes(module) == FROZEN
    with evaluating(module), evaluating(module):
        pass
    assert modes(module) == FROZEN


def test_training_that_fails_leaves_the_modes_as_they_were(module):
    with pytest.raises(IndexError, match="out of bounds"):
        fit_classifier(module, INPUTS, TARGETS + 5, epochs=1)
    assert modes(module) == FROZEN


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_the_copy_of_a_scripted_part_can_be_trained():
    module = nn.Sequential(
        torch.jit.script(nn.Sequential(nn.Linear(4, 3), nn.ReLU())), nn.Linear(3, 2)
    ).eval()
    x, y = torch.rand(5, 4, generator=torch.Generator().manual_seed(0)), torch.arange(5) % 2
    expected = module(x).detach()
    copy = copied(module)
    torch.testing.assert_close(copy(x), expected)
    before = [parameter.detach().clone() for parameter in copy.parameters()]
    fit_classifier(copy, x, y, epochs=1, learning_rate=0.1)
    assert not any(map(torch.equal, before, copy.parameters()))
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize(("name", "layer"), list(computed_weights()))
def test_a_module_with_computed_weights_is_copied(name, layer):
    module = nn.Sequential(layer, nn.ReLU(), nn.Linear(3, 2))
    x = torch.rand(5, 4, generator=torch.Generator().manual_seed(0))
    module(x).sum().backward()
    module.eval()
    expected = module(x).detach()
    copy = copied(module)
    torch.testing.assert_close(copy(x), expected)
    with torch.no_grad():
        for parameter in copy.parameters():
            parameter.add_(1)
    assert not torch.equal(copy(x), expected)
    torch.testing.assert_close(module(x), expected)
    frame = parameter_randomisation(module, x)
    assert list(frame["layer"]) == ["2", "0"]
    stolen = steal(GradientOracle(Victim(module)), module, queries=5, steps=2)
    assert stolen.module(x).shape == (5, 2)
    torch.testing.assert_close(module(x), expected)
