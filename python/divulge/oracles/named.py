"""Oracles and defences by the names that a command line or a configuration file gives them."""

from __future__ import annotations

from collections.abc import Callable

from divulge.oracles.attributed import IntegratedGradientsOracle, SaliencyOracle, SmoothGradOracle
from divulge.oracles.base import Oracle
from divulge.oracles.defences import Clipped, Noisy, Normalized, Rounded, SignOnly, TopK
from divulge.oracles.gradient import GradientOracle
from divulge.oracles.input_times_gradient import InputTimesGradientOracle
from divulge.oracles.jacobian import JacobianOracle
from divulge.oracles.label import LabelOracle
from divulge.oracles.probability import ProbabilityOracle
from divulge.oracles.value import ValueOracle
from divulge.victims import Victim

ORACLES: dict[str, Callable[[Victim], Oracle]] = {
    "label": LabelOracle,
    "probability": ProbabilityOracle,
    "value": ValueOracle,
    "gradient": GradientOracle,
    "smoothgrad": SmoothGradOracle,
    "integrated_gradients": IntegratedGradientsOracle,
    "saliency": SaliencyOracle,
    "input_times_gradient": InputTimesGradientOracle,
    "jacobian": JacobianOracle,
}

# How each is made of an oracle and the number behind the colon.
DEFENCES: dict[str, Callable[[Oracle, float], Oracle]] = {
    "rounded": lambda oracle, number: Rounded(oracle, decimals=_whole(number)),
    "bits": lambda oracle, number: Rounded(oracle, bits=_whole(number)),
    "noisy": lambda oracle, number: Noisy(oracle, number),
    "fixed_noise": lambda oracle, number: Noisy(oracle, number, fixed_per_input=True),
    "top": lambda oracle, number: TopK(oracle, _whole(number)),
    "clipped": lambda oracle, number: Clipped(oracle, number),
}
PLAIN: dict[str, Callable[[Oracle], Oracle]] = {
    "none": lambda oracle: oracle,
    "sign": SignOnly,
    "normalized": Normalized,
}


def named_oracle(name: str, victim: Victim) -> Oracle:
    """Return an oracle of a victim by name, such as "gradient" or "label".

    Raises:
        ValueError: there is none of that name.
    """
    if name not in ORACLES:
        raise ValueError(f"expected an oracle named {', '.join(ORACLES)}, got {name!r}")
    return ORACLES[name](victim)


def named_defence(name: str, oracle: Oracle) -> Oracle:
    """Return an oracle defended as named: "none", "rounded:3", "noisy:0.01", several joined by "+".

    Names are none, sign, normalized, and with a number rounded (decimals), bits, noisy, fixed_noise (sigma),
    top (k) and clipped (limit).

    Raises:
        ValueError: there is none of that name, its number is missing or makes no sense.
    """
    for part in name.split("+"):
        kind, colon, number = part.partition(":")
        if not colon and kind in PLAIN:
            oracle = PLAIN[kind](oracle)
        elif kind in DEFENCES:
            oracle = DEFENCES[kind](oracle, _number(part, number))
        else:
            names = ", ".join([*PLAIN, *(f"{kind}:NUMBER" for kind in DEFENCES)])
            raise ValueError(f"expected a defence named {names}, got {part!r}")
    return oracle


def _number(part: str, text: str) -> float:
    """Read a defence's number."""
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"expected a number behind the colon of the defence {part!r}") from None


def _whole(number: float) -> int:
    """Return a whole number."""
    if number != int(number):
        raise ValueError(f"expected a whole number for the defence, got {number}")
    return int(number)
