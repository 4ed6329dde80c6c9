"""What noise leaves open: every tolerance that depends on it, by four rules max(floor, factor * noise).

Noise of 2e-16, double precision's, leaves all of them at their floors. These are as far above rounding as the
solves between an answer and what is judged may carry it: rows of a condition of 1e4 to 1e6 make 1e-12 to
1e-10 of it. The factors are what rounded and noisy victims need.
"""

from __future__ import annotations

from dataclasses import dataclass

TINY = 1e-300  # in place of a divisor that may be 0: below any size that counts, above subnormal numbers
RANK = 1e-12  # singular value, relative to the largest, of a direction that is none: 1e4 roundings
COARSE = 1e-11  # noise from which on factors count: floor / factor; between eps of float64 and of float32
COARSEST = 1e-3  # noise up to which differences of values are believed to tell anything
WIDEST = 0.1  # angle up to which noise may make two rows one: rows of unlike units are seldom so close
DIFFERENCE = 0.3  # share of `rounding` by which one answer is off: that is of a fit, and at the worst answer


@dataclass(frozen=True)
class Tolerances:
    """Every tolerance that depends on noise.

    Attributes:
        noise: relative error of what is judged.
        single: whether answers are as coarse as single precision: they are of it, or rounded, or noisy.
        blunt: whether factors count and not floors: where answers are coarse, and where gradients are taken
            as differences of sharp ones.
        rounding: relative residual that is rounding, of a copy at any answer. With half or five times as much
            for noise as many of 96 noisy victims of one layer, 87, end complete.
        same: relative difference of two answers from one affine piece. With `rounding` in its place 96 noisy
            victims of one layer take 39 % more queries, and two end incomplete.
        loose: relative residual that is rounding where several solves lie between: an affine part that
            vanishes, a level on a known hyperplane, the lift of a feature that must show.
        missing: relative error that must be a missing unit's; distance from where a kink is predicted to one
            that is it, and to where one asks to be clear of it.
        alike: angle of two rows, and gap of their offsets, that are one unit's; residual of a jump that is a
            row of the layer looked for.
    """

    noise: float
    single: bool
    blunt: bool
    rounding: float
    same: float
    loose: float
    missing: float
    alike: float

    @classmethod
    def of(cls, noise: float, lost: float = 1.0) -> Tolerances:
        """Return the tolerances for answers with this relative error.

        Args:
            noise: of an answer, at least eps of its precision: so it tells float32 from float64.
            lost: how much blunter than an answer is what is judged: 1 for gradients that are answers.
        """
        read = min(lost * noise, max(noise, COARSEST))
        rounding = max(1e-9, 2e2 * read)
        return cls(
            noise=read,
            single=noise > COARSE,
            blunt=read > COARSE,
            rounding=rounding,
            same=DIFFERENCE * rounding,
            loose=max(1e-8, 1e3 * read),
            missing=max(1e-7, 1e4 * read),
            alike=min(WIDEST, max(1e-6, 1e5 * read)),
        )
