"""Data sets: images and labels, from the user's own files, the cache, or a download."""

from divulge.datasets.load import NAMES, Dataset, cifar10, digits, fashion_mnist, load, mnist

__all__ = ["NAMES", "Dataset", "cifar10", "digits", "fashion_mnist", "load", "mnist"]
