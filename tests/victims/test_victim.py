from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

import divulge
from divulge import ProbabilityOracle, UnsupportedModel, Victim, compare


@pytest.fixture
def classifier():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 3)).eval()


class Convolutional(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(4 * 36, 3)

    def forward(self, x):
        return self.fc(torch.relu(self.conv(x)).flatten(1))


def test_input_shape_comes_from_the_first_linear(classifier):
    victim = Victim(classifier)
    assert victim.input_shape == (64,)
    assert (victim.input_size, victim.output_size, victim.dtype) == (64, 3, torch.float32)


@pytest.mark.parametrize("lower", [True, False])
def test_runs_the_module_in_evaluation_mode_and_leaves_each_part_in_its_own(classifier, lower):
    points = np.random.default_rng(0).standard_normal((5, 64))
    expected = outputs_of(classifier.eval(), points)
    classifier.train()
    classifier[2].eval()
    modes = [part.training for part in classifier.modules()]
    victim = Victim(classifier, lower=lower)
    assert victim.lowered == lower
    np.testing.assert_allclose(victim.values(points), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        victim.values_and_gradients(points, 1)[0], expected[:, 1], rtol=1e-5, atol=1e-6
    )
    compare(classifier, victim, points)
    assert [part.training for part in classifier.modules()] == modes
    with pytest.raises(UnsupportedModel, match="fails on inputs"):
        Victim(classifier, (63,))
    assert [part.training for part in classifier.modules()] == modes


def test_a_module_with_a_batch_norm_learns_nothing_from_its_victim():
    module = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3)).train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    victim = Victim(module)
    points = np.random.default_rng(0).standard_normal((5, 4))
    divulge.steal(
        divulge.GradientOracle(victim), module, queries=5, steps=2, data=points, test=(points, None)
    )
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert all(part.training for part in module.modules())


def test_two_threads_may_run_one_module_at_once(classifier):
    classifier.train()
    points = np.random.default_rng(0).standard_normal((2000, 64))
    victims = [Victim(classifier, lower=False) for _ in range(4)]
    expected = victims[0].values(points)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda k: victims[k % 4].values(points), range(40)):
            np.testing.assert_array_equal(found, expected)
    assert all(part.training for part in classifier.modules())


def test_takes_flat_and_shaped_points(classifier):
    victim = Victim(classifier.eval(), (1, 8, 8))
    points = torch.randn(5, 1, 8, 8)
    expected = classifier(points).detach().numpy()
    for given in (points, points.numpy(), points.reshape(5, 64), points.double().numpy().reshape(5, 64)):
        values = victim.values(given)
        assert values.dtype == np.float64
        np.testing.assert_allclose(values, expected, atol=1e-6)
    with pytest.raises(ValueError, match=r"expected points of shape \(n, 64\), got \(5, 8, 8\)"):
        victim.values(points[:, 0])


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients_are_those_of_autograd(classifier, dtype, lower):
    victim = Victim(classifier.to(dtype), (1, 8, 8), lower=lower)
    x = torch.randn(2500, 1, 8, 8, dtype=dtype, requires_grad=True)
    column = classifier(x)[:, 2]
    (expected,) = torch.autograd.grad(column.sum(), x)
    values, gradients = victim.values_and_gradients(x, 2)
    assert values.dtype == gradients.dtype == np.float64
    tolerance = 1e-5 if dtype == torch.float32 else 1e-13
    np.testing.assert_allclose(values, column.detach().numpy(), atol=tolerance)
    np.testing.assert_allclose(gradients, expected.reshape(2500, 64).numpy(), atol=tolerance)
    np.testing.assert_allclose(victim.values(x)[:, 2], values, atol=tolerance)


