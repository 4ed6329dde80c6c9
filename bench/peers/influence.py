"""Influence scores of other libraries: agreement with the truth, and CPU seconds.

    python bench/peers/influence.py [--rows 1000] [--tests 10] [--only "NAME;NAME"] [--json]

One model (784-64-10 ReLU, float32), one job (scores of all training samples on some test points, exact
Hessian or an approximation of it, damping 0.01), one thread. The truth is conjugate gradients on the
exact Hessian in float64, by double backward in torch. Agreement is the mean over the test points of
Pearson's correlation, in absolute value since libraries differ in sign. A library that is not installed
is left out: pip install '.[bench]'; pyDVL 0.10 asks for an older NumPy and goes in with --no-deps beside
its own requirements.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from divulge import Influence, set_threads
from influence_cases import DAMPING, classifier

Job = tuple[nn.Sequential, Tensor, Tensor, Tensor, Tensor]


def problem(rows: int, tests: int) -> Job:
    """Return the model, training inputs and targets, test inputs and targets."""
    net, x, y = classifier(rows)
    generator = torch.Generator().manual_seed(1)
    test_y = torch.randint(0, 10, (tests,), generator=generator)
    return net, x, y, torch.rand(tests, 784, generator=generator), test_y


def truth(job: Job) -> np.ndarray:
    """Return -grad f' H^-1 grad L (m, n) in float64."""
    net, x, y, test_x, test_y = deepcopy(job)
    net, x, test_x = net.double(), x.double(), test_x.double()
    parameters = list(net.parameters())
    losses = F.cross_entropy(net(x), y, reduction="none")
    gradient = flat(torch.autograd.grad(losses.mean(), parameters, create_graph=True))
    u = torch.zeros_like(losses, requires_grad=True)
    pulled = flat(torch.autograd.grad(losses, parameters, u, create_graph=True))

    def product(v: Tensor) -> Tensor:
        return flat(torch.autograd.grad(gradient, parameters, v, retain_graph=True)) + DAMPING * v

    scores = []
    for i in range(len(test_x)):
        loss = F.cross_entropy(net(test_x[i : i + 1]), test_y[i : i + 1])
        solution = conjugate_gradients(product, flat(torch.autograd.grad(loss, parameters)))
        scores.append(-torch.autograd.grad(pulled @ solution, u, retain_graph=True)[0])
    return torch.stack(scores).numpy()


def conjugate_gradients(product: Callable[[Tensor], Tensor], b: Tensor) -> Tensor:
    """Solve to a relative residual of 1e-10."""
    x, r, p = torch.zeros_like(b), b.clone(), b.clone()
    square, goal = r @ r, 1e-20 * (b @ b)
    while square > goal:
        q = product(p)
        step = square / (p @ q)
        x, r = x + step * p, r - step * q
        square, before = r @ r, square
        p = r + square / before * p
    return x


def flat(parts: Any) -> Tensor:
    return torch.cat([part.reshape(-1) for part in parts])


def divulge_cg(job: Job) -> Any:
    net, x, y, test_x, test_y = job
    return Influence(net, (x, y), damping=DAMPING, tolerance=1e-4).scores((test_x, test_y))


def divulge_ekfac(job: Job) -> Any:
    net, x, y, test_x, test_y = job
    return Influence(net, (x, y), damping=DAMPING, curvature="ekfac").scores((test_x, test_y))


def loaders(job: Job) -> tuple[DataLoader[Any], DataLoader[Any]]:
    _, x, y, test_x, test_y = job
    return (
        DataLoader(TensorDataset(x, y), batch_size=len(x)),
        DataLoader(TensorDataset(test_x, test_y), batch_size=len(test_x)),
    )


def dattri_cg(job: Job, iterations: int) -> Any:
    from dattri.algorithm.influence_function import IFAttributorCG
    from dattri.task import AttributionTask

    net = job[0]

    def loss(parameters: Any, data: Any) -> Tensor:
        inputs, targets = data
        outputs = torch.func.functional_call(net, parameters, (inputs.reshape(-1, 784),))
        return F.cross_entropy(outputs, targets.reshape(-1))

    task = AttributionTask(loss_func=loss, model=net, checkpoints=net.state_dict())
    attributor = IFAttributorCG(task=task, max_iter=iterations, regularization=DAMPING)
    train, test = loaders(job)
    attributor.cache(train)
    return attributor.attribute(train, test).detach().numpy().T


def pydvl_cg(job: Job, block: bool) -> Any:
    from pydvl.influence.torch import CgInfluence

    net, x, y, test_x, test_y = job
    model = CgInfluence(
        net, F.cross_entropy, regularization=DAMPING, rtol=1e-4, precompute_grad=True,
        solve_simultaneously=block,
    )  # fmt: skip
    return model.fit(loaders(job)[0]).influences(test_x, test_y, x, y).detach().numpy()


def pydvl_ekfac(job: Job) -> Any:
    from pydvl.influence.torch import EkfacInfluence

    net, x, y, test_x, test_y = job
    model = EkfacInfluence(net, hessian_regularization=DAMPING, update_diagonal=True)
    return model.fit(loaders(job)[0]).influences(test_x, test_y, x, y).detach().numpy()


