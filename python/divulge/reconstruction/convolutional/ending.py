"""Whether the layers found so far explain the answers: then the outputs are solved for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from divulge.arrays import Index
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.convolutional.judge import ask_fresh, certain_rows, error_at
from divulge.reconstruction.convolutional.last_layer import LastLayer
from divulge.reconstruction.convolutional.last_sides import LastSides
from divulge.reconstruction.convolutional.layers import Pool, Prefix
from divulge.reconstruction.convolutional.misses import wrong_rows
from divulge.reconstruction.convolutional.network import ConvNetwork
from divulge.reconstruction.convolutional.walk import Walk
from divulge.reconstruction.settings import CONV_POOLING


@dataclass(frozen=True)
class ConvResult:
    """What an attack on a convolutional network ends with.

    Attributes:
        network: as far as it is known; None where not even one layer is whole.
        outputs: which output each of the network's stands for.
        certificate: largest relative error at answers.
        open: what is not known, a sentence; empty where all is.
        stopped: why an oracle could be asked no further, empty where it could.
    """

    network: ConvNetwork | None
    outputs: Sequence[int]
    certificate: float = np.inf
    open: str = ""
    stopped: str = ""


class Ending:
    """The end of an attack: sides of the last layer, its outputs, and fresh answers.

    Args:
        transcripts: the record of each output.
        outputs: every output, the one that is searched first.
        walk: along it the first one was searched.

    Attributes:
        missed: the last copy that was wrong, and at which answers.
    """

    def __init__(self, transcripts: Callable[[int], Transcript], outputs: Sequence[int], walk: Walk) -> None:
        self.transcripts = transcripts
        self.outputs = outputs
        self.walk = walk
        self.sides = LastSides(walk)
        self.last = LastLayer(walk)
        self.missed: tuple[ConvNetwork, Index] | None = None

    @property
    def known(self) -> Prefix:
        """The layers known so far."""
        return self.walk.known

    def _is_last(self) -> bool:
        """Whether the last known layer explains the answers, turned and pooled in some way."""
        pools: list[Pool | None] = [self.known.layers[-1].pool]
        if pools == [None] and len(self.known.layers) > 1:
            least = min(self.known.unit_shape(len(self.known.layers) - 1)[1:])
            windows = [window for window in CONV_POOLING.last_windows if window[0] <= least]
            pools += [Pool("max", *window) for window in windows]
        for pool in pools:
            if self.sides.turn(pool) <= self.walk.tolerances.missing:
                if self._explains_all():
                    return True
                self._turn_back(pools[0])
                return False
            self._turn_back(pools[0])
        return False

    def _turn_back(self, pool: Pool | None = None) -> None:
        """Take back what was supposed of the last known layer's sides."""
        last = self.known.layers[-1]
        self.known.layers[-1] = replace(last, signs=None, slope=0.0, pool=pool)

    def _explains_all(self) -> bool:
        """Whether the first output, solved for at a few answers, is right at all others and at fresh ones."""
        transcript, missing = self.transcripts(self.outputs[0]), self.walk.tolerances.missing
        network = ConvNetwork(self._kept(), self.last.weights([transcript], self.last.cover()).weights.T)
        if error_at(network, transcript, certain_rows(network.prefix, transcript), 0) <= missing:
            ask_fresh(network, transcript, self.walk.lines)
            if error_at(network, transcript, certain_rows(network.prefix, transcript), 0) <= missing:
                return True
        rows = certain_rows(network.prefix, transcript)
        self.missed = network, wrong_rows(network, transcript, rows, missing)
        return False

    def _kept(self) -> Prefix:
        """The layers as they are now: those of a copy stay when the search goes on."""
        return Prefix(self.known.shape, list(self.known.layers))

    def _outputs(self) -> ConvResult:
        """Solve for all outputs."""
        told = self.transcripts(self.outputs[0]).asked.all_at_once
        self.last.choose_again(1 if told else len(self.outputs))  # of all outputs, or of the first alone
        transcripts = [self.transcripts(output) for output in self.outputs]
        found = self.last.weights(transcripts, self.last.equations)
        network = ConvNetwork(self._kept(), found.weights.T)
        errors = [
            error_at(network, each, certain_rows(network.prefix, each), i)
            for i, each in enumerate(transcripts)
        ]
        return ConvResult(network, self.outputs, max(errors), self._what_is_open(max(errors), found.unique))

    def _what_is_open(self, certificate: float, unique: bool) -> str:
        """Judge the copy: say what is open, or nothing."""
        if certificate > self.walk.tolerances.missing:
            return f"the copy is off by {certificate:.2g} at inputs that were asked"
        if self.last.never:
            return f"{self.last.never} units of the last hidden layer are on at no input found"
        return "" if unique else "more than one choice of output weights explains every answer"
