"""Backdoors: classes that a small trigger reaches, found, tried out and unlearned."""

from divulge.backdoors.mitigation import Mitigation, mitigate
from divulge.backdoors.poisoning import poison, train_twin
from divulge.backdoors.result import BackdoorScan
from divulge.backdoors.scan import backdoor_scan
from divulge.backdoors.trigger import Trigger, square

__all__ = [
    "BackdoorScan",
    "Mitigation",
    "Trigger",
    "backdoor_scan",
    "mitigate",
    "poison",
    "square",
    "train_twin",
]
