"""Defences that blur every number of an answer."""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b

import numpy as np

from divulge.arrays import Array
from divulge.oracles.base import Oracle
from divulge.oracles.defences.base import Defence
from divulge.oracles.explained import Answers
from divulge.oracles.ledger import whole


class Rounded(Defence):
    """Rounds every number of an answer: to so many decimals, or to so many significant bits.

    Args:
        oracle: what is defended.
        decimals: digits behind the point.
        bits: significant bits, 1 to 52.

    Raises:
        ValueError: not one of the two is given, or the one given makes no sense.
    """

    def __init__(self, oracle: Oracle, *, decimals: int | None = None, bits: int | None = None) -> None:
        super().__init__(oracle)
        if (decimals is None) == (bits is None):
            raise ValueError(
                f"expected either decimals or bits to round to, got decimals={decimals} and bits={bits}"
            )
        if bits is not None and not 1 <= whole("a number of bits", bits) <= 52:
            raise ValueError(f"expected 1 to 52 bits, got {bits}")
        self.decimals = None if decimals is None else whole("a number of decimals", decimals)
        self.bits = bits

    def damaged(self, answers: Answers) -> Answers:
        """Return answers with rounded numbers."""
        return replace(
            answers,
            values=self._rounded(answers.values),
            probabilities=self._rounded(answers.probabilities),
            explanations=self._rounded(answers.explanations),
        )

    def _rounded(self, numbers: Array | None) -> Array | None:
        if numbers is None:
            return None
        if self.decimals is not None:
            return np.asarray(np.round(numbers, self.decimals))
        assert self.bits is not None
        mantissa, exponent = np.frexp(numbers)
        return np.asarray(np.ldexp(np.round(mantissa * 2.0**self.bits), exponent - self.bits))


class Noisy(Defence):
    """Adds normal noise of standard deviation sigma to every number of an answer.

    Args:
        oracle: what is defended.
        sigma: in the units of value, probability and explanation.
        fixed_per_input: the same noise whenever the same input is asked about, so that repeating averages
            nothing out.
        seed: of the noise.

    Raises:
        ValueError: sigma is not positive and finite.
    """

    def __init__(self, oracle: Oracle, sigma: float, *, fixed_per_input: bool = False, seed: int = 0) -> None:
        super().__init__(oracle)
        if not 0 < sigma < np.inf:
            raise ValueError(f"expected a positive, finite sigma, got {sigma}")
        self.sigma = float(sigma)
        self.seed = whole("a seed", seed)
        self._rng = None if fixed_per_input else np.random.default_rng(seed)

    def damaged(self, answers: Answers) -> Answers:
        """Return answers with noise in their numbers."""
        parts = {
            name: part
            for name in ("values", "probabilities", "explanations")
            if (part := getattr(answers, name)) is not None
        }
        widths = [int(np.prod(part.shape[1:], dtype=int)) for part in parts.values()]
        noise = np.split(self._noise(answers, sum(widths)), np.cumsum(widths)[:-1], axis=1)
        pairs = zip(parts.items(), noise, strict=True) if parts else ()
        noisy: dict[str, Array] = {name: part + e.reshape(part.shape) for (name, part), e in pairs}
        return replace(answers, **noisy)  # type: ignore[arg-type]

    def _noise(self, answers: Answers, width: int) -> Array:
        """Noise of shape (n, width)."""
        if self._rng is not None:
            return self.sigma * self._rng.standard_normal((len(answers), width))
        rows = [
            np.random.default_rng(self._key(point, int(output))).standard_normal(width)
            for point, output in zip(answers.points, answers.outputs, strict=True)
        ]
        return self.sigma * np.array(rows).reshape(len(answers), width)

    def _key(self, point: Array, output: int) -> int:
        """A seed of this input and output."""
        digest = blake2b(point.tobytes() + output.to_bytes(8, "little"), digest_size=8).digest()
        return int.from_bytes(digest, "little") ^ self.seed
