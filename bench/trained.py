"""Trained classifiers from gradients: `python bench/trained.py [--data mnist] [--hidden 256,256]`.

A classifier of 28x28 images is trained in float32, run in float64, or in float32 where asked, and taken apart
from gradients of one logit a query. `--oracle` asks for all ten gradients a query (jacobian), or for
probabilities with the gradient of one. Every copy is checked on the 10,000 test images before it is printed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import nn

import divulge
from divulge.datasets import load
from divulge.training import accuracy, train_classifier

ORACLES: dict[str, Callable[..., divulge.Oracle]] = {
    "gradient": divulge.GradientOracle,
    "jacobian": divulge.JacobianOracle,
    "probability": partial(divulge.ProbabilityOracle, gradients=True),
}


def sizes_of(module: nn.Module) -> list[int]:
    """Output sizes of every Linear."""
    return [layer.out_features for layer in module.modules() if isinstance(layer, nn.Linear)]


def main() -> None:
    """Print one line for every seed of the attack."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=("mnist", "fashion-mnist"), default="mnist")
    parser.add_argument("--hidden", default="256,256", help="units of the hidden layers")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--oracle", choices=tuple(ORACLES), default="gradient")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--budget", type=int, default=60_000)
    options = parser.parse_args()
    data = load(options.data)
    hidden = [int(size) for size in options.hidden.split(",")]
    module = train_classifier(
        hidden, data, dtype=torch.float32, seed=0, epochs=options.epochs, batch_size=128
    )
    module = module.to(getattr(torch, options.dtype))
    inputs = data.test_inputs.to(getattr(torch, options.dtype))
    print(f"{options.data}, {sizes_of(module)}, accuracy {accuracy(module, inputs, data.test_targets):.4f}")
    victim = divulge.Victim(module, input_shape=tuple(inputs.shape[1:]))
    with torch.no_grad():
        true = module(inputs).double().numpy()
    print(" seed                found queries    error   agree  certif. complete      s")
    for seed in range(options.seeds):
        began = time.perf_counter()
        result = divulge.reconstruct(ORACLES[options.oracle](victim, budget=options.budget), seed=seed)
        seconds = time.perf_counter() - began
        with torch.no_grad():
            copy = result.module(inputs.flatten(1)).double().numpy()
        if options.oracle == "probability":  # which tells logits up to a function added to all of them
            copy, true = copy - copy[:, :1], true - true[:, :1]
        error = np.abs(copy - true).max() / np.ptp(true)
        agree = float((copy.argmax(axis=1) == true.argmax(axis=1)).mean())
        print(
            f"{seed:>4} {sizes_of(result.module)!s:>20} {result.queries:>7} {error:>8.0e} {agree:>7.4f} "
            f"{result.certificate.error:>8.0e} {'yes' if result.complete else 'no':>8} {seconds:>6.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
