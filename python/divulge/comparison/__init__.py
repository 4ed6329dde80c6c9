"""How far a copy is from its victim: unit by unit, parameter by parameter, output by output."""

from divulge.comparison.copies import Comparison, compare
from divulge.comparison.filterwise import FilterComparison
from divulge.comparison.layerwise import LayerComparison

__all__ = ["Comparison", "FilterComparison", "LayerComparison", "compare"]
