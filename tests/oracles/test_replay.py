"""Answers kept in a file, and what happens to files that are not as they were written."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from random_victims import random_network
from torch import nn

from divulge import (
    CallableOracle,
    CheckpointError,
    GradientOracle,
    InputTimesGradientOracle,
    ProbabilityOracle,
    ValueOracle,
    Victim,
    reconstruct,
)
from divulge.oracles import ReplayOracle
from divulge.oracles.journal import Journal, JournalRecord, fingerprints


@pytest.fixture
def path(tmp_path):
    return tmp_path / "answers.checkpoint"


def victim(*sizes, seed=0):
    return Victim(random_network(*(sizes or (12, 9)), seed=seed), input_shape=((sizes or (12,))[0],))


def points(n, seed=0, size=12):
    return np.random.default_rng(seed).normal(size=(n, size))


def records(path):
    journal = Journal(path, {})
    journal.close()
    return journal.records


def deep_victim():
    torch.manual_seed(1)
    sizes = ((10, 8), (8, 6), (6, 1))
    layers = [layer for a, b in sizes for layer in (nn.Linear(a, b), nn.ReLU())]
    return Victim(nn.Sequential(*layers[:-1]).double(), input_shape=(10,))


def same_parameters(a, b):
    return all(
        np.array_equal(p.detach(), q.detach()) for p, q in zip(a.parameters(), b.parameters(), strict=True)
    )


@pytest.mark.parametrize("kind", [GradientOracle, ValueOracle, InputTimesGradientOracle])
def test_a_file_answers_whatever_the_batches(kind, path):
    plain = kind(victim())
    with ReplayOracle(kind(victim()), path, seed=0) as replay:
        first = [replay.query(points(n, n)) for n in (3, 1, 5)]
    oracle = kind(victim())
    with ReplayOracle(oracle, path, seed=0) as replay:
        again = replay.query(np.concatenate([points(n, n) for n in (3, 1, 5)] + [points(4, 9)]))
        assert (replay.replayed, replay.ledger.total) == (9, 13)
    assert oracle.ledger.total == 4 + 1
    fresh = plain.query(points(4, 9))
    for place in range(2):
        if again[place] is not None:
            told = np.concatenate([answer[place] for answer in first])
            np.testing.assert_array_equal(again[place][:9], told)
            np.testing.assert_allclose(again[place][9:], fresh[place])


@pytest.mark.parametrize("kind", [GradientOracle, ValueOracle])
def test_a_spent_budget_is_gone_on_from(kind, path):
    whole = reconstruct(kind(victim()), seed=3)
    parts = kind(victim(), budget=whole.queries // 2)
    stopped = reconstruct(parts, seed=3, checkpoint=path)
    assert not stopped.complete
    asked = parts.ledger.total
    assert 0 < stopped.queries == asked <= whole.queries // 2
    rest = kind(victim(), budget=whole.queries - asked + 1)
    result = reconstruct(rest, seed=3, checkpoint=path)
    assert result.complete
    assert (result.queries, result.replayed) == (whole.queries, asked)
    assert result.queries_by_kind == whole.queries_by_kind
    assert rest.ledger.total == whole.queries - asked + 1


def test_a_finished_search_is_read_from_the_file(path):
    first = reconstruct(GradientOracle(victim()), checkpoint=path)
    oracle = GradientOracle(victim())
    again = reconstruct(oracle, checkpoint=path)
    assert (again.replayed, oracle.ledger.total) == (first.queries, 1)
    assert same_parameters(first.module, again.module)


@pytest.mark.parametrize("gradients", [True, False])
def test_probabilities_too(path, gradients):
    make = lambda **more: ProbabilityOracle(victim(8, 5, 3), gradients=gradients, **more)  # noqa: E731
    whole = reconstruct(make())
    assert whole.complete, whole.notes
    stopped = reconstruct(make(budget=whole.queries // 3), checkpoint=path)
    assert not stopped.complete
    oracle = make()
    result = reconstruct(oracle, checkpoint=path)
    assert result.complete
    assert result.queries == whole.queries
    assert oracle.ledger.total < whole.queries - stopped.queries + 3


def test_a_deep_search_goes_on(path):
    make = lambda **more: GradientOracle(deep_victim(), **more)  # noqa: E731
    whole = reconstruct(make())
    assert len(whole.hidden_sizes) == 2
    stopped = reconstruct(make(budget=whole.queries // 2), checkpoint=path)
    assert whole.queries // 3 < stopped.queries <= whole.queries // 2
    oracle = make()
    result = reconstruct(oracle, checkpoint=path)
    assert (result.queries, result.complete) == (whole.queries, whole.complete)
    assert oracle.ledger.total <= whole.queries - stopped.queries + 1


def test_it_outlives_its_process(path):
    """The process kills itself in the middle of a batch that was asked, and not answered."""
    script = f"""
        import os, signal, sys
        sys.path[:0] = {sys.path!r}
        import numpy as np
        from random_victims import random_network
        from divulge import CallableOracle, Victim, reconstruct
        victim, asked = Victim(random_network(12, 9), input_shape=(12,)), 0
        def answer(points, output):
            global asked
            asked += len(points)
            if asked > 25:
                os.kill(os.getpid(), signal.SIGKILL)
            return victim.values_and_gradients(points, output)
        reconstruct(CallableOracle(answer, 12), checkpoint={str(path)!r})
    """
    died = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], env=os.environ, check=False)
    assert died.returncode == -signal.SIGKILL
    source = victim()
    oracle = CallableOracle(source.values_and_gradients, 12)
    result = reconstruct(oracle, checkpoint=path)
    whole = reconstruct(GradientOracle(source))
    assert result.complete
    assert 0 < result.replayed <= 25
    assert (result.queries, oracle.ledger.total) == (whole.queries, whole.queries - result.replayed + 1)


def test_a_last_record_that_was_cut_short_is_dropped(path):
    reconstruct(GradientOracle(victim(), budget=20), checkpoint=path)
    data = path.read_bytes()
    for cut in (1, 50, 200):
        path.write_bytes(data[:-cut])
        result = reconstruct(GradientOracle(victim()), checkpoint=path)
        assert result.complete
        assert result.replayed < 20


def test_a_head_that_was_cut_short_starts_anew(path):
    Journal(path, {"seed": 0}).close()
    head = path.read_bytes()
    for length in (0, 5, len(head) - 1):
        path.write_bytes(head[:length])
        Journal(path, {"seed": 0}).close()
        assert path.read_bytes() == head


def test_any_damage_is_told_and_the_file_kept(path):
    with ReplayOracle(GradientOracle(victim()), path, seed=0) as replay:
        replay.query(points(4))
        replay.query(points(4, 1))
    data = path.read_bytes()
    for place in np.linspace(0, len(data) - 1, 60).astype(int):
        damaged = bytearray(data)
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=str(path.name)) as told:
            ReplayOracle(GradientOracle(victim()), path, seed=0)
        assert "\n" not in str(told.value)
        assert path.read_bytes() == damaged


def test_another_file_is_refused(path):
    path.write_text("all my work")
    with pytest.raises(CheckpointError, match="is no checkpoint of divulge"):
        reconstruct(GradientOracle(victim()), checkpoint=path)
    assert path.read_text() == "all my work"


def test_another_seed_oracle_domain_or_victim_is_refused(path):
    reconstruct(GradientOracle(victim(), budget=20), checkpoint=path)
    data = path.read_bytes()
    others = {
        "was written with seed 0, .* with seed 1": (GradientOracle(victim()), 1),
        "was written with oracle gradient, .* with oracle value": (ValueOracle(victim()), 0),
        "with input size 13": (GradientOracle(victim(13, 9)), 0),
        "with domain a box": (GradientOracle(victim(), domain=(0, 1)), 0),
        "it is another victim": (GradientOracle(victim(12, 9, seed=1)), 0),
    }
    for sentence, (oracle, seed) in others.items():
        with pytest.raises(CheckpointError, match=sentence):
            reconstruct(oracle, seed=seed, checkpoint=path)
        assert path.read_bytes() == data


def test_another_order_of_questions_is_refused(path):
    with ReplayOracle(GradientOracle(victim()), path, seed=0) as replay:
        replay.query(points(4))
    with (
        ReplayOracle(GradientOracle(victim()), path, seed=0) as replay,
        pytest.raises(CheckpointError, match="answers to other queries after the first 0"),
    ):
        replay.query(points(4, 1))
    with ReplayOracle(GradientOracle(victim()), path, seed=0) as replay:
        replay.query(points(4)[:2])
        with pytest.raises(CheckpointError, match="answers to other queries after the first 2"):
            replay.query(points(4)[:2])


def test_after_a_failure_nothing_is_written(path):
    """The search may go on asking what it would not have asked otherwise."""
    with ReplayOracle(GradientOracle(victim(), budget=5), path, seed=0) as replay:
        replay.query(points(3))
        with pytest.raises(Exception, match="budget"):
            replay.query(points(3, 1))
        replay.query(points(1, 2))
    assert [len(record) for record in records(path)] == [3]


def test_the_remaining_queries_count_what_the_file_holds(path):
    with ReplayOracle(GradientOracle(victim()), path, seed=0) as replay:
        assert replay.ledger.remaining is None
        replay.query(points(6))
    with ReplayOracle(GradientOracle(victim(), budget=5), path, seed=0) as replay:
        assert (replay.ledger.budget, replay.ledger.remaining) == (5, 11)
        replay.query(points(6)[:4])
        assert (replay.ledger.remaining, replay.ledger.total) == (4 + 2, 4)


def test_records_come_back_as_they_were(path):
    rng = np.random.default_rng(0)
    journal = Journal(path, {})
    written = [
        JournalRecord(k - 1, fingerprints(points(k, k)), rng.normal(size=(k, 2 * k))) for k in (1, 2, 7)
    ]
    for record in written:
        journal.append(record)
    journal.close()
    for record, was in zip(records(path), written, strict=True):
        assert record.channel == was.channel
        np.testing.assert_array_equal(record.prints, was.prints)
        np.testing.assert_array_equal(record.answers, was.answers)


def test_fingerprints_tell_points_apart():
    rows = np.concatenate([points(500), points(500).astype(np.float32), np.eye(12), np.zeros((1, 12))])
    prints = fingerprints(rows)
    assert len(set(prints.tolist())) == len(rows)
    np.testing.assert_array_equal(prints[::3], fingerprints(rows[::3]))
    np.testing.assert_array_equal(fingerprints(-np.zeros((2, 12))), fingerprints(np.zeros((2, 12))))
    swapped = points(1)[:, ::-1]
    assert fingerprints(swapped) != fingerprints(points(1))


def test_a_full_disk_ends_the_file_and_not_the_search(path):
    whole = reconstruct(GradientOracle(deep_victim()))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        result = reconstruct(GradientOracle(deep_victim()), checkpoint=path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert result.complete == whole.complete
    assert result.queries == whole.queries
    assert re.search(r"ends after \d+ queries: File too large", " ".join(map(str, result.notes)))
    again = GradientOracle(deep_victim())
    continued = reconstruct(again, checkpoint=path)
    assert continued.queries == whole.queries
    assert 0 < continued.replayed < whole.queries
    assert again.ledger.total == whole.queries - continued.replayed + 1
