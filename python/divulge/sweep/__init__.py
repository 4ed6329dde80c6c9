"""Many experiments from one file: a grid of victims, oracles, defences and seeds."""

from divulge.sweep.experiment import Experiment, read_experiment
from divulge.sweep.run import Sweep, sweep

__all__ = ["Experiment", "Sweep", "read_experiment", "sweep"]
