"""Measure what a model's explanations give away, and whether they can be believed."""

from divulge._core import __version__
from divulge.config import build_config, set_threads, threads

__all__ = ["__version__", "build_config", "set_threads", "threads"]
