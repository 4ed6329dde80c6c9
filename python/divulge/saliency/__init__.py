"""What a classifier holds of a class, with no input at all (after Akhtar & Jalwana 2023)."""

from divulge.saliency.concepts import Unit
from divulge.saliency.maps import SaliencyMaps, agnostic_saliency

__all__ = ["SaliencyMaps", "Unit", "agnostic_saliency"]
