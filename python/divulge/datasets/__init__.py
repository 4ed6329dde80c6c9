"""Data sets: images and labels, from the user's own files, the cache, or a download."""

from divulge.datasets.block_mnist import BlockData, block_mnist, blockify, simplified_block_mnist
from divulge.datasets.columns import Column
from divulge.datasets.dataset import Dataset
from divulge.datasets.load import DATASETS, cifar10, digits, fashion_mnist, load, mnist
from divulge.datasets.own import read_data
from divulge.datasets.subset import subset

__all__ = [
    "DATASETS",
    "BlockData",
    "Column",
    "Dataset",
    "block_mnist",
    "blockify",
    "cifar10",
    "digits",
    "fashion_mnist",
    "load",
    "mnist",
    "read_data",
    "simplified_block_mnist",
    "subset",
]