def kronfluence_ekfac(job: Job) -> Any:
    from kronfluence.analyzer import Analyzer, prepare_model
    from kronfluence.arguments import FactorArguments, ScoreArguments
    from kronfluence.task import Task

    class Classification(Task):
        def compute_train_loss(self, batch: Any, model: nn.Module, sample: bool = False) -> Tensor:
            outputs = model(batch[0])
            targets = (
                torch.distributions.Categorical(logits=outputs.detach()).sample() if sample else batch[1]
            )
            return F.cross_entropy(outputs, targets, reduction="sum")

        def compute_measurement(self, batch: Any, model: nn.Module) -> Tensor:
            return F.cross_entropy(model(batch[0]), batch[1], reduction="sum")

    net, x, y, test_x, test_y = deepcopy(job)
    task = Classification()
    with tempfile.TemporaryDirectory() as folder:
        analyzer = Analyzer(
            "job", prepare_model(net, task), task, cpu=True, output_dir=folder, disable_tqdm=True,
            disable_model_save=True,
        )  # fmt: skip
        train, test = TensorDataset(x, y), TensorDataset(test_x, test_y)
        analyzer.fit_all_factors(
            "factors", train, per_device_batch_size=256, factor_args=FactorArguments(strategy="ekfac")
        )
        analyzer.compute_pairwise_scores(
            "scores", "factors", test, train, per_device_query_batch_size=len(test_x),
            per_device_train_batch_size=256, score_args=ScoreArguments(damping_factor=DAMPING),
        )  # fmt: skip
        scores = analyzer.load_pairwise_scores("scores")
    return scores["all_modules"].numpy()


def captum_tracin(job: Job) -> Any:
    from captum.influence import TracInCP

    net, x, y, test_x, test_y = job
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model.pt")
        torch.save(net.state_dict(), path)

        def load(model: nn.Module, path: str) -> float:
            model.load_state_dict(torch.load(path, weights_only=True))
            return 1.0

        tracin = TracInCP(
            deepcopy(net),
            TensorDataset(x, y),
            checkpoints=[path],
            checkpoints_load_func=load,
            layers=["0", "2"],
            loss_fn=nn.CrossEntropyLoss(reduction="sum"),
            batch_size=250,
            sample_wise_grads_per_batch=True,
        )
        return tracin.influence((test_x, test_y)).numpy()


CASES: dict[str, Callable[[Job], Any]] = {
    "divulge CG": divulge_cg,
    "divulge EK-FAC": divulge_ekfac,
    "dattri CG, 10 iterations (default)": lambda job: dattri_cg(job, 10),
    "dattri CG, 100 iterations": lambda job: dattri_cg(job, 100),
    "pyDVL CG": lambda job: pydvl_cg(job, block=False),
    "pyDVL block CG": lambda job: pydvl_cg(job, block=True),
    "pyDVL EK-FAC": pydvl_ekfac,
    "kronfluence EK-FAC": kronfluence_ekfac,
    "captum TracIn": captum_tracin,
}


def agreement(scores: Any, expected: np.ndarray) -> tuple[float, int]:
    """Return the mean of |Pearson| over the test points, and the sign."""
    correlations = [np.corrcoef(a, b)[0, 1] for a, b in zip(np.asarray(scores), expected, strict=True)]
    return float(np.abs(correlations).mean()), int(np.sign(np.mean(correlations)))


def measured(run: Callable[[Job], Any], job: Job, expected: np.ndarray) -> dict[str, Any]:
    """Return agreement and CPU seconds of one run, or why there is no answer."""
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            scores = run(job)
        except ModuleNotFoundError as error:
            return {"error": f"{error.name} is not installed"}
        except Exception as error:  # another library's failure is a result, too
            return {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
    seconds = time.process_time() - start
    pearson, sign = agreement(scores, expected)
    return {"pearson": pearson, "sign": sign, "cpu_s": seconds}


def by_turns(names: list[str], job: Job, expected: np.ndarray, repeats: int) -> dict[str, dict[str, Any]]:
    """Return each one's result with the median of its CPU seconds; they run by turns, as the load varies."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for _ in range(repeats):
        for name, done in runs.items():
            if not done or done[0].get("cpu_s", 99) < 20:
                done.append(measured(CASES[name], job, expected))
    return {
        name: done[0] if "error" in done[0] else {**done[0], "cpu_s": median(r["cpu_s"] for r in done)}
        for name, done in runs.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--tests", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default=";".join(CASES), help="some of them, separated by semicolons")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    set_threads(1)
    job = problem(arguments.rows, arguments.tests)
    expected = truth(job)
    results = by_turns(arguments.only.split(";"), job, expected, arguments.repeats)
    for name, result in results.items():
        if not arguments.json:
            print(f"{name}: {result}")
    exact = {name: r["cpu_s"] for name, r in results.items() if r.get("pearson", 0) >= 0.999}
    peers = {name: s for name, s in exact.items() if not name.startswith("divulge")}
    if "divulge CG" in exact and peers:
        best = min(peers, key=lambda name: peers[name])
        results["ratio"] = {"best_peer": best, "times": peers[best] / exact["divulge CG"]}
    if arguments.json:
        print(json.dumps(results))
    elif "ratio" in results:
        print(results["ratio"])


if __name__ == "__main__":
    main()
