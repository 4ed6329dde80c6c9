"""Oracles of APIs that explain by LIME, by leaving numbers out, and by pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from divulge.attributions.from_values import Occlusion
from divulge.attributions.heat_map import HeatMap
from divulge.attributions.lime import Lime
from divulge.oracles.attributed import AttributionOracle
from divulge.oracles.base import Domain

if TYPE_CHECKING:
    from divulge.victims import Victim


class OcclusionOracle(AttributionOracle):
    """Answers with f_k(x) and what each number adds to it: f_k(x) less f_k of x without the number.

    Args:
        victim: the model under study, with gradients or without.
        background: what stands for a number that is left out: a number, one input (d,) or several (b, d), of
            which it is the mean.
        output: k, where `query` names none.
        domain: None for all of R^d, or (low, high): a box of inputs that may be asked about.
        budget: the most queries that may be asked, or None.
        values: False for an API that returns the explanation alone.
    """

    def __init__(
        self,
        victim: Victim,
        *,
        background: Any = 0.0,
        output: int = 0,
        domain: Domain | None = None,
        budget: int | None = None,
        values: bool = True,
    ) -> None:
        given = Occlusion(background)
        super().__init__(victim, given, output=output, domain=domain, budget=budget, values=values)


class HeatMapOracle(AttributionOracle):
    """Answers with f_k(x) and a picture of |df_k/dx|: added up over channels, largest 1, in 2^bits shades.

    Args:
        victim: the model under study.
        channels: of an image (C, H, W); each shows the same map.
        bits: of a shade.
        output: k, where `query` names none.
        domain: None for all of R^d, or (low, high): a box of inputs that may be asked about.
        budget: the most queries that may be asked, or None.
        values: False for an API that returns the explanation alone.

    Raises:
        ValueError: the channels do not divide d, or the bits are none from 1 to 16.
    """

    def __init__(
        self,
        victim: Victim,
        *,
        channels: int = HeatMap.channels,
        bits: int = HeatMap.bits,
        output: int = 0,
        domain: Domain | None = None,
        budget: int | None = None,
        values: bool = True,
    ) -> None:
        given = HeatMap(channels, bits)
        super().__init__(victim, given, output=output, domain=domain, budget=budget, values=values)
        if victim.input_size % channels:
            raise ValueError(f"expected inputs of {channels} channels, got {victim.input_size} numbers")


class LimeOracle(AttributionOracle):
    """Answers with f_k(x) and LIME: the slopes, times width, of the linear model that fits f_k around x.

    Args:
        victim: the model under study, with gradients or without.
        samples: around each x, drawn anew.
        width: how far samples lie from x in each number, a number or shape (d,).
        kernel: how fast samples count less with their distance.
        output: k, where `query` names none.
        domain: None for all of R^d, or (low, high): a box of inputs that may be asked about.
        budget: the most queries that may be asked, or None.
        values: False for an API that returns the explanation alone.
        seed: of the samples.

    Raises:
        ValueError: no sample, or a width or kernel that is not positive.
    """

    def __init__(
        self,
        victim: Victim,
        *,
        samples: int = Lime.samples,
        width: Any = Lime.width,
        kernel: float = Lime.kernel,
        output: int = 0,
        domain: Domain | None = None,
        budget: int | None = None,
        values: bool = True,
        seed: int = 0,
    ) -> None:
        given = Lime(samples=samples, width=width, kernel=kernel)
        super().__init__(victim, given, output=output, domain=domain, budget=budget, values=values, seed=seed)
