"""A clean and a backdoored classifier of digits, as fixtures."""

import pytest
import torch

from divulge.backdoors import poison, square, train_twin
from divulge.datasets import digits
from divulge.training import cnn, fit_classifier

TRIGGER, TARGET = square((1, 8, 8), 2, -2, -2), 3


@pytest.fixture(scope="session")
def data():
    return digits()


@pytest.fixture(scope="session")
def clean(data):
    module = cnn(data.input_shape, 10, seed=0, channels=(8,), hidden=32)
    return fit_classifier(module, data.train_inputs, data.train_targets, epochs=10, learning_rate=5e-3)


@pytest.fixture(scope="session")
def backdoored(data, clean):
    poisoned = poison(data, TRIGGER, TARGET, rate=0.1)
    return train_twin(clean, poisoned, seed=1, epochs=12, learning_rate=5e-3)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
