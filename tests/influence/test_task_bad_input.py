"""Tasks, tokens and several inputs that cannot be used, refused by name."""

from __future__ import annotations

import numpy as np
import pytest
import torch.nn.functional as F
from token_models import Tagger, texts
from torch import nn

from divulge.influence import Influence, Task

INPUTS, TARGETS = texts(6, 0)
BAD = {
    "a missing name": (
        ({"input_ids": INPUTS["input_ids"]}, TARGETS),
        "fails on inputs of shapes .* 'input_ids': .*attention_mask",
    ),
    "another length": (
        ({**INPUTS, "attention_mask": INPUTS["attention_mask"][:5]}, TARGETS),
        "expected 6 training inputs 'attention_mask', got 5",
    ),
    "too few targets": ((INPUTS, TARGETS[:5]), "expected 6 training targets, got 5"),
    "a token out of range": (
        ({**INPUTS, "input_ids": INPUTS["input_ids"] + 1}, TARGETS),
        r"token numbers from 0 to \d+, for the \d+ rows of '.*', got \d+",
    ),
    "a class out of range": (
        (INPUTS, np.where(TARGETS == 4, 5, TARGETS)),
        r"targets from 0 to 4, or -100 .*, got 5 at row",
    ),
    "a class for a text": (
        (INPUTS, np.zeros(6, int)),
        r"class numbers of shape \(n, 4\), one for each position of outputs \(n, 4, 5\)",
    ),
    "real classes": ((INPUTS, TARGETS.astype(float)), "class numbers of shape"),
    "a NaN": (
        ({**INPUTS, "scale": np.array([1, 2, np.nan, 1, 1, 1])}, TARGETS),
        "finite training inputs 'scale', row 2",
    ),
    "words": (({**INPUTS, "words": np.array(list("abcdef"))}, TARGETS), "inputs 'words' of shape"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name):
    data, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        Influence(Tagger().double(), data)


def test_test_points_of_another_form_are_refused():
    module, train = Tagger().double(), texts(6, 0)
    influence = Influence(module, train, curvature="gauss_newton")
    inputs, targets = texts(2, 1)
    with pytest.raises(
        ValueError, match=r"expected test inputs 'input_ids', 'attention_mask' like .* got one array"
    ):
        influence.scores((inputs["input_ids"], targets))
    with pytest.raises(ValueError, match=r"test inputs 'input_ids' of shape \(m, 4\)"):
        influence.scores(({k: v[:, :3] for k, v in inputs.items()}, targets[:, :3]))
    with pytest.raises(ValueError, match="test inputs 'input_ids' that are whole numbers"):
        influence.scores(({**inputs, "input_ids": inputs["input_ids"] + 0.5}, targets))
    with pytest.raises(ValueError, match=r"several, and whole numbers, have no gradient"):
        influence.perturbation((inputs, targets))


def test_tasks_that_make_no_sense_are_refused():
    module, train = Tagger().double(), texts(6, 0)
    with pytest.raises(TypeError, match="expected call as a function of"):
        Task(call="logits")
    with pytest.raises(ValueError, match="expected positions as 'mean' or 'sum', got 'max'"):
        Influence(module, train, task=Task(positions="max"))
    with pytest.raises(ValueError, match=r"expected ignore_index as a whole number, got 0.5"):
        Influence(module, train, task=Task(ignore_index=0.5))
    with pytest.raises(ValueError, match=r"one loss, got one in task= and another"):
        Influence(module, train, task=Task(), loss="squared")

    class Tuples(Tagger):
        def forward(self, **inputs):
            return (super().forward(**inputs).logits, None)

    with pytest.raises(ValueError, match=r"expected outputs as a tensor, .* got tuple; pass task=Task"):
        Influence(Tuples().double(), train)


def test_a_task_is_a_task():
    with pytest.raises(TypeError, match=r"expected task as a divulge\.influence\.Task, got 'squared'"):
        Influence(nn.Linear(3, 2), (np.ones((4, 3)), np.zeros(4, int)), task="squared")


@pytest.mark.parametrize("inputs", [{}, ()])
def test_no_inputs_are_refused(inputs):
    with pytest.raises(ValueError, match=f"expected training inputs, got an empty {type(inputs).__name__}"):
        Influence(nn.Linear(3, 2), (inputs, np.zeros(0, int)))


def test_functions_that_fail_on_positions_say_on_what():
    module, x = nn.Linear(3, 2).double().eval(), np.ones((4, 5, 3))
    influence = Influence(module, (x, np.zeros((4, 5), int)), task=Task(of=F.cross_entropy), damping=1.0)
    with pytest.raises(ValueError, match=r"the function fails on outputs of shape \(4, 5, 2\)"):
        influence.scores((x, np.zeros((4, 5), int)))


@pytest.mark.parametrize("wrong", [-1, 7, 1000])
@pytest.mark.parametrize("curvature", ["gauss_newton", "ekfac"])
def test_a_token_without_a_row_is_named_wherever_it_is(curvature, wrong):
    module = nn.Sequential(nn.Embedding(7, 3), nn.Linear(3, 7))
    tokens, options = np.arange(40).reshape(8, 5) % 7, {"curvature": curvature, "damping": 0.1}
    bad = np.where(np.arange(40).reshape(8, 5) == 17, wrong, tokens)
    message = f"token numbers from 0 to 6, for the 7 rows of '0', got {wrong}"
    for rows in (bad[3:], bad):  # first, and in the middle
        with pytest.raises(ValueError, match=message):
            Influence(module, (rows, tokens[: len(rows)]), **options).scores((tokens, tokens))
    influence = Influence(module, (tokens, tokens), **options)
    with pytest.raises(ValueError, match=message):
        influence.scores((bad, tokens))
    assert np.isfinite(influence.scores((tokens, tokens))).all()
    assert not module[0]._forward_pre_hooks


def test_rows_of_several_lengths_are_told_apart_from_arrays():
    ragged = [list(range(2 + i)) for i in range(4)]
    with pytest.raises(ValueError, match="rows of several lengths; fill them up"):
        Influence(nn.Sequential(nn.Embedding(7, 3), nn.Linear(3, 7)), (ragged, ragged))
