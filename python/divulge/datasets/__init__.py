"""Data sets: images and labels, from the user's own files, the cache, or a download."""

from divulge.datasets.block_mnist import BlockData, block_mnist, blockify, simplified_block_mnist
from divulge.datasets.load import DATASETS, Dataset, cifar10, digits, fashion_mnist, load, mnist
from divulge.datasets.subset import subset

__all__ = [
    "DATASETS",
    "BlockData",
    "Dataset",
    "block_mnist",
    "blockify",
    "cifar10",
    "digits",
    "fashion_mnist",
    "load",
    "mnist",
    "simplified_block_mnist",
    "subset",
]
