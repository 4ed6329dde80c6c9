import warnings

import numpy as np
import pytest
import torch
from torch import nn

from divulge import UnsupportedModel, Victim


class TwoInputs(nn.Module):
    def forward(self, x, y):
        return x + y


def save(path, module, *shapes, dynamic=False):
    inputs = tuple(torch.zeros(shape) for shape in shapes)
    axes = ({0: torch.export.Dim("n")},) if dynamic else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(module.eval(), inputs, dynamic_shapes=axes), path)
    return path


def chain():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(12, 7), nn.BatchNorm1d(7), nn.ReLU(), nn.Dropout(), nn.Linear(7, 2)
    )


@pytest.mark.parametrize(("batch", "dynamic"), [(1, False), (5, False), (2, True)])
@pytest.mark.parametrize("lower", [True, False])
def test_runs_on_any_batch(tmp_path, batch, dynamic, lower):
    module = chain()
    path = save(tmp_path / "m.pt2", module, (batch, 1, 3, 4), dynamic=dynamic)
    victim = Victim.from_file(path, lower=lower)
    assert victim.input_shape == (1, 3, 4)
    x = torch.randn(23, 1, 3, 4, requires_grad=True)
    column = module(x)[:, 1]
    (expected,) = torch.autograd.grad(column.sum(), x)
    values, gradients = victim.values_and_gradients(x, 1)
    np.testing.assert_allclose(values, column.detach(), atol=1e-6)
    np.testing.assert_allclose(gradients, expected.reshape(23, 12), atol=1e-6)
    np.testing.assert_allclose(victim.values(x)[:, 1], values, atol=1e-6)
    assert victim.values(x[:0]).shape == (0, 2)


@pytest.mark.parametrize(("batch", "dynamic"), [(1, False), (5, False), (2, True)])
def test_a_chain_is_read_from_the_graph(tmp_path, batch, dynamic):
    path = save(tmp_path / "m.pt2", chain(), (batch, 1, 3, 4), dynamic=dynamic)
    assert [w.shape for w in Victim.from_export(path).layers.weights] == [(7, 12), (2, 7)]


def test_other_graphs_run_through_torch(tmp_path):
    module = nn.Sequential(nn.Conv2d(1, 2, 2), nn.ReLU(), nn.Flatten(), nn.Linear(12, 3))
    victim = Victim.from_export(save(tmp_path / "m.pt2", module, (1, 1, 3, 4)))
    assert victim.layers is None
    x = torch.randn(3, 1, 3, 4)
    np.testing.assert_allclose(victim.values(x), module(x).detach(), atol=1e-6)


def test_refuses_other_files(tmp_path):
    path = tmp_path / "broken.pt2"
    path.write_bytes(b"not a program")
    with pytest.raises(UnsupportedModel, match=r"broken.pt2: the file is damaged, or no program"):
        Victim.from_export(path)
    with pytest.raises(UnsupportedModel, match="one input, it takes 2"):
        Victim.from_export(save(tmp_path / "two.pt2", TwoInputs(), (2, 3), (2, 3)))
    with pytest.raises(UnsupportedModel, match="batch axis, it takes shape"):
        Victim.from_export(save(tmp_path / "flat.pt2", nn.ReLU(), (3,)))
