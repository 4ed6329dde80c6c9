"""How an oracle is attacked: decided once, by what its answers hold.

An approach says how affine pieces and kinks are asked for, how one hidden layer is searched, and what is done
to a copy in the end. Nothing after the entry asks again what kind of oracle it has.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from divulge.arrays import Array
from divulge.oracles import MeanGradientOracle, Oracle
from divulge.reconstruction.asking.gradient_probe import GradientProbe
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.noise_floor import measure_noise
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.pieces_from_values import ValueTranscript
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.asking.value_probe import ValueProbe
from divulge.reconstruction.deep.attack import DeepAttack, DeepResult
from divulge.reconstruction.explained.far_jumps import FarOutput
from divulge.reconstruction.explained.offsets import ValuesBesideNoise
from divulge.reconstruction.explained.way import Way
from divulge.reconstruction.network.fit import Fit, decoded_fit, off_binary
from divulge.reconstruction.network.record import NoiseFloor
from divulge.reconstruction.one_layer.bisect_offsets import sharpened
from divulge.reconstruction.one_layer.by_decoding import DecodingSearch
from divulge.reconstruction.one_layer.by_gradients_alone import GradientSearch
from divulge.reconstruction.one_layer.by_values import ValueSearch
from divulge.reconstruction.one_layer.kink_by_kink import KinkByKinkSearch
from divulge.reconstruction.one_layer.search import Found, Report
from divulge.reconstruction.one_layer.under_noise import CircleSearch
from divulge.reconstruction.refit.refit_and_check import mended
from divulge.reconstruction.settings import ONE_LAYER


def approach_to(oracle: Oracle) -> Approach:
    """Choose by what answers hold.

    Raises:
        ValueError: neither values nor gradients.
    """
    if isinstance(oracle, MeanGradientOracle):
        return ByMeanGradients(oracle)
    if oracle.has_values and oracle.has_gradients:
        return ByBoth()
    if oracle.has_gradients:
        return ByGradientsAlone()
    if oracle.has_values:
        return ByValues()
    raise ValueError(
        f"expected an oracle that tells values or gradients, a {oracle.kind} oracle tells neither"
    )


class Approach(ABC):
    """What depends on what answers hold; by default for answers that hold gradients.

    Attributes:
        tells_values: whether values are known, without which output biases and deeper layers are not.
        tells_both: whether each answer holds a value and a gradient.
    """

    tells_values = True
    tells_both = False

    def transcript(self, asked: AskedOutput, lines: Lines) -> Transcript:
        """Return an empty record of one output's answers."""
        return Transcript(asked)

    def probe(self, transcript: Transcript) -> Probe:
        """Return what asks an output for kinks and pieces."""
        return GradientProbe(transcript)

    def noise(self, transcript: Transcript, lines: Lines) -> NoiseFloor:
        """Measure how far answers inside one affine piece differ.

        Raises:
            NotPiecewiseLinear: the function is smooth, or the noise too large.
            Stopped: the oracle can be asked no further.
        """
        return measure_noise(transcript, lines)

    def search(
        self, transcript: Transcript, lines: Lines, report: Report, refuted_at: Array | None = None
    ) -> Found:
        """Search one output for the units of a single hidden layer.

        Args:
            transcript: whom to ask.
            lines: along which lines.
            report: called with the best fit whenever there is a new one.
            refuted_at: points (n, d) at which copies found before were wrong; None at first.
        """
        if transcript.drowned:
            return CircleSearch(transcript, lines, report).run()
        if refuted_at is not None:
            return self.search_again(transcript, lines, report, refuted_at)
        return self.search_clear(transcript, lines, report)

    def search_again(self, transcript: Transcript, lines: Lines, report: Report, refuted_at: Array) -> Found:
        """Search once more where a copy was wrong; by default along other lines."""
        return self.search_clear(transcript, lines, report)

    @abstractmethod
    def search_clear(self, transcript: Transcript, lines: Lines, report: Report) -> Found:
        """Search where single answers can be told apart."""

    def sharpened(self, transcript: Transcript, fit: Fit, told: Callable[[], None]) -> Fit:
        """Return a solved fit with offsets as sharp as these answers can make them."""
        return fit

    def refitted(self, attack: DeepAttack, found: DeepResult, probes: Sequence[Probe]) -> DeepResult:
        """Return what a search through many layers found, as exact as these answers can make it.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        return found


class ByBoth(Approach):
    """Answers hold values and gradients: tangents cross at kinks."""

    tells_both = True

    def search_clear(self, transcript: Transcript, lines: Lines, report: Report) -> Found:
        """Search by decoding, then, where its assumptions do not hold, kink by kink."""
        search = DecodingSearch(transcript, lines, report)
        found = search.run()
        if found.solved and transcript.noisy:
            found = averaged(transcript, found)
        if found.solved or found.deeper or found.stopped:
            return found
        if transcript.tolerances.single and search.span.rank < lines.input_size // 2:
            return GradientSearch(transcript, lines.anew(), report).run()
        return KinkByKinkSearch(transcript, lines, report).run()

    def search_again(self, transcript: Transcript, lines: Lines, report: Report, refuted_at: Array) -> Found:
        """Certify every kink on lines through the points where a copy was wrong: no two pass for one.

        In a box, where few units bend a line, decode once more: what these points show is then unexplained.
        """
        if lines.domain is not None:
            transcript.ask(refuted_at)
            return self.search_clear(transcript, lines, report)
        return KinkByKinkSearch(transcript, lines, report, refuted_at).run()

    def sharpened(self, transcript: Transcript, fit: Fit, told: Callable[[], None]) -> Fit:
        """Bisect the offsets where rounding leaves the tangents' crossings blunt.

        Units with nearly the same row spoil each other's bits: offsets that explain the answers worse than
        before are not taken.
        """
        if not transcript.tolerances.single or transcript.noisy:
            return fit
        before, rows = fit, np.arange(len(transcript))
        after = sharpened(transcript, fit, lambda _: told())
        allowed = max(before.slope_residual(transcript, rows), transcript.tolerances.missing)
        return after if after.slope_residual(transcript, rows) <= allowed else before


class ByGradientsAlone(Approach):
    """Answers hold gradients alone: offsets are bisected, output biases stay unknown."""

    tells_values = False

    def search_clear(self, transcript: Transcript, lines: Lines, report: Report) -> Found:
        """Bisect two lines and compare their jumps."""
        return GradientSearch(transcript, lines, report).run()


class ByValues(Approach):
    """Answers hold values alone: gradients are differences inside affine pieces."""

    def transcript(self, asked: AskedOutput, lines: Lines) -> ValueTranscript:
        """Return a record that has measured the rounding of values."""
        return ValueTranscript(asked, lines)

    def probe(self, transcript: Transcript) -> Probe:
        """Return what takes differences."""
        assert isinstance(transcript, ValueTranscript)
        return ValueProbe(transcript)

    def noise(self, transcript: Transcript, lines: Lines) -> NoiseFloor:
        """Return the rounding: the record has measured that of values."""
        return NoiseFloor(transcript.noise)

    def search_clear(self, transcript: Transcript, lines: Lines, report: Report) -> Found:
        """Search every kink on a line, then in what is left."""
        assert isinstance(transcript, ValueTranscript)
        return ValueSearch(transcript, lines, report).run()

    def refitted(self, attack: DeepAttack, found: DeepResult, probes: Sequence[Probe]) -> DeepResult:
        """Refit to values what was found from differences."""
        return mended(attack, found, [probe.values for probe in probes if isinstance(probe, ValueProbe)])


class ByMeanGradients(ByGradientsAlone):
    """Answers are those of a `MeanGradientOracle`.

    Attributes:
        way: over which integrated gradients are a mean, as far as is told; None of SmoothGrad.
        baseline: shape (d,).
    """

    def __init__(self, oracle: MeanGradientOracle) -> None:
        self.way = Way.of_steps(oracle.steps) if oracle.along else None
        self.baseline = oracle.baseline

    def transcript(self, asked: AskedOutput, lines: Lines) -> Transcript:
        """Return an empty record; where explanations are random, of which values alone are compared."""
        return ValuesBesideNoise(asked) if self.way is None else Transcript(asked)

    def noise(self, transcript: Transcript, lines: Lines) -> NoiseFloor:
        """Measure it far out: near the baseline a value is not that of the mean gradient's network."""
        return measure_noise(Transcript(FarOutput(transcript.asked)), lines)


def averaged(transcript: Transcript, found: Found) -> Found:
    """Average the noise of a solution out; unsolved where a unit's state cannot be read in the answers.

    A sum of units, or half of one, may pass for a unit under noise: its coordinate is not 0 or 1.
    """
    jumps, base = found.fit.units.jumps[:, :-1], found.fit.base[:-1]
    off = off_binary(transcript, np.arange(len(transcript)), jumps, base)
    if off.max(initial=0.0) > ONE_LAYER.legible:
        return replace(found, certificate=np.inf, solved=False)
    return replace(found, fit=decoded_fit(transcript, jumps, base))
