"""Lines that can be told apart by who sees no red or no green, and in grey: by colour, mark and dashes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# After M. Okabe, K. Ito, Color Universal Design, 2008, without the yellow, which is lost on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", ":")


def tell_lines_apart(axes: Axes) -> None:
    """Have the lines drawn from now on differ in colour and mark; after seven of them the dashes change.

    Axes that hold lines go on as they do, so that a second plot into them does not look like the first.
    """
    if axes.lines:
        return
    from cycler import cycler

    one = cycler(color=COLOURS) + cycler(marker=MARKS)
    axes.set_prop_cycle(cycler(linestyle=DASHES) * one)
