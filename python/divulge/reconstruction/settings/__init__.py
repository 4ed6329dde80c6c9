"""Every number of this package, with the reason for it."""

from divulge.reconstruction.settings.tolerances import TINY, Tolerances

__all__ = ["TINY", "Tolerances"]