def test_a_chain_runs_on_the_native_network_and_can_be_kept_from_it(classifier):
    if not hasattr(divulge._core, "DenseNetwork32"):
        pytest.skip("this build of the core has no DenseNetwork32")
    victim = Victim(classifier)
    assert victim.lowered
    assert type(victim.network).__name__ == "DenseNetwork32"
    assert not Victim(classifier, lower=False).lowered
    assert type(Victim(classifier.double()).network).__name__ == "DenseNetwork64"


def test_other_modules_run_through_torch():
    module = Convolutional()
    victim = Victim(module, (1, 8, 8))
    assert not victim.lowered
    points = torch.randn(7, 1, 8, 8)
    np.testing.assert_array_equal(victim.values(points), module(points).detach().numpy())
    assert victim.values_and_gradients(points, 0)[1].shape == (7, 64)
    assert "torch" in repr(victim)


def test_no_points_no_answers(classifier):
    for victim in (Victim(classifier), Victim(classifier, lower=False)):
        assert victim.values(np.zeros((0, 64))).shape == (0, 3)
        values, gradients = victim.values_and_gradients(np.zeros((0, 64)), 0)
        assert values.shape == (0,)
        assert gradients.shape == (0, 64)


def test_a_constant_function_has_no_gradient():
    class Constant(nn.Module):
        def forward(self, x):
            return torch.ones(len(x), 2)

    values, gradients = Victim(Constant(), (3,)).values_and_gradients(np.zeros((4, 3)), 1)
    np.testing.assert_array_equal(values, np.ones(4))
    np.testing.assert_array_equal(gradients, np.zeros((4, 3)))


def test_parameters_and_points_are_left_as_they_were(classifier):
    class Overwriting(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 2)

        def forward(self, x):
            with torch.no_grad():
                x.mul_(2)
            return self.fc(x)

    points = np.ones((3, 4), dtype=np.float32)
    Victim(Overwriting(), lower=False).values(points)
    np.testing.assert_array_equal(points, 1)
    victim = Victim(classifier, lower=False)
    victim.values_and_gradients(np.zeros((2, 64)), 0)
    assert all(p.grad is None and p.requires_grad for p in classifier.parameters())


def test_answers_inside_no_grad_and_inference_mode(classifier):
    victim = Victim(classifier, lower=False)
    points = np.ones((2, 64))
    expected = victim.values_and_gradients(points, 1)[1]
    for mode in (torch.no_grad(), torch.inference_mode()):
        with mode:
            np.testing.assert_array_equal(victim.values_and_gradients(points, 1)[1], expected)


@pytest.mark.parametrize("output", [-1, 3])
def test_refuses_an_output_that_is_not_there(classifier, output):
    with pytest.raises(ValueError, match=f"from 0 to 2, got {output}"):
        Victim(classifier).values_and_gradients(np.zeros((1, 64)), output)


def test_refuses_what_is_no_module():
    with pytest.raises(TypeError, match=r"torch.nn.Module or a fitted estimator .*, got list"):
        Victim([nn.Linear(2, 2)])


@pytest.mark.parametrize(
    ("module", "shape", "message"),
    [
        (nn.Conv2d(1, 2, 3), None, r"pass input_shape="),
        (Convolutional(), None, r"fails on inputs of shape \(n, 144\): .*; pass input_shape="),
        (nn.Linear(4, 2), (5,), r"fails on inputs of shape \(n, 5\)"),
        (nn.Sequential(nn.Linear(4, 1), nn.Flatten(0)), None, r"shape \(n, K\), got \(16,\) for n = 16"),
        (nn.LSTM(4, 2), (4,), "expected a tensor of shape .* got tuple"),
        (nn.Linear(4, 2).to(torch.float8_e4m3fn), None, r"float32 or float64, got torch.float8"),
    ],
)
def test_refuses_modules_of_another_form(module, shape, message):
    with pytest.raises(UnsupportedModel, match=message):
        Victim(module, shape)


@pytest.mark.parametrize("shape", [(), (0,), (3, -1)])
def test_refuses_an_impossible_input_shape(shape):
    with pytest.raises(ValueError, match="positive numbers, got"):
        Victim(nn.Linear(3, 2), shape)


