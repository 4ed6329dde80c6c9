import pytest
import torch
import torch.nn.functional as F
from torch import nn

from divulge.evaluation import parameter_randomisation
from divulge.evaluation.layer_order import draw_anew, trained_layers
from divulge.evaluation.randomisation import randomised

X = torch.rand(6, 8, generator=torch.Generator().manual_seed(0))


class HeadFirst(nn.Module):
    """Registers its layers against the order in which they are called."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(5, 3)
        self.norm = nn.BatchNorm1d(5, affine=False)
        self.body = nn.Sequential(nn.Linear(7, 5), nn.ReLU())
        self.stem = nn.Linear(8, 7)
        self.shift = nn.Parameter(torch.zeros(3))

    def forward(self, x):
        return self.head(self.norm(self.body(self.stem(x)))) + self.shift


def test_layers_stand_in_the_order_of_execution():
    assert list(trained_layers(HeadFirst(), X)) == ["stem", "body.0", "norm", "head", ""]
    assert list(parameter_randomisation(HeadFirst().eval(), X)["layer"]) == [
        "",
        "head",
        "norm",
        "body.0",
        "stem",
    ]


def test_functions_with_parameters_have_their_place_too():
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = nn.Linear(8, 3)
            self.first = nn.Linear(8, 8)
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x):
            x = torch.relu(x @ self.first.weight.T)[:, None]
            return F.linear(self.attention(x, x, x)[0][:, 0], weight=self.last.weight)

    order = list(trained_layers(Functional().train(), X))
    assert (order[0], order[-1]) == ("first", "last")
    assert set(order[1:-1]) == {"attention", "attention.out_proj"}


def test_a_parametrised_layer_is_one():
    first = nn.utils.parametrizations.weight_norm(nn.Linear(8, 5))
    module = nn.Sequential(first, nn.ReLU(), nn.utils.parametrizations.spectral_norm(nn.Linear(5, 3)))
    module(X)
    layers = trained_layers(module.eval(), X)
    assert list(layers) == ["0", "2"]
    assert sorted(name for name, _ in layers["0"]) == ["bias", "original0", "original1"]
    assert list(parameter_randomisation(module, X)["layer"]) == ["2", "0"]


def test_a_shared_weight_is_drawn_once():
    module = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    module[2].weight = module[0].weight
    layers = trained_layers(module, X)
    assert list(layers) == ["0", "2", "4"]
    assert [name for name, _ in layers["2"]] == ["bias"]


def test_statistics_are_forgotten_too():
    module = nn.Sequential(nn.Linear(8, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3))
    module[1].running_mean.fill_(4.0)
    module[1].running_var.fill_(9.0)
    module.eval()
    ((_, all_but), (name, other), _) = randomised(module, X, "independent", 0)
    assert name == "1"
    assert other[1].running_mean.tolist() == [0.0] * 5
    assert other[1].running_var.tolist() == [1.0] * 5
    assert torch.equal(other[0].weight, module[0].weight)
    assert all_but[1].running_mean.tolist() == module[1].running_mean.tolist() == [4.0] * 5


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_parts_that_torch_sees_inside_of_keep_the_registered_order():
    class Inside(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(8, 8)
            self.scripted = torch.jit.script(nn.Linear(8, 8))
            self.last = nn.Linear(8, 3)

        def forward(self, x):
            return self.last(self.scripted(self.first(x)))

    assert list(trained_layers(Inside(), X)) == ["first", "scripted", "last"]


def test_drawn_anew_with_mean_and_deviation():
    generator = torch.Generator().manual_seed(0)
    weight = nn.Parameter(torch.randn(300, 200, generator=generator) * 0.2 + 3)
    before = weight.detach().clone()
    draw_anew("weight", weight, generator)
    after = weight.detach()
    assert float(after.mean()) == pytest.approx(3, abs=0.01)
    assert float(after.std()) == pytest.approx(0.2, rel=0.02)
    assert abs(float(torch.corrcoef(torch.stack([before.flatten(), after.flatten()]))[0, 1])) < 0.02


def test_a_module_that_learned_nothing_is_refused():
    with pytest.raises(ValueError, match="a module with parameters, ReLU has none"):
        parameter_randomisation(nn.Sequential(nn.ReLU())[0], X)
