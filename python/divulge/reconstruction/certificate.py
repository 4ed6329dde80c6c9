"""What a copy was checked on, and what that says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divulge.reconstruction.settings import FALSIFYING


@dataclass(frozen=True)
class Sample:
    """Fresh answers at inputs that were drawn one way.

    Attributes:
        drawn: how, in words: "standard normal".
        answers: how many.
        error: the worst relative error of value and gradient on them.
    """

    drawn: str
    answers: int
    error: float


@dataclass(frozen=True)
class Certificate:
    """Fresh answers that a copy was checked on after its last change; none of them was used to make it.

    With n answers at inputs drawn independently, none of them off by more than `error`, the share p of such
    inputs at which the copy is off by more than that is below 3 / n with 95% confidence: (1 - p)^n > .05
    means p < 3 / n. That is said of inputs like those of the first sample alone; the other samples look where
    copies have been wrong.

    Attributes:
        samples: one for each way of drawing; the first is the usual inputs, standard normal or those of the
            box. Empty where nothing was asked.
        apart: distance between parallel hyperplanes below which two units may have been taken for one, in the
            input's units; 0 where it was not looked for.
        left_out: share of the places at which no unit was looked for that one output alone uses, not the
            first, and that is on beside one feature of the first layer alone; 0 where all were, and where the
            second layer was not read as whole rows, which asks at no such places.
        beside_axes: worst relative error at such places that were asked, of which some may have been used to
            make the copy, if it is more than rounding; else 0. The place may be so near to a weak unit's
            hyperplane that its side is not known.
    """

    samples: tuple[Sample, ...] = ()
    apart: float = 0.0
    left_out: float = 0.0
    beside_axes: float = 0.0

    @property
    def answers(self) -> int:
        """Fresh answers in all."""
        return sum(sample.answers for sample in self.samples)

    @property
    def error(self) -> float:
        """The worst relative error of value and gradient on any of them or beside axes; infinite for none."""
        return max((*(sample.error for sample in self.samples), self.beside_axes)) if self.samples else np.inf

    @property
    def share(self) -> float:
        """Upper bound, with 95% confidence, of the share of usual inputs off by more than `error`."""
        usual = self.samples[0].answers if self.samples else 0
        return FALSIFYING.confidence / max(usual, FALSIFYING.confidence)

    def and_more(self, other: Certificate) -> Certificate:
        """Return this one with more answers about the same copy, those drawn one way counted together."""
        told = {sample.drawn: sample for sample in self.samples}
        for more in other.samples:
            old = told.get(more.drawn, Sample(more.drawn, 0, 0.0))
            told[more.drawn] = Sample(more.drawn, old.answers + more.answers, max(old.error, more.error))
        return Certificate(
            tuple(told.values()),
            max(self.apart, other.apart),
            max(self.left_out, other.left_out),
            max(self.beside_axes, other.beside_axes),
        )

    def __str__(self) -> str:
        if not self.samples:
            return "no fresh answer was asked for"
        drawn = ", ".join(f"{sample.answers} {sample.drawn}" for sample in self.samples)
        sentence = (
            f"{self.answers} fresh answers ({drawn}), the worst off by {self.error:.1e}; with 95% confidence "
            f"fewer than {100 * self.share:.2g}% of {self.samples[0].drawn} inputs are off by more"
        )
        if self.apart:
            sentence += f"; units with hyperplanes within {self.apart:.0e} of each other may pass for one"
        if self.left_out:
            sentence += (
                "; units that one output alone uses, not the first, and that are on far out beside one "
                f"feature alone, were not looked for at {self.left_out:.0%} of such places"
            )
        if self.beside_axes:
            sentence += (
                "; far out beside single features of the first layer, which were asked before, it is off by "
                f"up to {self.beside_axes:.1e}"
            )
        return sentence
