"""Numbers of searches from values alone, and of the last fit to them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ByValuesSettings:
    """One hidden layer from values: one_layer/by_values.py."""

    # random points that must be explained, first and then
    fresh: tuple[int, int] = (8, 64)
    # there a unit may show in a corner only
    fresh_in_box: tuple[int, int] = (64, 1024)
    # on which units are searched that the first one missed: a bound, idle ones end it before
    most_lines: int = 64
    # of them in a row without a new unit: what is left is no further unit. Half or twice changes nothing
    # (values, 16 victims)
    idle_lines: int = 8
    # relative error of a jump from which on its pieces are taken again where they are wide. Half: +3 %
    # queries; twice: -2 % queries (values, 16 victims)
    poor: float = 2e-12
    # share of the pieces that may be taken again, d + 1 values each. Half: -2 % queries; twice: +1 % queries
    # (values, 16 victims)
    most_poor: float = 0.2
    # of the way to the next hyperplane that their steps may go
    room: float = 0.9
    # pieces after which progress is reported and a partial result grows. Half: +0 % queries; twice: +1 %
    # queries (values, 16 victims)
    chunk: int = 4
    # errors by which two findings of one gradient may differ. Half or twice changes nothing (values, 16
    # victims)
    same_piece: float = 10.0
    # distance of two kinks on a line that are taken for one hyperplane's. Half or twice changes nothing
    # (values, 16 victims)
    same_place: float = 1e-7
    # kinks on known hyperplanes that a blurred or spurious unit may leave. Half or twice changes nothing
    # (values, 16 victims)
    most_left: int = 3
    # errors of what is known, at usual points, that a kink must exceed. Half or twice changes nothing
    # (values, 16 victims)
    blur: float = 30.0


@dataclass(frozen=True)
class OffsetsSettings:
    """Sharper pieces and offsets: one_layer/value_offsets.py."""

    # distance from every hyperplane that widened points aim at, relative to the usual one. Half or twice
    # changes nothing (values, 16 victims)
    wide: float = 0.5
    # of the way to the next hyperplane that a walk across one goes. Half or twice changes nothing (values, 16
    # victims)
    share: float = 0.25
    # room around a foot, relative to its distance from the origin, that is enough. Half or twice changes
    # nothing (values, 16 victims)
    room: float = 1e-3
    # of the samples from which feet are taken: nearer ones move less with a row's error
    scales: tuple[float, ...] = (1.0, 0.3, 0.1, 0.03)
    # relative difference of two jumps that are one: rows are known to 1e-6 at worst
    same_jump: float = 1e-3
    # samples from which feet are taken. Half or twice changes nothing (values, 16 victims)
    candidates: int = 64
    # share of the way to a box's edge: rounding leaves it inside
    inside: float = 1 - 1e-9


@dataclass(frozen=True)
class RemainderSettings:
    """What known units leave: one_layer/value_residual.py."""

    # difference of two unit-norm rows that are taken for one hyperplane, as in `alike`
    same_plane: float = 1e-6
    # relative error of a jump that rounding does not explain
    gross: float = 1e-3


@dataclass(frozen=True)
class GaussNewtonSettings:
    """A fit of a whole network: refit/gauss_newton.py."""

    # quadratic: 1e-1, 1e-2, 1e-4, 1e-8, 1e-16, and three where states change. Half or twice changes nothing
    # (deep values, 8 victims)
    rounds: int = 8
    # usual errors from which on a value is left out of the fit,. Half or twice changes nothing (deep values,
    # 8 victims)
    outlying: float = 1e2
    # but only where it is off by more than this: less is no unit's absence. Half or twice changes nothing
    # (deep values, 8 victims)
    missing_unit: float = 1e-5
    # gain from which on another round is worth it: mean logarithm of an error in roundings. Half or twice
    # changes nothing (deep values, 8 victims)
    little: float = 1e-3
    # relative distance from hyperplanes: nearer a point's side may be misjudged. Half: +0 % queries; twice:
    # +0 % queries (deep values, 8 victims)
    clearance: float = 1e-4
    # share of what is left that a round may leave: the square of a usual error of 3e-3
    solved: float = 1e-5
    # of a parameter, relative to the usual one: rows from differences have it
    likely_error: float = 1e-6
    # parameters that are whitened together, 8 MB: unit by unit alone rows of 80-40-20-1 stay off by up to
    # 1.5e-8, so by 6.5e-10
    most_joint: int = 1000
    # of least squares in one round. Half or twice changes nothing (deep values, 8 victims)
    iterations: int = 100
    # and in all. Half or twice changes nothing (deep values, 8 victims)
    most_iterations: int = 200
    # added to the diagonals of normal equations: a Cholesky factor exists
    ridge: float = 1e-12


@dataclass(frozen=True)
class RareSettings:
    """Entries that values hardly show: refit/rare_points.py.

    Errors of parameters of 40-20-10-10-1 fall from 1e-7 to 1e-10 by it.
    """

    # likely error of an entry of a row, of which the norm is 1, that more values shall mend
    blunt: float = 1e-9
    # asked for each such entry. Half or twice changes nothing (deep values, 8 victims)
    values: int = 24
    # points looked at for each value. Half or twice changes nothing (deep values, 8 victims)
    draws: int = 32
    # logarithm of the least step away from where both are on: far enough to be clear
    nearest: float = -4.0


@dataclass(frozen=True)
class MendingSettings:
    """The last fit and checks: refit/refit_and_check.py."""

    # relative residual of a copy that is worth a refit: states are right nearly everywhere
    nearly: float = 0.1
    # roundings from which on a refit may help. Stopping there, at 1e-10, 80-40-20-1 takes 4.3 s in place of 7
    blunt: float = 1e6
    # share of the largest weight that a unit without any has
    nothing: float = 1e-7
    # the same, of a unit that may be none: a fit tells
    doubtful: float = 1e-4
    # angle of two units that may be one: a seed of 10-10-10-1 takes 2^14.3 values with it, 2^15.9 without
    double: float = 1e-2
    # every so manyth point for checks and fits lies up some features, as in COUNTEREXAMPLES
    climbed: int = 2
    # points of one check. Half: -13 % queries; twice: +26 % queries (deep values, 8 victims)
    fresh: int = 512
    # of so many points: with all four a unit that is on at 1 in 700 shows 19 times in 20
    checks: int = 4
    # how far out every other point may lie: two of 12 seeds of 10-10-10-1 left 1e-6 or took 2^15.8 values
    # without
    far: float = 100.0
    # values for each input around a point that is missed: as many as decide a piece, and room
    nearby: int = 4
    # for each parameter in a fit. Half or twice changes nothing (deep values, 8 victims)
    least_values: int = 3
    # and at most so many: a fit takes time in proportion. Half: no change; twice: +0 % queries (deep values,
    # 8 victims)
    most_values: int = 6
    # in the matrices that whiten each unit's parameters: 256 MiB
    most_numbers: int = 1 << 25
    # while values near a miss help. Half or twice changes nothing (deep values, 8 victims)
    most_refits: int = 5
    # searches on from what is missed. Half or twice changes nothing (deep values, 8 victims)
    most_mends: int = 8


BY_VALUES = ByValuesSettings()
OFFSETS = OffsetsSettings()
REMAINDER = RemainderSettings()
GAUSS_NEWTON = GaussNewtonSettings()
RARE = RareSettings()
MENDING = MendingSettings()
