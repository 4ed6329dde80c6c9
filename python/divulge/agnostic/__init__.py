"""What a classifier holds of a class, with no input at all, and backdoors found with it."""

from divulge.agnostic.concepts import Unit
from divulge.agnostic.mitigate import Mitigation, mitigate
from divulge.agnostic.poison import poison, train_twin
from divulge.agnostic.saliency import SaliencyMaps, agnostic_saliency
from divulge.agnostic.scan import BackdoorScan, backdoor_scan
from divulge.agnostic.trigger import Trigger, square

__all__ = [
    "BackdoorScan",
    "Mitigation",
    "SaliencyMaps",
    "Trigger",
    "Unit",
    "agnostic_saliency",
    "backdoor_scan",
    "mitigate",
    "poison",
    "square",
    "train_twin",
]
