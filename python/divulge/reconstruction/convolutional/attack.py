"""From the first jumps to the whole network: layer after layer, until fresh answers are explained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from divulge.arrays import Array
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.stopped import until_stopped
from divulge.reconstruction.convolutional.alone import certified_window
from divulge.reconstruction.convolutional.dense_behind import DenseBehind
from divulge.reconstruction.convolutional.ending import ConvResult
from divulge.reconstruction.convolutional.equations import answered
from divulge.reconstruction.convolutional.first_layer import FirstLayer
from divulge.reconstruction.convolutional.followed_sides import sides_followed
from divulge.reconstruction.convolutional.judge import certain_rows
from divulge.reconstruction.convolutional.layers import Prefix
from divulge.reconstruction.convolutional.misses import kinks_behind, kinks_towards_right, wrong_rows
from divulge.reconstruction.convolutional.network import ConvNetwork
from divulge.reconstruction.convolutional.next_layer import NextLayer
from divulge.reconstruction.convolutional.padding_modes import OTHER_PADDING, padding_mode
from divulge.reconstruction.convolutional.pooled_windows import single_window
from divulge.reconstruction.convolutional.sides import Sides, read_sides
from divulge.reconstruction.convolutional.two_levels import CUT_OFF, TWINS, has_twins, has_two_levels
from divulge.reconstruction.convolutional.walk import Kink, Walk
from divulge.reconstruction.settings import CONV_ATTACK, CONV_FIRST, CONV_MISSES, CONV_ROWS


class ConvolutionalAttack(DenseBehind):
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
        super().__init__(transcripts, outputs, Walk(transcripts(outputs[0]), lines, Prefix(shape)))
        self.book = book
        self.report = report
        self.first = FirstLayer(self.walk)
        self.layer: NextLayer | None = None
        self.network: ConvNetwork | None = None
        self.nearly: ConvResult | None = None  # the last copy that explained all answers
        self.whole = 0

    def recognised(self) -> bool:
        """Whether the first jumps are of a convolution.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        return self.first.recognised()

    def run(self) -> ConvResult:
        """Search to the end, or until an oracle can be asked no further."""
        return until_stopped(self.layers, self._stopped)

    def _stopped(self, why: str) -> ConvResult:
        """The last copy of which something was open, if there was one."""
        return replace(self.nearly or ConvResult(None, self.outputs), stopped=why)

    def layers(self) -> ConvResult:
        """Find layer after layer until the last one explains the answers.

        Raises:
            Stopped: an oracle can be asked no further.
        """
        self.first.complete(CONV_FIRST.quiet)
        if not len(self.first.layer):
            return self._incomplete("no filter of layer 1 was seen to switch at one place alone")
        self._told(0)
        mode = padding_mode(self.first.layer, self.walk.kinks, self.known.shape, self.walk.tolerances.alike)
        if mode:
            return self._incomplete(OTHER_PADDING.format(mode))
        kinks = self.first.deeper
        for depth in range(1, CONV_ATTACK.deepest):
            found = self._next_layer(depth, kinks)
            if found is None:
                return self._outputs()
            if isinstance(found, str):
                return self._incomplete(found + TWINS * self._has_twins())
            if isinstance(found, ConvResult):
                return found
            self._told(depth)
            whole = self._completed(found)
            if whole is not None:
                return whole
            kinks = found.deeper
        return self._incomplete("fresh answers are not explained by the layers that were found")

    def _told_dense(self, depth: int) -> None:
        self._told(depth)

    def _told(self, depth: int) -> None:
        self.whole = depth + 1
        self.book(depth)
        self.report(sum(self.known.sizes()))

    def _incomplete(self, why: str) -> ConvResult:
        return ConvResult(None, self.outputs, open=why)

    def _next_layer(self, depth: int, kinks: list[Kink]) -> NextLayer | ConvResult | str | None:
        """Turn the last known layer by kinks of the next, and look for its channels.

        Returns:
            The next layer, None where there is none, what is open where it cannot be told; where there are
            dense layers behind, the end.
        """
        for round_ in range(CONV_ATTACK.rounds):
            kinks = [kink for kink in {id(kink): kink for kink in kinks}.values() if self.walk.alone(kink)]
            sides = self._sides(kinks, round_)
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
            dense = self._dense_behind(kinks)
            if dense is not None:
                return dense
            if depth == 1 and round_ >= CONV_ATTACK.doubts and self.first.loses_by_doubt():
                kinks, self.first.deeper = self.first.deeper, []
            kinks = kinks + self._more_kinks(depth)
        return f"it could not be told on which side the channels of layer {depth} are active"

    def _sides(self, kinks: list[Kink], round_: int) -> Sides | None:
        """Sides by single kinks; in one round, where these have not told, by units that are followed."""
        sides = read_sides(self.known, kinks, self.walk.lines.rng, self.walk.tolerances.missing)
        while sides is not None:
            alone, kinks = certified_window(self.walk, sides.frame, kinks)
            if alone:
                break
            sides = read_sides(self.known, kinks, self.walk.lines.rng, self.walk.tolerances.missing)
        if sides is None:
            return sides_followed(self.walk, kinks) if round_ == CONV_ATTACK.followed else None
        return replace(sides, frame=single_window(self.known, sides, kinks, self.walk.tolerances))

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
        for reach, quiet in CONV_ATTACK.searches:
            self._walk_for(layer, reach, quiet)
            layer.find_ends()
            last = layer.layer is not None and self._is_last()
            for _ in range(CONV_ATTACK.misses):
                if last or not self._learned_from_misses(layer):
                    break
                layer.find_ends()
                last = self._is_last()
            if last:
                self.nearly, self.layer = self._outputs(), layer
                self.network = self.nearly.network
                if not self.nearly.open:
                    return self.nearly
                self._turn_back()
            elif self.nearly is None and self._is_cut_off():
                return self._incomplete(CUT_OFF)
            elif layer.layer is not None and not layer.frame.whole:
                dense = self._dense_behind(layer.deeper, layer)
                if dense is not None:
                    return dense
            elif layer.layer is not None and self.nearly is None and quiet and self.dense is None:
                dense = self._dense_instead(len(self.known.layers) - 1)
                if dense is not None:
                    return dense
        return self.nearly

    def _dense_instead(self, depth: int) -> ConvResult | None:
        """Take a layer that sees all of its map for the first of several dense ones; None where it is not.

        Among its channels are units of those behind it, whose kinks look like its own: until the search ends
        it does not count as whole.
        """
        kept, whole = self.known.layers[depth:], self.whole
        del self.known.layers[depth:]
        self.whole = depth
        found = self._dense_layers()
        if found is None or found.network is None:
            self.known.layers[depth:], self.whole = kept, whole
            self.dense = self.missed = None
            return None
        return found

    def _has_twins(self) -> bool:
        """Whether two channels of the first layer have the same filter."""
        return has_twins(self.first.layer, self.walk.tolerances.alike)

    def _is_cut_off(self) -> bool:
        """Whether channels of the first layer switch at a second level, too."""
        tolerance = self.walk.tolerances.alike
        return has_two_levels(self.first.layer, self.walk.kinks, self.known.shape, tolerance)

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
            for kink in kinks_towards_right(self.walk, network, int(row), self.walk.tolerances.missing):
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
        if self.dense is not None:
            return self._dense_from(point)
        if self.layer is None or self.network is None:
            return None
        layer, network = self.layer, self.network

        def work() -> ConvResult | None:
            transcript = self.transcripts(self.outputs[0])
            answered(transcript, point[None])
            certain = certain_rows(network.prefix, transcript)
            rows = wrong_rows(network, transcript, certain, self.walk.tolerances.missing)
            self.missed = network, rows
            self._turn_back()
            if not self._learned_from_misses(layer):
                return None
            layer.find_ends()
            if not self._is_last():
                return None
            return self._outputs()

        return until_stopped(work, lambda why: ConvResult(None, self.outputs, stopped=why))
