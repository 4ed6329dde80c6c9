import re

import pytest

from divulge.attributions import METHODS
from divulge.cli import options
from divulge.datasets import DATASETS
from divulge.evaluation.recipes import BLOCK_RADIUS
from divulge.names import QUERIES
from divulge.oracles import DEFENCES, ORACLES
from divulge.training import NETWORKS


def told(name):
    """What --help says of an option."""
    (option,) = getattr(options, name).__metadata__
    return f"{option.metavar} {option.help}"


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("AnswersOption", ORACLES),
        ("DefenceOption", DEFENCES),
        ("AttributionOption", METHODS),
        ("NetworkOption", NETWORKS),
        ("SurrogateOption", ("linear", "mlp", "cnn")),
        ("BlockModelOption", BLOCK_RADIUS),
        ("DataOption", DATASETS),
        ("ImagesOption", DATASETS),
        ("SamplesOption", DATASETS),
        ("InputsOption", QUERIES),
    ],
)
def test_help_names_all_that_there_is(name, known):
    words = set(re.split(r"[^\w:-]+", told(name))) | set(re.split(r"[^\w-]+", told(name)))
    assert set(known) <= words


@pytest.mark.parametrize("name", ["DataOption", "ImagesOption", "SamplesOption"])
def test_data_sets_are_written_as_the_registry_has_them(name):
    assert told(name).startswith("|".join(DATASETS))
