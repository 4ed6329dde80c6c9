"""Many small victims in one native call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from divulge import _core
from divulge.oracles import GradientOracle, Oracle
from divulge.oracles.ledger import whole
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.entry import reconstruct
from divulge.reconstruction.falsification.judge import judge
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.notes import Note, NoteKind
from divulge.reconstruction.result import Reconstruction
from divulge.victims import Victim


def reconstruct_many(victims: Sequence[Victim | Oracle], *, seed: int = 0) -> list[Reconstruction]:
    """Reconstruct many victims, each on its own, the small ones natively side by side.

    Lowered victims with one output, asked for values and gradients in all of R^d, are taken apart in one call
    of the compiled core, over all threads: about 4 queries a hidden unit. The others, and those that this
    leaves open, go through `reconstruct` one after the other.

    Args:
        victims: victims, asked by a `GradientOracle` without budget, or oracles of your own; their ledgers
            count and their budgets hold.
        seed: seed of every random choice. The same list and seed give the same results for any number of
            threads.

    Returns:
        One `Reconstruction` for each, in the same order.

    Raises:
        TypeError: one of them is neither a victim nor an oracle.
        NotPiecewiseLinear: as `reconstruct` raises it.
    """
    oracles, seed = [_oracle(victim) for victim in victims], whole("a seed", seed)
    results: list[Reconstruction | None] = [None] * len(oracles)
    natives = [(place, _native(oracle)) for place, oracle in enumerate(oracles)]
    asked = {place: native for place, native in natives if native is not None}
    copies = _core.reconstruct_batch(list(asked.values()), seed)
    for place, copy in zip(asked, copies, strict=True):
        oracles[place].ledger.charge(oracles[place].kind, copy.queries)
        if copy.clean:
            results[place] = _judged(oracles[place], copy, seed)
    return [result or _one_by_one(oracle, seed) for result, oracle in zip(results, oracles, strict=True)]


def _oracle(victim: Victim | Oracle) -> Oracle:
    """Return the oracle to ask."""
    if isinstance(victim, Oracle):
        return victim
    if not isinstance(victim, Victim):
        raise TypeError(f"expected victims or oracles, got {type(victim).__name__}")
    return GradientOracle(victim)


def _native(oracle: Oracle) -> _core.Oracle | None:
    """Return the core's own oracle, with the budget that is left, or None where it cannot ask by itself."""
    native = oracle.native(oracle.output) if oracle.output_size == 1 else None
    if native is not None:
        native.max_queries = oracle.ledger.remaining
    return native


def _judged(oracle: Oracle, copy: _core.OneLayerCopy, seed: int) -> Reconstruction | None:
    """Return a copy of the core's if fresh answers do not refute it, else None."""
    rows = np.column_stack([copy.rows, copy.offsets])
    base = np.append(np.zeros(oracle.input_size), copy.output_bias)
    layer = Layer(rows, copy.output_weights[None], base[None])
    transcript = Transcript(AskedOutput(oracle, oracle.output))
    lines = Lines(oracle.input_size, None, np.random.default_rng(seed))
    before = oracle.ledger.total
    judgement = judge(DeepModel(Prefix(oracle.input_size), layer), [transcript], lines, copy.queries)
    if judgement.counterexample is not None or judgement.stopped:
        return None
    queries = copy.queries + oracle.ledger.total - before
    return Reconstruction(
        module=layer.module(oracle.dtype, with_slope=False),
        hidden_sizes=(len(layer),) if len(layer) else (),
        queries=queries,
        queries_by_layer=(queries,) if len(layer) else (),
        queries_by_kind={oracle.kind: queries},
        kind=oracle.kind,
        certificate=judgement.certificate,
        complete=True,
        seed=seed,
    )


def _one_by_one(oracle: Oracle, seed: int) -> Reconstruction:
    """Reconstruct one victim, counting what the batch asked about it before."""
    before = oracle.ledger.total
    result = reconstruct(oracle, seed=seed)
    if not before:
        return result
    sentence = f"{before} queries had been asked before, without a complete result"
    return replace(result, notes=(*result.notes, Note(NoteKind.EARLIER_QUERIES, sentence)))
