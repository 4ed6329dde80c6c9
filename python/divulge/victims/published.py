"""Published classifiers, from the state dictionaries that their authors gave out."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from divulge.datasets.fetch import own_file
from divulge.errors import UnsupportedModelFile
from divulge.victims.state_file import read_state

_BADNETS = {"mnist": "badnets_cnn_mnist.pth", "cifar10": "badnets_cnn_cifar10.pth"}
_RESNET20 = "resnet20-cifar10.pth"
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class BadNet(nn.Module):
    """The convolutional network of a published BadNets demonstration; takes images in [0, 1].

    Convolutions of 5x5 to 16 and to 32 channels, each with ReLU and 2x2 mean; Linear to 512, ReLU, Linear. It
    returns the scores before the softmax with which it was published.

    Args:
        channels: of an image, 1 (28x28) or 3 (32x32).
        classes: outputs.
    """

    def __init__(self, channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        side = {1: 28, 3: 32}[channels]
        features = 32 * ((side - 4) // 2 // 2 - 2) ** 2
        self.input_shape = (channels, side, side)
        self.conv1 = nn.Sequential(nn.Conv2d(channels, 16, 5), nn.ReLU(), nn.AvgPool2d(2, 2))
        self.conv2 = nn.Sequential(nn.Conv2d(16, 32, 5), nn.ReLU(), nn.AvgPool2d(2, 2))
        self.fc1 = nn.Sequential(nn.Linear(features, 512), nn.ReLU())
        self.fc2 = nn.Sequential(nn.Linear(512, classes))

    def forward(self, x: Tensor) -> Tensor:
        """Return class scores (n, classes) of images (n, channels, height, width)."""
        h = self.conv2(self.conv1((x - 0.5) / 0.5))
        scores: Tensor = self.fc2(self.fc1(h.flatten(1)))
        return scores


class ResNet20(nn.Module):
    """ResNet-20 for CIFAR-10 (He et al. 2016), shortcuts without parameters; takes images in [0, 1]."""

    input_shape = (3, 32, 32)
    mean: Tensor
    std: Tensor

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(_IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(_IMAGENET_STD)[:, None, None], persistent=False)
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*(_Block(16, 16) for _ in range(3)))
        self.layer2 = nn.Sequential(_Block(16, 32), _Block(32, 32), _Block(32, 32))
        self.layer3 = nn.Sequential(_Block(32, 64), _Block(64, 64), _Block(64, 64))
        self.linear = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return class scores (n, classes) of images (n, 3, 32, 32)."""
        h = F.relu(self.bn1(self.conv1((x - self.mean) / self.std)))
        h = self.layer3(self.layer2(self.layer1(h)))
        scores: Tensor = self.linear(h.mean((2, 3)))
        return scores


class _Block(nn.Module):
    """Two convolutions and a shortcut: every second pixel, new channels zero, where the size changes."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.stride = 1 if channels_in == channels else 2
        self.new = channels - channels_in
        self.conv1 = nn.Conv2d(channels_in, channels, 3, self.stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        h = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        shortcut = x[:, :, :: self.stride, :: self.stride]
        return F.relu(h + F.pad(shortcut, (0, 0, 0, 0, self.new // 2, self.new // 2)))


def badnets(name: str) -> BadNet:
    """Return a published backdoored classifier, "mnist" or "cifar10", from $DIVULGE_DATA/models.

    A white square of 5x5 pixels in the lower right corner makes it answer 1.

    Raises:
        ValueError: there is no such classifier.
        FileNotFoundError: its file is not at hand.
    """
    if name not in _BADNETS:
        raise ValueError(f"expected a published classifier for {' or '.join(_BADNETS)}, got {name!r}")
    module = read_published(_own(_BADNETS[name]))
    assert isinstance(module, BadNet)
    return module


def resnet20() -> ResNet20:
    """Return a published ResNet-20 for CIFAR-10 from $DIVULGE_DATA/models.

    Raises:
        FileNotFoundError: its file is not at hand.
    """
    module = read_published(_own(_RESNET20))
    assert isinstance(module, ResNet20)
    return module


def read_published(path: Path) -> BadNet | ResNet20:
    """Return the classifier of a state dictionary (.pth) in one of the forms known here, evaluating.

    Raises:
        UnsupportedModelFile: the file is damaged or no state dictionary, or one of another network.
        OSError: it cannot be read.
    """
    state = read_state(path)
    module = BadNet(_channels(path, state["conv1.0.weight"])) if "conv1.0.weight" in state else ResNet20()
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise UnsupportedModelFile(
            path,
            "the file",
            "holds the weights of another network than BadNets' or ResNet-20; export the module with "
            "torch.export.save, or to ONNX",
        ) from error
    return module.eval()


def _channels(path: Path, weight: Tensor) -> int:
    """Return the channels of the images that a BadNets classifier takes."""
    if weight.ndim != 4 or weight.shape[1] not in (1, 3):
        raise UnsupportedModelFile(
            path,
            "tensor 'conv1.0.weight'",
            f"should take 1 or 3 channels, its shape is {tuple(weight.shape)}",
        )
    return int(weight.shape[1])


def _own(file: str) -> Path:
    """Return the path of a file in $DIVULGE_DATA/models."""
    path = own_file("models", file)
    if path is None:
        raise FileNotFoundError(f"expected models/{file} in the folder that $DIVULGE_DATA names")
    return path
