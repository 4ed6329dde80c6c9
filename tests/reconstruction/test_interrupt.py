"""Ctrl-C at any time: long native loops end soon, and what was found is returned."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

START = """
import signal, threading, time
import numpy as np
from divulge import CallableOracle, GradientOracle, Victim, _core
from divulge import reconstruct
import torch
from torch import nn

rng = np.random.default_rng(0)
main = threading.main_thread().ident

def after(seconds):
    timer = threading.Timer(seconds, signal.pthread_kill, [main, signal.SIGINT])
    timer.daemon = True
    timer.start()

def network(d, h):
    return [rng.normal(size=(h, d)), rng.normal(size=(1, h))], [rng.normal(size=h), rng.normal(size=1)]
"""

# Each with `part`, a small share of the work, and `whole`, at least 40 times as much.
LOOPS = {
    "search": """
oracle = _core.NetworkOracle(_core.DenseNetwork64(*network(200, 1000)))
u, v = rng.normal(size=(2, 4000, 200))
part = lambda: _core.kink_search(oracle, u[:50], v[:50], -1e4, 1e4)
whole = lambda: _core.kink_search(oracle, u, v, -1e4, 1e4)
""",
    "many": """
oracles = [_core.NetworkOracle(_core.DenseNetwork64(*network(60, 50))) for _ in range(2000)] * 10
part = lambda: _core.reconstruct_batch(oracles[:250])
whole = lambda: _core.reconstruct_batch(oracles)
""",
}


def python(code: str) -> str:
    """Run code in a process of its own and return what it printed."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("loop", LOOPS)
def test_native_loops_end_before_their_work(loop):
    code = (
        START
        + LOOPS[loop]
        + textwrap.dedent("""
        def seconds(work):
            start = time.monotonic()
            try:
                work()
            except KeyboardInterrupt:
                pass
            return time.monotonic() - start

        usual = seconds(part)
        after(0.1)
        print("early" if seconds(whole) < 0.1 + 20 * usual else "late")
        """)
    )
    assert python(code) == "early"


def test_an_interrupted_attack_returns_what_it_has():
    code = START + textwrap.dedent("""
        victim = Victim(nn.Sequential(nn.Linear(784, 700), nn.ReLU(), nn.Linear(700, 1)).double())
        calls = []

        def answer(points, output):
            if not calls:
                after(0.4)
            calls.append(len(points))
            return victim.values_and_gradients(points, output)

        result = reconstruct(CallableOracle(answer, 784))
        print(result.complete, "interrupted" in result.notes[-1].sentence, result.queries == sum(calls))
        """)
    assert python(code) == "False True True"
