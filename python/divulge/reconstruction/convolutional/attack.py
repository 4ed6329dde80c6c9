"""From the first jumps to the whole network: layer after layer, until fresh answers are explained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.stopped import until_stopped
from divulge.reconstruction.convolutional.equations import answered
from divulge.reconstruction.convolutional.first_layer import FirstLayer
from divulge.reconstruction.convolutional.judge import ask_fresh, error_at
from divulge.reconstruction.convolutional.last_layer import LastLayer
from divulge.reconstruction.convolutional.last_sides import LastSides
from divulge.reconstruction.convolutional.layers import Pool, Prefix
from divulge.reconstruction.convolutional.misses import kinks_behind, wrong_rows
from divulge.reconstruction.convolutional.network import ConvNetwork
from divulge.reconstruction.convolutional.next_layer import NextLayer
from divulge.reconstruction.convolutional.sides import read_sides
from divulge.reconstruction.convolutional.walk import Kink, Walk
from divulge.reconstruction.settings import CONV_ATTACK, CONV_FIRST, CONV_MISSES, CONV_POOLING, CONV_ROWS


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


class ConvolutionalAttack:
    """The state of an attack on a network of images.

    Args:
        transcripts: the record of each output.
        outputs: every output, the one that is searched first.
        lines: where inputs may lie.
        shape: (C, H, W) of an input.
        book: called with a layer's depth when it is known.
        report: called with how many units are known.
    """

    def __init__(
        self,
        transcripts: Callable[[int], Transcript],
        outputs: Sequence[int],
        lines: Lines,
        shape: tuple[int, int, int],
        book: Callable[[int], None],
        report: Callable[[int], None],
    ) -> None:
        self.transcripts = transcripts
        self.outputs = outputs
        self.book = book
        self.report = report
        self.walk = Walk(transcripts(outputs[0]), lines, Prefix(shape))
        self.first = FirstLayer(self.walk)
        self.sides = LastSides(self.walk)
        self.last = LastLayer(self.walk)
        self.missed: tuple[ConvNetwork, Index] | None = None
        self.fresh = False
        self.layer: NextLayer | None = None
        self.network: ConvNetwork | None = None

    @property
    def known(self) -> Prefix:
        """The layers known so far."""
        return self.walk.known

    def recognised(self) -> bool:
        """Whether the first jumps are of a convolution.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        return self.first.recognised()

    def run(self) -> ConvResult:
        """Search to the end, or until an oracle can be asked no further."""
        return until_stopped(self.layers, lambda why: ConvResult(None, self.outputs, stopped=why))

    def layers(self) -> ConvResult:
        """Find layer after layer until the last one explains the answers.

        Raises:
            Stopped: an oracle can be asked no further.
        """
        self.first.complete(CONV_FIRST.quiet)
        self._told(0)
        kinks = self.first.deeper
        for depth in range(1, CONV_ATTACK.deepest):
            found = self._next_layer(depth, kinks)
            if found is None:
                return self._outputs()
            if isinstance(found, str):
                return self._incomplete(found)
            self._told(depth)
            whole = self._completed(found)
            if whole is not None:
                return whole
            kinks = found.deeper
        return self._incomplete("fresh answers are not explained by the layers that were found")

    def _told(self, depth: int) -> None:
        self.book(depth)
        self.report(sum(self.known.sizes()))

    def _incomplete(self, why: str) -> ConvResult:
        return ConvResult(None, self.outputs, open=why)

    def _next_layer(self, depth: int, kinks: list[Kink]) -> NextLayer | str | None:
        """Turn the last known layer by kinks of the next, and look for its channels.

        Returns:
            The next layer, None where there is none, or what is open where it cannot be told.
        """
        rng = self.walk.lines.rng
        for _ in range(CONV_ATTACK.rounds):
            kinks = [kink for kink in kinks if self.walk.alone(kink)]
            sides = read_sides(self.known, kinks, rng, self.walk.tolerances.missing)
            if sides is not None:
                self.known.layers[-1] = sides.layer
                found = NextLayer(self.walk, sides.frame)
                found.find(CONV_ROWS.quiet, kinks)
                if depth > 1 or not self.first.grows_by(found.deeper):
                    return found
                del self.known.layers[1:]
                self.walk.told, self.first.deeper = None, []
                kinks = self.walk.kinks
                continue
            if depth == 1 and self._is_last():
                return None
            kinks = kinks + self._more_kinks(depth)
        return f"it could not be told on which side the channels of layer {depth} are active"

    def _more_kinks(self, depth: int) -> list[Kink]:
        """Walk until some more kinks are met that the known layers do not explain."""
        found: list[Kink] = []
        for _ in range(CONV_ATTACK.steps):
            for kink in self.walk.step():
                if depth > 1:
                    found.append(kink)
                else:
                    self.first.take(kink)
            if depth == 1:
                found, self.first.deeper = found + self.first.deeper, []
            if len(found) >= CONV_ATTACK.kinks:
                break
        return found

    def _completed(self, layer: NextLayer) -> ConvResult | None:
        """Look for channels, longer and further out each time, until the layer is seen to be the last one.

        Where a linear function is left over, a channel was on all the time: it is walked along, both ways.
        Where only fresh answers show that something is missing, it is looked for near these.
        """
        nearly: ConvResult | None = None
        for reach, quiet in CONV_ATTACK.searches:
            self._walk_for(layer, reach, quiet)
            last = layer.layer is not None and self._is_last()
            for _ in range(CONV_ATTACK.misses):
                if last or not self._learned_from_misses(layer):
                    break
                last = self._is_last()
            if last:
                nearly, self.layer = self._outputs(), layer
                self.network = nearly.network
                if not nearly.open:
                    return nearly
                self._turn_back()
        return nearly

    def _walk_for(self, layer: NextLayer, reach: float, quiet: int) -> None:
        """Walk to points of a size until nothing new is seen of a layer for so many crossings."""
        self.walk.reach, self.walk.blocks = reach, True
        for side in (1, -1) if self.sides.remainder is not None else (0,):
            self.walk.restart()
            if side:
                self.walk.aim(self.sides.downhill if side > 0 else self.sides.uphill)
            layer.find(quiet)
        layer.settle_grid()
        self.walk.reach, self.walk.blocks = 1.0, False

    def _learned_from_misses(self, layer: NextLayer) -> bool:
        """Look for what is missing where the last copy was wrong; whether something was found."""
        if self.missed is None:
            return False
        entries, (network, rows) = layer.entries, self.missed
        self.missed = None
        for row in rows[: CONV_MISSES.answers]:
            for kink in kinks_behind(self.walk, network, int(row)):
                layer.take(kink)
            layer.finish()
            if layer.entries > entries:
                break
        layer.settle_grid()
        return layer.entries > entries

    def go_on(self, point: Array) -> ConvResult | None:
        """Look for what a copy lacks that an answer at a point (d,) refutes; None where nothing is found.

        Raises nothing: where an oracle can be asked no further, that is in the result.
        """
        if self.layer is None or self.network is None:
            return None
        layer, network = self.layer, self.network

        def work() -> ConvResult | None:
            transcript = self.transcripts(self.outputs[0])
            answered(transcript, point[None])
            rows = wrong_rows(network, transcript, np.arange(len(transcript)), self.walk.tolerances.missing)
            self.missed = network, rows
            self._turn_back()
            if not self._learned_from_misses(layer) or not self._is_last():
                return None
            return self._outputs()

        return until_stopped(work, lambda why: ConvResult(None, self.outputs, stopped=why))

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
        if error_at(network, transcript, np.arange(len(transcript)), 0) <= missing:
            ask_fresh(network, transcript, self.walk.lines, self.fresh)
            self.fresh = True
            if error_at(network, transcript, np.arange(len(transcript)), 0) <= missing:
                return True
        self.missed = network, wrong_rows(network, transcript, np.arange(len(transcript)), missing)
        return False

    def _kept(self) -> Prefix:
        """The layers as they are now: those of a copy stay when the search goes on."""
        return Prefix(self.known.shape, list(self.known.layers))

    def _outputs(self) -> ConvResult:
        """Solve for all outputs."""
        self.last.choose_again(len(self.outputs))
        transcripts = [self.transcripts(output) for output in self.outputs]
        found = self.last.weights(transcripts, self.last.equations)
        network = ConvNetwork(self._kept(), found.weights.T)
        errors = [error_at(network, each, np.arange(len(each)), i) for i, each in enumerate(transcripts)]
        return ConvResult(network, self.outputs, max(errors), self._what_is_open(max(errors), found.unique))

    def _what_is_open(self, certificate: float, unique: bool) -> str:
        """Judge the copy: say what is open, or nothing."""
        if certificate > self.walk.tolerances.missing:
            return f"the copy is off by {certificate:.2g} at inputs that were asked"
        if self.last.never:
            return f"{self.last.never} units of the last hidden layer are on at no input found"
        return "" if unique else "more than one choice of output weights explains every answer"
