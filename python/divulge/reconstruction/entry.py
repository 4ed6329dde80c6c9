"""From an oracle to a network: the order in which things are asked and solved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path

import numpy as np

from divulge.arrays import Array
from divulge.oracles import MeanGradientOracle, Oracle, ProbabilityOracle, ReplayOracle
from divulge.oracles.ledger import whole
from divulge.reconstruction.approach import ByMeanGradients, approach_to
from divulge.reconstruction.result import Progress, Reconstruction
from divulge.reconstruction.session import Session
from divulge.reconstruction.settings import FALSIFYING
from divulge.reconstruction.stage_convolutional import attack_convolutions
from divulge.reconstruction.stage_explained import after, attack_mean_gradients, ended, tells_mean_gradients
from divulge.reconstruction.stage_finish import Copy, finished, result_of
from divulge.reconstruction.stage_many_layers import attack_many_layers
from divulge.reconstruction.stage_one_layer import OneLayer
from divulge.reconstruction.stage_spanned import attack_within_span, spans_rows


def reconstruct(
    oracle: Oracle,
    *,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
    checkpoint: str | Path | None = None,
    input_shape: Sequence[int] | None = None,
) -> Reconstruction:
    """Rebuild a ReLU network from its oracle's answers.

    The attack is told nothing about the inside: neither the number of hidden layers nor their widths. It asks
    about the oracle's own output until every unit is known, then a few queries for every other output. One
    hidden layer is tried first; what it cannot explain is taken apart layer by layer, from the input inwards.

    Args:
        oracle: what may be asked; its answers are all that is used. Without values (gradients alone) offsets
            are found by bisection and output biases cannot be known: they are returned as 0. From values
            alone gradients are taken as differences inside linear pieces: exact, d + 1 queries each; where
            explanations come with them that are means of gradients (SmoothGrad, integrated gradients), of all
            of R^d, these tell one hidden layer with independent rows in some 10 queries a unit (integrated
            gradients without values too), and in which few combinations of inputs others are to be asked
            about. Of a `ProbabilityOracle` the log-odds are used: the copy's outputs are logits up to what
            softmax hides, a function added to all of them, chosen so that logit 0 is 0.
        seed: seed of every random choice; the same seed asks the same queries.
        progress: called after every round of queries with a `Progress`.
        checkpoint: a file that keeps every answer as it comes. Where it exists it is gone on from: queries
            that it answers are not asked again, but for one that shows whether the oracle is still the same.
            They count in the result, as `replayed`, and not in the oracle's ledger or budget. Where it can be
            written no further, on a full disk, the search goes on and a note says where it ends. What
            integrated gradients do not tell is gone on with in a second file, *.values; means of gradients,
            which may be random, are not used.
        input_shape: how the d numbers of an input are laid out; by default as the oracle has it. Where they
            are an image, (C, H, W), a few jumps of the gradient say whether the network is one of
            convolutions; for one that is dense they count as answers of the search. (d,) leaves that out.
            From values alone, d + 1 for every gradient, convolutions are looked for where it is given here.

    Returns:
        A `Reconstruction`. When the budget runs out, the oracle fails or the user interrupts, it holds what
        was known by then, with `complete` False and the reason in `notes`.

    Raises:
        TypeError: `oracle` is not an oracle, or the seed not a whole number.
        ValueError: the seed is negative, the oracle tells neither values nor gradients, or its inputs have
            another size than `input_shape`.
        NotPiecewiseLinear: the gradient changes between inputs that lie next to each other, or the answers
            are too noisy.
        CheckpointError: the checkpoint is damaged, or of another seed, oracle or victim; it stays as it is.
        OSError: the checkpoint cannot be read or made.

    Source:
        After S. Milli, L. Schmidt, A. D. Dragan, M. Hardt, "Model Reconstruction from Model Explanations",
        2019; the decoding of several units from one answer is our own (see
        `divulge.reconstruction.one_layer.decoding`).
    """
    asked = check_oracle(oracle)
    seed = whole("a seed", seed)
    shape = oracle.input_shape if input_shape is None else shape_of(input_shape, oracle.input_size)
    path = None if checkpoint is None else Path(checkpoint)

    def attack(of: Oracle, file: Path | None) -> Reconstruction:
        approach = approach_to(of)
        images = of.input_size == oracle.input_size and not isinstance(of, MeanGradientOracle)
        images = images and (input_shape is not None or approach.tells_both)
        layout = (
            shape if images else ()
        )  # means of gradients, and a few combinations of inputs, are no images
        if file is None:
            return run(Session(of, approach, seed, progress, layout))
        with ReplayOracle(of, file, seed=seed) as replayed:
            return run(Session(replayed, approach, seed, progress, layout))

    if not isinstance(asked, MeanGradientOracle):
        return attack(asked, path)
    first = attack(asked, path)
    if first.complete or not oracle.has_values or ended(first):
        return first
    if path is None and spans_rows(oracle):
        session = Session(oracle, approach_to(oracle), seed, progress)
        return after(first, attack_within_span(session, oracle, attack))
    return after(first, attack(oracle, None if path is None else path.with_name(f"{path.name}.values")))


def check_oracle(oracle: Oracle) -> Oracle:
    """Return what is asked in an oracle's place: of probabilities the log-odds.

    Raises:
        TypeError: it is no oracle.
        ValueError: it tells neither values nor gradients.
    """
    if not isinstance(oracle, Oracle):
        raise TypeError(
            f"expected an oracle such as GradientOracle or CallableOracle, got {type(oracle).__name__}"
        )
    if isinstance(oracle, ProbabilityOracle):
        oracle = oracle.log_odds()
    elif tells_mean_gradients(oracle):
        oracle = MeanGradientOracle(oracle)
    approach_to(oracle)
    return oracle


def shape_of(shape: Sequence[int], size: int) -> tuple[int, ...]:
    """Return the shape of an input of so many numbers, or raise ValueError."""
    found = tuple(whole("a side of input_shape", side) for side in shape)
    if prod(found) != size:
        raise ValueError(f"expected an input_shape of {size} numbers, got {found} with {prod(found)}")
    return found


def run(session: Session) -> Reconstruction:
    """Try convolutions of images, then one hidden layer, then many; go on where answers refute a copy."""
    if isinstance(session.approach, ByMeanGradients):
        return attack_mean_gradients(session, session.approach.way, session.approach.baseline)
    convolutional = attack_convolutions(session)
    if convolutional is not None:
        return convolutional
    refuted_at: Array | None = None
    best: tuple[OneLayer, Copy] | None = None
    for _ in range(FALSIFYING.rounds):
        known = OneLayer(session, refuted_at)
        known.search_first_output()
        if known.looks_deeper:
            break
        known.solve_other_outputs()
        copy = finished(session, known)
        if best is None or copy.judgement.certificate.error < best[1].judgement.certificate.error:
            best = known, copy
        wrong = copy.judgement.counterexample
        if wrong is None or session.noisy:  # under noise certified kinks are mostly noise's
            return result_of(session, *best)
        refuted_at = wrong.point[None] if refuted_at is None else np.vstack([refuted_at, wrong.point])
    if best is None or session.approach.tells_values:
        deep = attack_many_layers(session, refuted_at)
        if best is None or deep.complete or deep.certificate.error <= best[1].judgement.certificate.error:
            return deep
    return result_of(session, *best)
