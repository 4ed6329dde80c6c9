"""Many small victims in one native call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from divulge import _core
from divulge.oracles import GradientOracle, Oracle
from divulge.oracles.ledger import whole
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.stopped import INTERRUPTED, until_stopped
from divulge.reconstruction.certificate import Certificate
from divulge.reconstruction.entry import reconstruct
from divulge.reconstruction.falsification.judge import judge
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.notes import Note, NoteKind
from divulge.reconstruction.result import Reconstruction
from divulge.reconstruction.settings import BATCH
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
        One `Reconstruction` for each, in the same order. An error about one victim stays with that one: its
        result holds nothing but a note of kind `REFUSED`. After Ctrl-C results are those had by then, and one
        note of kind `INTERRUPTED` each for the others.

    Raises:
        TypeError: one of them is neither a victim nor an oracle.
    """
    oracles, seed = [_oracle(victim) for victim in victims], whole("a seed", seed)
    results: dict[int, Reconstruction] = {}
    interrupted = until_stopped(partial(_natively, oracles, seed, results), bool)
    for place, oracle in enumerate(oracles):
        if place in results:
            continue
        if interrupted:
            results[place] = _nothing(oracle, seed, NoteKind.INTERRUPTED, f"not begun: {INTERRUPTED}")
            continue
        ended = partial(_nothing, oracle, seed, NoteKind.INTERRUPTED)
        results[place] = until_stopped(partial(_one_by_one, oracle, seed), ended)
        interrupted = any(note.kind is NoteKind.INTERRUPTED for note in results[place].notes)
    return [results[place] for place in range(len(oracles))]


def _natively(oracles: Sequence[Oracle], seed: int, results: dict[int, Reconstruction]) -> bool:
    """Take apart what the core can, some at a time; put good copies into `results`, return if Ctrl-C came."""
    asked = [
        (place, native) for place, oracle in enumerate(oracles) if (native := _native(oracle)) is not None
    ]
    for first in range(0, len(asked), BATCH.at_a_time):
        part = asked[first : first + BATCH.at_a_time]
        copies = _core.reconstruct_batch([native for _, native in part], seed)
        for (place, _), copy in zip(part, copies, strict=True):
            oracles[place].ledger.charge(oracles[place].kind, copy.queries)
        for (place, _), copy in zip(part, copies, strict=True):
            result, stopped = _judged(oracles[place], copy, seed) if copy.clean else (None, "")
            if stopped == INTERRUPTED:
                return True
            if result is not None:
                results[place] = result
    return False


def _nothing(oracle: Oracle, seed: int, kind: NoteKind, sentence: str, queries: int = 0) -> Reconstruction:
    """Return a copy that is 0 everywhere, with one note."""
    size = oracle.output_size or oracle.output + 1
    base = np.zeros((size, oracle.input_size + 1))
    empty = Layer(base[:0], np.zeros((size, 0)), base)
    return Reconstruction(
        module=empty.module(oracle.dtype, with_slope=False),
        hidden_sizes=(),
        queries=queries,
        queries_by_layer=(),
        queries_by_kind={oracle.kind: queries} if queries else {},
        numbers_told=queries * oracle.numbers_per_query,
        kind=oracle.kind,
        certificate=Certificate(),
        complete=False,
        seed=seed,
        notes=(Note(kind, sentence),),
    )


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


def _judged(oracle: Oracle, copy: _core.OneLayerCopy, seed: int) -> tuple[Reconstruction | None, str]:
    """Return a copy of the core's, None where fresh answers refute it, and why asking was stopped."""
    rows = np.column_stack([copy.rows, copy.offsets])
    base = np.append(np.zeros(oracle.input_size), copy.output_bias)
    layer = Layer(rows, copy.output_weights[None], base[None])
    transcript = Transcript(AskedOutput(oracle, oracle.output))
    lines = Lines(oracle.input_size, None, np.random.default_rng(seed))
    before = oracle.ledger.total
    judgement = judge(DeepModel(Prefix(oracle.input_size), layer), [transcript], lines, copy.queries)
    if judgement.counterexample is not None or judgement.stopped:
        return None, judgement.stopped
    queries = copy.queries + oracle.ledger.total - before
    result = Reconstruction(
        module=layer.module(oracle.dtype, with_slope=False),
        hidden_sizes=(len(layer),) if len(layer) else (),
        unit_kinds=("ReLU",) if len(layer) else (),
        queries=queries,
        queries_by_layer=(queries,) if len(layer) else (),
        queries_by_kind={oracle.kind: queries},
        numbers_told=queries * oracle.numbers_per_query,
        kind=oracle.kind,
        certificate=judgement.certificate,
        complete=True,
        seed=seed,
    )
    return result, ""


def _one_by_one(oracle: Oracle, seed: int) -> Reconstruction:
    """Reconstruct one victim, counting what the batch asked about it before; errors become its note."""
    before = oracle.ledger.total
    try:
        result = reconstruct(oracle, seed=seed)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        return _nothing(oracle, seed, NoteKind.REFUSED, said, oracle.ledger.total - before)
    if not before:
        return result
    sentence = f"{before} queries had been asked before, without a complete result"
    return replace(result, notes=(*result.notes, Note(NoteKind.EARLIER_QUERIES, sentence)))
