"""Fixtures that the tests of maps and of backdoors share."""

from poisoned import backdoored, clean, data, one_thread

__all__ = ["backdoored", "clean", "data", "one_thread"]