def test_from_file_goes_by_suffix(tmp_path):
    path = tmp_path / "model.pth"
    path.write_bytes(b"")
    with pytest.raises(UnsupportedModel, match=r"\*.onnx, \*.pt2 .*, got model.pth"):
        Victim.from_file(path)
    for name in ("model.onnx", "model.pt2"):
        with pytest.raises(FileNotFoundError, match=name):
            Victim.from_file(tmp_path / name)


def outputs_of(module, points):
    return module(torch.tensor(points, dtype=torch.float32)).detach().numpy()


@pytest.mark.parametrize("outputs", [1, 2, 5])
@pytest.mark.parametrize("lower", [True, False])
def test_classes_are_the_largest_output_or_the_sign_of_one(outputs, lower):
    module = nn.Sequential(nn.Linear(4, 9), nn.ReLU(), nn.Linear(9, outputs))
    victim = Victim(module, lower=lower)
    points = np.random.default_rng(0).standard_normal((50, 4))
    found = outputs_of(module, points)
    expected = found.argmax(1) if outputs > 1 else found[:, 0] > 0
    assert not victim.tells_probabilities
    assert victim.classes(points).tolist() == expected.tolist()
    assert victim.classes(points[:0]).shape == (0,)


@pytest.mark.parametrize(
    ("outputs", "end"), [(1, nn.Sigmoid()), (3, nn.Softmax(dim=1)), (1, nn.Hardtanh(0, 1))]
)
@pytest.mark.parametrize("bias", [-1.0, 0.0, 1.0])
def test_probabilities_are_told_from_logits(outputs, end, bias):
    module = nn.Sequential(nn.Linear(4, 9), nn.ReLU(), nn.Linear(9, outputs), end)
    with torch.no_grad():
        module[2].bias += bias
    victim = Victim(module)
    points = np.random.default_rng(0).standard_normal((50, 4))
    found = outputs_of(module, points)
    assert victim.tells_probabilities
    expected = found.argmax(1) if outputs > 1 else found[:, 0] > 0.5
    assert victim.classes(points).tolist() == expected.tolist()
    p = ProbabilityOracle(victim).probabilities(points)
    np.testing.assert_allclose(p, found if outputs > 1 else np.column_stack([1 - found, found]), rtol=1e-6)


@pytest.mark.parametrize("end", [nn.Identity(), nn.ReLU(), nn.Tanh(), nn.Hardtanh(0.2, 0.3)])
def test_other_ends_are_no_probabilities(end):
    module = nn.Sequential(nn.Linear(4, 1), end)
    with torch.no_grad():
        module[0].weight *= 1e-3
        module[0].bias.fill_(0.5)
    expected = isinstance(end, nn.Hardtanh)  # between 0 and 1 everywhere
    assert Victim(module, lower=False).tells_probabilities == expected


def test_a_constant_is_no_probability():
    module = nn.Linear(4, 1)
    nn.init.zeros_(module.weight)
    nn.init.constant_(module.bias, 0.3)
    victim = Victim(module, lower=False)
    assert not victim.tells_probabilities
    assert victim.classes(np.zeros((2, 4))).tolist() == [1, 1]


def test_outputs_without_an_order_name_no_class():
    class Gap(nn.Module):
        def forward(self, x):
            return torch.where(x[:, :2] > 50, torch.nan, x[:, :2])

    victim = Victim(Gap(), (3,))
    assert victim.classes(np.zeros((1, 3))).tolist() == [0]
    with pytest.raises(ValueError, match="outputs that name a class, input 1 has NaN"):
        victim.classes(np.diag([1.0, 99.0, 1.0]))
    masked = nn.Linear(3, 3)
    with torch.no_grad():
        masked.bias[1] = -torch.inf
    assert 1 not in Victim(masked).classes(np.random.default_rng(0).standard_normal((50, 3)))
