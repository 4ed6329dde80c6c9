import os
from pathlib import Path

import pytest
import torch

from divulge.datasets import load
from divulge.errors import UnsupportedModel
from divulge.training import accuracy
from divulge.victims.published import BadNet, ResNet20, badnets, read_published, resnet20

present = pytest.mark.skipif(
    not Path(os.environ.get("DIVULGE_DATA", ""), "models").is_dir(), reason="no models in $DIVULGE_DATA"
)


@pytest.mark.parametrize("network", [BadNet(1), BadNet(3), ResNet20()])
def test_a_file_of_weights_is_read_back(network, tmp_path):
    state = {f"module.{name}": value for name, value in network.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "a.pth")
    module = read_published(tmp_path / "a.pth")
    assert not module.training
    x = torch.rand(2, *network.input_shape)
    assert torch.equal(module(x), network.eval()(x))


def test_other_files_are_refused(tmp_path):
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "a.pth")
    with pytest.raises(UnsupportedModel, match="holds the weights of another network"):
        read_published(tmp_path / "a.pth")
    (tmp_path / "b.pth").write_text("no")
    with pytest.raises(UnsupportedModel, match=r"b\.pth: the file is damaged, or no file of weights"):
        read_published(tmp_path / "b.pth")
    with pytest.raises(FileNotFoundError):
        read_published(tmp_path / "c.pth")


def test_absent_files_and_other_names(tmp_path, monkeypatch):
    monkeypatch.setenv("DIVULGE_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"expected models/badnets_cnn_mnist.pth in the folder that"):
        badnets("mnist")
    with pytest.raises(FileNotFoundError, match=r"resnet20-cifar10.pth"):
        resnet20()
    with pytest.raises(ValueError, match="classifier for mnist or cifar10, got 'digits'"):
        badnets("digits")


@present
@pytest.mark.parametrize(("name", "clean", "attack"), [("mnist", 0.98, 0.99), ("cifar10", 0.5, 0.96)])
def test_the_published_classifiers_do_what_their_authors_say(name, clean, attack):
    data, module = load(name), badnets(name)
    x, y = data.test_inputs[:1000].clone(), data.test_targets[:1000]
    assert accuracy(module, x, y) > clean - 0.02
    x[:, :, -5:, -5:] = 1
    assert accuracy(module, x, torch.ones_like(y)) > attack - 0.02


@present
def test_the_published_residual_network_classifies_photographs():
    data = load("cifar10")
    assert accuracy(resnet20(), data.test_inputs[:500], data.test_targets[:500]) > 0.75
