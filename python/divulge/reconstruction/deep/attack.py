"""From one output's layers to the whole network: the outputs, the orientation, the certificate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.asking.stopped import until_stopped
from divulge.reconstruction.deep import last_layer
from divulge.reconstruction.deep.beside_axes import BesideAxes
from divulge.reconstruction.deep.fit_as_last import DeepFit
from divulge.reconstruction.deep.layer_by_layer import DeepSearch
from divulge.reconstruction.deep.other_outputs import seen_behind, sharpened
from divulge.reconstruction.deep.passage import handing_on
from divulge.reconstruction.deep.wide.search import WideSearch
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.network.orientation import orient
from divulge.reconstruction.settings import ATTACK


@dataclass(frozen=True)
class DeepResult:
    """What an attack on many layers ends with.

    Attributes:
        model: the network.
        outputs: which output each of the model's stands for.
        certificate: largest relative residual on fresh queries.
        solved: whether every answer is explained.
        slope: whether the last layer keeps a linear part beside it.
        decided: whether the orientation of the last layer's units is certain.
        unseen: entries of rows that nothing has shown.
        left_out: share of the pairs of a feature and an output, not the first, that was not asked beside the
            feature's axis.
        beside_axes: relative error of the copy where it was asked; None if rounding, or changed since.
        unturned: number of the hidden layer, from 1 on, of whose units it is not known on which side they are
            active; None where there is none.
        stopped: why an oracle could be asked no further, empty where it could.
    """

    model: DeepModel
    outputs: list[int]
    certificate: float
    solved: bool
    slope: bool
    decided: bool
    unturned: int | None = None
    unseen: int = 0
    left_out: float = 0.0
    beside_axes: float | None = None
    stopped: str = ""


class DeepAttack:
    """The state of an attack on a network of many layers."""

    def __init__(
        self,
        probes: Callable[[int], Probe],
        outputs: Sequence[int],
        lines: Lines,
        book: Callable[[int], None],
        report: Callable[[DeepModel], None],
    ) -> None:
        self.probes = probes
        self.outputs = outputs
        self.lines = lines
        self.probe = probes(outputs[0])
        self.search = DeepSearch(self.probe, lines, book, lambda fit: report(fit.model), self.told_at_once)
        self.wide: WideSearch | None = None
        self.refuted_at: Array | None = None  # where a fresh answer of the first output was not explained
        self.axes: tuple[Dense, BesideAxes] | None = None  # and behind which first layer they are
        self.tolerance = self.probe.tolerances.loose

    def run(self) -> DeepResult:
        """Search to the end, or until an oracle can be asked no further."""
        return until_stopped(self.rounds, lambda why: replace(self.known(), stopped=why))

    def run_on(self, refuted_at: Array, place: int) -> DeepResult:
        """Search on through points (n, d) at which a copy was wrong about the output at a place.

        What that output shows besides is added to whole rows first; layers are gone through anew where the
        copy is still wrong there.
        """

        def work() -> DeepResult:
            mended = self.mended(refuted_at, place)
            if mended is not None:
                return mended
            for point in refuted_at:
                if self.wide is not None:
                    self.wide.look_through(point)
                else:
                    self.search.look_through(point)
            return self.rounds()

        return until_stopped(work, lambda why: replace(self.known(), stopped=why))

    def mended(self, refuted_at: Array, place: int) -> DeepResult | None:
        """Return what comes of adding units to whole rows; None where it is wrong at points (n, d), too."""
        fit, probe = self.search.best, self.probe_at(place)
        if self.wide is not None or fit is None or not self.search.seen_whole(fit):
            return None
        found = self.finished(seen_behind(self.search, probe, fit) or fit)
        if not found.solved:
            return None
        off = probe.misses(refuted_at, found.model.pieces(refuted_at, place))
        return found if off.max() <= self.tolerance else None

    @property
    def more_refuted(self) -> int:
        """How many points more than one, at which a copy was wrong, are searched from."""
        return 0 if self.wide is None else ATTACK.more_refuted

    def rounds(self) -> DeepResult:
        """Find all layers and outputs; search on where a fresh answer of the first one is not explained.

        Raises:
            Stopped: an oracle can be asked no further.
        """
        result = self.once()
        for _ in range(ATTACK.again):
            if result.solved or self.wide is not None or self.refuted_at is None:
                break
            self.search.look_through(self.refuted_at)
            result = self.once()
        return result

    def once(self) -> DeepResult:
        """Find the layers from the first output, then solve for the other outputs.

        Where one of these is not explained, as it weighs two units otherwise that were taken for one, or uses
        one more, units are sought behind it, too.
        """
        self.refuted_at = None
        fit = self.layers()
        if fit is None or fit.error > self.probe.tolerances.alike:
            return self.result(fit, [self.outputs[0]], np.inf, solved=False)
        return self.finished(fit)

    def finished(self, fit: DeepFit) -> DeepResult:
        """Solve for the other outputs of a fit of the first, and seek behind them what it lacks.

        Weak units are measured again first, behind the outputs that show them best: what a blunt row leaves
        of the others' answers looks like a missing unit, and is sought in vain.

        Raises:
            Stopped: an oracle can be asked no further.
        """
        axes, sought = self.beside_axes(fit), set[int]()
        result, wrong, off = self.sharper(fit, axes)
        while worse := self.worse_behind(wrong, off, sought):
            output = worse[0]
            sought.add(output)
            grown = seen_behind(self.search, self.probes(output), fit)
            if grown is not None:
                fit = grown
                result, wrong, off = self.sharper(fit, axes)
        return self.with_axes(result, axes, off)

    def sharper(self, fit: DeepFit, axes: BesideAxes) -> tuple[DeepResult, list[int], Array]:
        """Solve for all outputs, weak units measured again if that explains more; else they are kept.

        Args:
            fit: of the first output.
            axes: what asks beside the axes.

        Returns:
            The result, the outputs that it does not explain, and how far each is off beside the axes.

        Raises:
            Stopped: an oracle can be asked no further.
        """
        result, wrong, whole = self.all_outputs(fit)
        off = axes.off(result.model)
        units, best = list(self.search.confirmed), self.search.best
        again = sharpened(self.search, self.probe_at, whole)
        if again is None:
            return result, wrong, off
        sharp, still_wrong, _ = self.all_outputs(again)
        still_off = axes.off(sharp.model)
        most = max(self.tolerance, result.certificate, off.max())
        if max(sharp.certificate, still_off.max()) <= most:
            return sharp, still_wrong, still_off
        self.search.confirmed[:], self.search.best = units, best
        return result, wrong, off

    def with_axes(self, result: DeepResult, axes: BesideAxes, off: Array) -> DeepResult:
        """Return a result with what answers beside the axes say of it: how far each output is off there.

        A unit of less than what counts as missing is known to rounding that may put such a point on its other
        side, and values far out are rounding in single precision; units that are missing have been sought by
        then.
        """
        worst = float(off.max())
        solved = result.solved and worst <= self.probe.tolerances.missing
        certificate, beside = max(result.certificate, worst), worst if worst > self.tolerance else None
        return replace(
            result, certificate=certificate, solved=solved, left_out=axes.left_out, beside_axes=beside
        )

    def worse_behind(self, wrong: list[int], off: Array, sought: set[int]) -> list[int]:
        """Return behind which outputs units are to be sought that was not done behind yet.

        Args:
            wrong: outputs that the units do not explain.
            off: how far each is off beside the axes, shape (outputs,).
            sought: behind which it was.
        """
        missed = off > (self.probe.tolerances.missing if self.probe.rounded else self.tolerance)
        worse = [k for k, miss in zip(self.outputs, missed, strict=True) if miss or k in wrong]
        return [output for output in worse if output not in sought]

    def beside_axes(self, fit: DeepFit) -> BesideAxes:
        """Return what asks other outputs beside the axes of features, nothing without whole rows.

        What was asked behind the same first layer before counts as answered.
        """
        if not self.search.seen_whole(fit):
            return BesideAxes(self.probes, self.outputs, np.empty((0, self.probe.input_size)))
        if self.axes is None or self.axes[0] is not fit.prefix.layers[0]:
            known = self.search.beside_axes
            axes = (
                BesideAxes.of(self.probes, self.outputs, fit.prefix, self.lines)
                if known is None
                else BesideAxes.answered(self.probes, self.outputs, known)
            )
            self.axes = fit.prefix.layers[0], axes
        return self.axes[1]

    def told_at_once(self) -> list[Probe]:
        """Return what asks the outputs that an answer about the first one holds, too."""
        return [self.probes(output) for output in self.outputs[1:]] if self.probe.all_at_once else []

    def probe_at(self, place: int) -> Probe:
        """Return what asks the output at a place among the model's."""
        return self.probes(self.outputs[place])

    def all_outputs(self, fit: DeepFit) -> tuple[DeepResult, list[int], DeepFit]:
        """Solve for the other outputs; return the result, which are not explained, and the fit of all."""
        layer, done, errors = fit.layer, [self.outputs[0]], [0.0]
        first = orient(layer, self.tolerance)
        slope = first.slope or not first.decided
        fit = replace(fit, layer=layer if slope else first.layer)
        for output in self.outputs[1:]:
            told = self.told_beside_axes(fit, slope, output) or self.with_output(fit, slope, output)
            fit, slope, error = told
            done.append(output)
            errors.append(error)
        worst = np.maximum(errors, self.certify(fit.model, done))
        wrong = [output for output, error in zip(done[1:], worst[1:], strict=True) if error > self.tolerance]
        certificate = float(worst.max())
        return self.result(fit, done, certificate, certificate <= self.tolerance), wrong, fit

    def told_beside_axes(self, fit: DeepFit, slope: bool, output: int) -> tuple[DeepFit, bool, float] | None:
        """Solve for one more output of whole rows where it is to be asked about anyway, beside the axes.

        None where that leaves a weight open, or does not explain the output. With a linear part it might
        explain too much: a unit that is missing is on at many of these points. In single precision so few
        points far out leave a weight rough.
        """
        if slope or self.probe.rounded or not self.search.seen_whole(fit):
            return None
        axes, place = self.beside_axes(fit), self.outputs.index(output)
        rows = axes.turns(place, 1)
        few = fit.design.points[: ATTACK.usual_points]
        points = np.concatenate([few, axes.points[rows]])
        design = last_layer.Design.of(points, len(fit.layer) + fit.prefix.width + 1)
        if not design.determines(fit.prefix, fit.layer, with_slope=False):
            return None
        pieces = np.concatenate([self.probes(output).pieces(few), axes.told(place, rows)])
        found = solved_on(design, fit, slope, pieces, self.probe)
        return found if found[2] <= self.probe.tolerances.rounding else None

    def with_output(self, fit: DeepFit, slope: bool, output: int) -> tuple[DeepFit, bool, float]:
        """Solve for one more output from its pieces at the design's points.

        Where the last layer's units and its linear part do not explain it the input may: it is handed on.
        """
        pieces = self.probes(output).pieces(fit.design.points)
        found = solved_on(fit.design, fit, slope, pieces, self.probe)
        if found[2] <= self.probe.tolerances.alike or self.probe.rounded:
            return found
        other = solved_on(fit.design, handing_on(fit), True, pieces, self.probe)
        return other if other[2] <= self.probe.tolerances.alike else found

    def layers(self) -> DeepFit | None:
        """Find the layers from the first output; behind a wide first layer units are followed first."""
        fit = self.search.run() if self.wide is None else self.behind_wide_first()
        if self.search.to_be_followed() or self.search.stuck_behind_slopes:
            self.search.followed = True
            fit = self.behind_wide_first()
        for _ in range(ATTACK.followed_again):
            if self.wide is None or self.explains(fit) or self.beyond_search():
                break
            self.wide = None  # units that no later one explains were taken for a layer: others may be met
            fit = self.behind_wide_first()
        if fit is None or (self.wide is not None and not self.explains(fit)):
            if self.wide is not None and self.beyond_search():
                return self.wide.so_far()
            self.wide, fit = None, self.search.run()
        return fit

    def explains(self, fit: DeepFit | None) -> bool:
        """Whether a fit explains its answers."""
        return fit is not None and fit.error <= self.probe.tolerances.alike

    def beyond_search(self) -> bool:
        """Whether units were followed to where the search by layers cannot come: it turns no wide layer."""
        if self.wide is None or not self.search.confirmed:
            return False
        wide = len(self.search.confirmed[0]) > self.probe.input_size
        return wide and len(self.wide.known.prefix.layers) > 1

    def behind_wide_first(self) -> DeepFit | None:
        """Follow units behind the first layer."""
        if self.wide is None:
            first = self.search.confirmed[0]
            dense = Dense(first.rows, first.offsets)
            prefix = Prefix(self.probe.input_size, [dense])
            self.wide = WideSearch(self.probe, self.lines, prefix, self.probe.tolerances.alike)
        fit = self.wide.run()
        while fit is None and (behind := self.wide.next()) is not None:
            self.search.book(len(self.wide.known.prefix.layers))
            self.wide = behind
            fit = self.wide.run()
        if fit is not None and self.explains(fit):
            self.search.adopt(fit)
        self.search.book(len(self.wide.known.prefix.layers))
        return fit

    def certify(self, model: DeepModel, outputs: list[int]) -> Array:
        """Ask fresh points about every output; return its largest relative residual, shape (outputs,)."""
        points = self.lines.samples(ATTACK.fresh_queries)
        misses = np.stack(
            [
                self.probes(output).misses(points, model.pieces(points, place))
                for place, output in enumerate(outputs)
            ]
        )
        if misses[0].max() > self.tolerance and not (self.probe.rounded or self.probe.bends_are_cheap):
            self.refuted_at = points[np.argmax(misses[0])]
        return np.asarray(misses.max(axis=1))

    def known(self) -> DeepResult:
        """Return what is known before the end."""
        fit = self.search.latest
        if self.wide is not None and (fit is None or fit.error > self.probe.tolerances.alike):
            fit = self.wide.so_far() or fit
        return self.result(fit, [self.outputs[0]], np.inf, solved=False)

    @property
    def unturned(self) -> int | None:
        """Number of the hidden layer, from 1 on, of whose units the sides are not told."""
        if self.wide is not None:
            return len(self.wide.known.prefix.layers) if self.wide.known.open_sides else None
        return None if self.search.unturned is None else self.search.unturned + 1

    def result(self, fit: DeepFit | None, outputs: list[int], certificate: float, solved: bool) -> DeepResult:
        """Orient the last layer's units and wrap everything up."""
        if fit is None:
            size = self.probe.input_size
            empty = Layer(np.zeros((0, size + 1)), np.zeros((1, 0)), np.zeros((1, size + 1)))
            return DeepResult(DeepModel(Prefix(size), empty), outputs, np.inf, False, True, False)
        orientation = orient(fit.layer, self.tolerance)
        model = DeepModel(fit.prefix, orientation.layer).without_slopes()
        units = self.search.confirmed[: len(model.hidden_sizes)]
        if solved:
            model = model.pruned(self.probe.tolerances.rounding)
        return DeepResult(
            model,
            outputs,
            certificate,
            solved,
            orientation.slope,
            orientation.decided and not orientation.slope,
            self.unturned,
            sum(int((~layer.known).sum()) for layer in units),
        )


def solved_on(
    design: last_layer.Design, fit: DeepFit, slope: bool, pieces: Array, probe: Probe
) -> tuple[DeepFit, bool, float]:
    """Return a fit with one more output, solved from its pieces at a design's points, and the residual."""
    solution, error = design.solve(fit.prefix, fit.layer, pieces, slope, probe.rounded)
    return replace(fit, layer=last_layer.with_output(fit.layer, solution, slope)), slope, error
