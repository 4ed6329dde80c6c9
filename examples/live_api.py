"""A model behind an API taken apart over HTTP: the server, the client, what it cost.

    python examples/live_api.py [--cache FILE] [--price 0.002] [--decimals 6]

The server answers POST /explain with values and input gradients of a network of 16 units that tells even from
odd digits; it needs fastapi and uvicorn. Every third call it turns away with 429. The client asks in batches,
waits and tries again, and keeps what it was told in a file: end it in the middle and start it again, and
nothing is asked twice. The network that it rebuilds is compared with the served one on the test images.
"""

from __future__ import annotations

import argparse
import json
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from divulge import CallableOracle, Victim, reconstruct
from divulge.datasets import digits
from divulge.training import fit_classifier, mlp

UNITS, HOST = 16, "127.0.0.1"


def application(victim: Victim, decimals: int | None) -> Any:
    """Return the app; `asked` in its state counts questions that it answered, each point one."""
    try:
        from fastapi import Body, FastAPI, HTTPException
    except ModuleNotFoundError:
        raise SystemExit("this example needs fastapi and uvicorn: pip install fastapi uvicorn") from None

    app = FastAPI()
    app.state.calls, app.state.asked = 0, []
    body = Body(embed=True)

    @app.post("/explain")
    def explain(inputs: list[list[float]] = body) -> dict[str, Any]:
        app.state.calls += 1
        if app.state.calls % 3 == 0:
            raise HTTPException(429, "too many calls", {"Retry-After": "0.05"})
        app.state.asked += [tuple(point) for point in inputs]
        values, gradients = victim.values_and_gradients(np.array(inputs), 0)
        if decimals is not None:
            values, gradients = values.round(decimals), gradients.round(decimals)
        return {"values": values.tolist(), "gradients": gradients.tolist()}

    return app


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve an app on a free port of this machine; yields its address."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    with socket.socket() as listening:
        listening.bind((HOST, 0))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            while thread.is_alive() and not server.started:
                time.sleep(0.01)
            yield f"http://{HOST}:{listening.getsockname()[1]}/explain"
        finally:
            server.should_exit = True
            thread.join()


def client(address: str) -> Any:
    """Return the function that asks the API about points (n, d): values (n,) and gradients (n, d)."""

    def ask(points: np.ndarray) -> tuple[list[float], list[list[float]]]:
        body = json.dumps({"inputs": points.tolist()}).encode()
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            told = json.load(answer)
        return told["values"], told["gradients"]

    return ask


def even_or_odd() -> tuple[Victim, np.ndarray]:
    """Return the network that is served, in float64, and test images (n, 64)."""
    data = digits()
    inputs, targets = data.train_inputs.flatten(1).double(), data.train_targets % 2
    net = mlp((inputs.shape[1],), [UNITS], 2, seed=0, dtype=torch.float64)
    net = fit_classifier(net, inputs, targets, epochs=10, learning_rate=1e-2)
    linear = [part for part in net.modules() if isinstance(part, torch.nn.Linear)]
    last = torch.nn.Linear(UNITS, 1, dtype=torch.float64)
    with torch.no_grad():
        last.weight.copy_(linear[-1].weight[1:] - linear[-1].weight[:1])  # the log-odds of odd
        last.bias.copy_(linear[-1].bias[1:] - linear[-1].bias[:1])
    victim = Victim(torch.nn.Sequential(linear[0], torch.nn.ReLU(), last))
    return victim, data.test_inputs.flatten(1).double().numpy()


def main() -> None:
    """Serve the network, take it apart, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cache", type=Path, help="keeps all answers")
    parser.add_argument("--price", type=float, default=0.002, help="of one query")
    parser.add_argument("--decimals", type=int, help="digits after the point that the server tells")
    options = parser.parse_args()
    victim, images = even_or_odd()
    app = application(victim, options.decimals)
    with served(app) as address:
        oracle = CallableOracle(
            client(address),
            images.shape[1],
            batch=16,
            per_second=200,
            retries=5,
            backoff=0.1,
            cache=options.cache,
            price=options.price,
        )
        result = reconstruct(oracle)
    asked = app.state.asked
    repeated = len(asked) - len(set(asked))
    print(
        f"{result.hidden_units} of {UNITS} units, {oracle.ledger.total} queries at {options.price} each: "
        f"{oracle.ledger.cost:.2f}; {app.state.calls} calls, {repeated} questions repeated"
    )
    with torch.no_grad():
        copied = result.module(torch.from_numpy(images)).numpy()[:, 0]
    far = np.abs(copied - victim.values(images)[:, 0]).max()
    print(f"complete: {result.complete}; largest difference on {len(images)} test images: {far:.1e}")


if __name__ == "__main__":
    main()
