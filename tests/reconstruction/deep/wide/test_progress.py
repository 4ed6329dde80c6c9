"""A search ends where its rounds bring nothing new."""

from __future__ import annotations

import numpy as np
import pytest
from deep_networks import prefix_of, probe_of, random_deep

from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.progress import Progress
from divulge.reconstruction.deep.wide.search import WideSearch
from divulge.reconstruction.settings import WIDE_SEARCH


def rounds(progress, *pairs):
    """Whether it goes on after each of several rounds."""
    return [progress.goes_on(equations, share) for equations, share in pairs]


def test_equations_and_fewer_wrong_answers_are_progress():
    vain = WIDE_SEARCH.stuck - 1
    for won in ((6, 0.5), (5, 0.4)):
        progress = Progress()
        assert all(rounds(progress, (5, 0.5), *[(5, 0.5)] * vain, won, *[(won[0], 0.5)] * vain))
        assert not progress.goes_on(won[0], 0.5)


def test_a_share_that_goes_up_and_down_is_none():
    progress = Progress()
    goes_on = rounds(progress, *[(5, 0.1 + 0.3 * (n % 3)) for n in range(WIDE_SEARCH.rounds)])
    assert goes_on.index(False) == WIDE_SEARCH.stuck


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_a_copy_that_stays_wrong_is_not_searched_for_all_rounds(share, monkeypatch):
    network, asked = random_deep(4, 8, 6, 1, seed=0), []
    search = search_behind(network)

    def stays_wrong(fresh):
        asked.append(fresh)
        search.wrong_share = share
        return None, np.ones((1, 4)), np.ones((0, 4))

    monkeypatch.setattr(search, "as_last", stays_wrong)
    monkeypatch.setattr(search, "between", lambda wrong, right: 0)
    assert search.run() is None
    assert search.next() is None
    assert WIDE_SEARCH.stuck < len(asked) < WIDE_SEARCH.rounds / 2


def search_behind(network):
    """The search behind a known first layer, with its sides."""
    lines = Lines(network[0].in_features, None, np.random.default_rng(0))
    search = WideSearch(probe_of(network), lines, prefix_of(network, 1), enough=1e-8)
    search.known = Known(prefix_of(network, 1), open_sides=False)
    return search
