"""Writing a network into a given number of bits (minimal random code learning)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log

import numpy as np
import torch
from torch import Tensor, nn

from divulge.arrays import Index
from divulge.bits.architecture import described
from divulge.bits.candidates import candidates
from divulge.bits.code import MOST_BLOCK_BITS, Code, check_of, places_of, told_weights
from divulge.bits.imitation import Imitation
from divulge.bits.mean_kl import Posterior
from divulge.bits.packed import packed
from divulge.bits.weights import Weights
from divulge.conventions import OnProgress
from divulge.datasets import Dataset
from divulge.training.fit import one_thread
from divulge.training.modes import copied

# Of the steps, the share before the first block is coded; the others are spread over the blocks.
_SHARE_BEFORE = 0.6
# Adam's steps: means and shares of the budget move by units of their own, the prior's deviations slowly.
_RATE = 2e-2
_RATE_OF_DEVIATIONS = 1e-3
# Blocks are coded in so many rounds, with training of those left between them.
_ROUNDS = 50
# Candidates that are weighed at once: 2^16 of 64 weights are 32 MiB.
_AT_ONCE = 1 << 16


def encode(
    module: nn.Module,
    data: Dataset,
    *,
    bits: int,
    block_bits: int = 16,
    prior: nn.Module | None = None,
    steps: int = 5000,
    batch_size: int = 128,
    seed: int = 0,
    progress: OnProgress | None = None,
) -> Code:
    """Write a network that answers as a module does into a given number of bits.

    Minimal random code learning (M. Havasi, R. Peharz, J. M. Hernandez-Lobato 2019, arXiv 1810.00440): a
    posterior over weights is trained that holds so many nats; block by block one of 2^block_bits candidates,
    drawn from the prior by a seed that the decoder shares, is chosen in proportion to exp(log q - log p), and
    the weights that are left are trained on. Budgets hold by construction (`divulge.bits.mean_kl`).

    Args:
        module: maps inputs to class scores (n, K) or the log-odds of class 1; not changed.
        data: whose training inputs it is imitated on; labels are not looked at.
        bits: the most that the code may have, all its file counted; a module's buffers are written as they
            are.
        block_bits: bits of a block's index, at most 20; an encoder weighs 2^block_bits candidates a block.
        prior: a module of the same form, around whose weights the candidates lie; a decoder needs it too.
        steps: of training, before and between blocks.
        batch_size: inputs a step.
        seed: of every random choice.
        progress: called with the steps done and the number of all, after each hundredth.

    Raises:
        UnsupportedModel: a module without parameters, or of several precisions.
        ValueError: too few bits for one block, weights that are not finite, a prior of another form, no
            inputs, or outputs that are no class scores.
    """
    if not 1 <= block_bits <= MOST_BLOCK_BITS:
        raise ValueError(f"expected block_bits from 1 to {MOST_BLOCK_BITS}, got {block_bits}")
    if steps < 1 or batch_size < 1:
        raise ValueError(f"expected steps and batch_size of at least 1, got {steps} and {batch_size}")
    if not 0 <= seed < 1 << 63:
        raise ValueError(f"expected a seed from 0 to 2^63 - 1, got {seed}")
    module = copied(module).cpu().eval()
    weights = Weights(module)
    if prior is not None and Weights(prior).shapes != weights.shapes:
        raise ValueError("the prior's parameters have other shapes than the module's")
    empty = _empty(module, weights, block_bits, seed, prior is not None)
    blocks = min((bits // 8 * 8 - empty.bits) // block_bits + 1, weights.count)  # a file is of whole bytes
    if blocks < 1:
        raise ValueError(
            f"expected at least {empty.bits} bits, for one block and the layers' form, got {bits}"
        )
    with torch.random.fork_rng(devices=[]), one_thread(), torch.enable_grad():
        coding = _coding(module, weights, data, prior, blocks, block_bits, batch_size, seed)
        indices = coding.run(steps, progress)
    return replace(
        empty, indices=indices, deviations=coding.deviations.double().numpy(), check=check_of(coding.told())
    )


def form_bits(module: nn.Module, *, block_bits: int = 16) -> int:
    """Return what a code's file takes beside the numbers of its blocks, for the layers' form: bits."""
    module = copied(module).cpu().eval()
    return _empty(module, Weights(module), block_bits, 0, False).bits - 8 * -(-block_bits // 8)


def _empty(module: nn.Module, weights: Weights, block_bits: int, seed: int, given_prior: bool) -> Code:
    """Return a code of one block that tells nothing yet."""
    layers, beside = described(module), packed(weights.beside(module))
    return Code(
        np.zeros(1, np.int64), block_bits, seed, weights.count, weights.dtype,
        np.ones(len(weights.sizes)), layers, beside, given_prior, 0,
    )  # fmt: skip


def _coding(
    module: nn.Module,
    weights: Weights,
    data: Dataset,
    prior: nn.Module | None,
    blocks: int,
    block_bits: int,
    batch_size: int,
    seed: int,
) -> Coding:
    """Return the state of a code that is begun."""
    generator = torch.Generator().manual_seed(seed)
    mean = torch.zeros(weights.count, dtype=weights.dtype) if prior is None else weights.vector(prior)
    deviations = weights.deviations(weights.vector(module) - mean)
    posterior = Posterior(
        mean.to(weights.dtype), weights.group(), deviations, places_of(weights.count, blocks, seed),
        nats=block_bits * log(2), generator=generator,
    )  # fmt: skip
    imitated = Imitation(module, data, weights.dtype)
    return Coding(
        module, weights, posterior, imitated, block_bits, batch_size, seed, generator, prior is not None
    )


@dataclass
class Coding:
    """A code that is being written."""

    module: nn.Module
    weights: Weights
    posterior: Posterior
    imitated: Imitation
    block_bits: int
    batch_size: int
    seed: int
    generator: torch.Generator
    given_prior: bool

    def __post_init__(self) -> None:
        self.deviations = torch.empty(0)
        self._batches = self.imitated.batches(self.batch_size, self.generator)
        trained = [self.posterior.mean, self.posterior.share]
        self._optimiser = torch.optim.Adam(
            [
                {"params": trained, "lr": _RATE},
                {"params": [self.posterior.log_deviation], "lr": _RATE_OF_DEVIATIONS},
            ]
        )

    def run(self, steps: int, progress: OnProgress | None) -> Index:
        """Train, then code the blocks in rounds; return their indices, (B,)."""
        blocks = len(self.posterior.coded)
        before = max(round(_SHARE_BEFORE * steps), 1)
        self._train(before, 0, steps, progress)
        self._fix_deviations()
        indices = np.zeros(blocks, np.int64)
        rounds = np.array_split(np.arange(blocks), min(_ROUNDS, blocks))
        chances = np.random.default_rng([self.seed, blocks])
        for number, part in enumerate(rounds):
            with torch.no_grad():
                for block in part:
                    indices[block] = self._choose(int(block), chances)
            done = before + round((steps - before) * (number + 1) / len(rounds))
            last = before + round((steps - before) * number / len(rounds))
            if number + 1 < len(rounds):
                self._train(done - last, last, steps, progress)
        return indices

    def told(self) -> Tensor:
        """Return the weights that the chosen candidates are, (N,)."""
        return self.posterior.told.reshape(-1)[self.posterior.back]

    def _train(self, count: int, first: int, steps: int, progress: OnProgress | None) -> None:
        """Make steps on the mean cross entropy from the model's probabilities, with weights drawn anew."""
        for step in range(first, first + count):
            batch = next(self._batches)
            vector = self.posterior.sample(self.posterior.noise(self.generator))
            outputs = self.weights.run(self.module, vector, self.imitated.inputs[batch])
            self._optimiser.zero_grad()
            self.imitated.loss(outputs, batch).backward()  # type: ignore[no-untyped-call]
            self._optimiser.step()
            if progress is not None and (step + 1) % max(steps // 100, 1) == 0:
                progress(step + 1, steps)

    def _fix_deviations(self) -> None:
        """Round the prior's deviations to what the file tells of them, and let them stay."""
        log_deviation = self.posterior.log_deviation
        self.deviations = log_deviation.detach().exp().float()
        log_deviation.requires_grad_(False).copy_(self.deviations.to(log_deviation.dtype).log())
        log_deviation.grad = None

    def _choose(self, block: int, chances: np.random.Generator) -> int:
        """Choose a candidate in proportion to exp(log q - log p), and let the block be it."""
        posterior = self.posterior
        mean, log_variance, _ = (part[block].double().numpy() for part in posterior.moments())
        used = posterior.used[block].numpy()
        precision = np.where(used, np.exp(-log_variance), 1.0)
        squares, products = (1 - precision) / 2, np.where(used, mean, 0.0) * precision
        size, all_of_them = len(used), 1 << self.block_bits
        best, chosen, weights = -np.inf, 0, np.empty(0)
        for first in range(0, all_of_them, _AT_ONCE):
            drawn = candidates(self.seed, block, size, first, min(_AT_ONCE, all_of_them - first))
            score = drawn**2 @ squares + drawn @ products + chances.gumbel(size=len(drawn))
            if score.max() > best:
                best, chosen, weights = score.max(), first + int(score.argmax()), drawn[int(score.argmax())]
        deviation = self.deviations[posterior.group[block]]
        prior_mean = posterior.prior_mean[block] if self.given_prior else None
        posterior.told[block] = told_weights(
            torch.from_numpy(weights), deviation, prior_mean, self.weights.dtype
        )
        posterior.coded[block] = True
        return chosen
