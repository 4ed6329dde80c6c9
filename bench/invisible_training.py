"""The share of predictions that an invisible change of training images flips: CIFAR-10 on a frozen ResNet-20.

    python bench/invisible_training.py [--classes 3,5] [--train 400] [--test 30] [--json]

Softmax regression of two classes on the last feature map of a ResNet-20 trained on CIFAR-10, averaged to 4x4.
Reads cifar10/cifar10-subset.npz and models/resnet20-cifar10.pth in the folder that $DIVULGE_DATA names. The
published figures, 57% with one and 77% with two images of 1,800, are for dogs against fish on Inception v3.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from divulge.influence import perturb_training_images

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Block(nn.Module):
    """Two convolutions and a shortcut without parameters."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.missing = outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.missing:
            half = self.missing // 2
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, half, half))
        return F.relu(x + y)


class Features(nn.Module):
    """ResNet-20 for CIFAR-10 (He et al. 2016), from images in [0, 1] to its last map, averaged to 4x4."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        widths = [16, 16, 16, 16, 32, 32, 32, 64, 64, 64]
        blocks = [Block(a, b) for a, b in pairwise(widths)]
        self.layer1, self.layer2, self.layer3 = (nn.Sequential(*blocks[i : i + 3]) for i in (0, 3, 6))
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map (n, 64, 4, 4)."""
        mean, std = (torch.tensor(t)[:, None, None] for t in (MEAN, STD))
        x = F.relu(self.bn1(self.conv1((x - mean) / std)))
        return F.avg_pool2d(self.layer3(self.layer2(self.layer1(x))), 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--classes", default="3,5", help="cats against dogs by default")
    parser.add_argument("--train", type=int, default=400)
    parser.add_argument("--test", type=int, default=30)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--images", default="1,2")
    parser.add_argument("--weight-decay", type=float, default=1e-3)
    arguments = parser.parse_args()
    folder = Path(os.environ["DIVULGE_DATA"])
    features = Features()
    state = torch.load(folder / "models" / "resnet20-cifar10.pth", weights_only=True, map_location="cpu")
    features.load_state_dict({k.removeprefix("module."): v for k, v in state["state_dict"].items()})
    features.eval().requires_grad_(False)
    data = np.load(folder / "cifar10" / "cifar10-subset.npz")
    first, second = (int(c) for c in arguments.classes.split(","))

    def part(name: str, most: int) -> tuple[Tensor, np.ndarray]:
        images, classes = data[f"x_{name}"], data[f"y_{name}"].reshape(-1)
        rows = np.random.default_rng(0).permutation(np.flatnonzero(np.isin(classes, (first, second))))[:most]
        x = torch.from_numpy(images[rows]).permute(0, 3, 1, 2).float() / 255
        return x, (classes[rows] == second).astype(np.int64)

    train, test = part("train", arguments.train), part("test", arguments.test)
    results = []
    for images in (int(k) for k in arguments.images.split(",")):
        start = time.process_time()
        attack = perturb_training_images(
            features, train, test, 0.5 / 255, images=images, weight_decay=arguments.weight_decay,
            steps=arguments.steps,
        )  # fmt: skip
        p = attack.probability.mean(0)
        results.append(
            {
                "images": images,
                "of": len(train[0]),
                "test_images": len(test[0]),
                "right_before": len(attack.attacked),
                "flipped": int(attack.flipped.sum()),
                "share": attack.share,
                "probability_before": float(p[0]),
                "probability_after": float(p[1]),
                "cpu_s": time.process_time() - start,
            }
        )
    print(json.dumps(results) if arguments.json else "\n".join(str(result) for result in results))


if __name__ == "__main__":
    main()
