"""DiffROAR: does a ranking put first what discriminates? (Shah, Jain, Netrapalli 2021, section 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from divulge.attributions import METHODS, attribute
from divulge.conventions import check_jobs
from divulge.datasets import Dataset
from divulge.evaluation.block_leakage import warn_of_constant
from divulge.evaluation.power import (
    AdamTrainer,
    ModuleFactory,
    Trainer,
    check_classes,
    check_fit,
    predictive_power,
)
from divulge.evaluation.store import Store, described, fingerprint
from divulge.evaluation.summary import summarise
from divulge.evaluation.unmasking import KEEP, count_of, fill_image
from divulge.training import accuracy
from divulge.training.class_scores import ClassScores

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ROAR_LEVELS", "diffroar", "diffroar_runs"]

ROAR_LEVELS = (0.05, 0.1, 0.2, 0.5)
Pair = tuple[Tensor, Tensor]


def diffroar(
    module_factory: ModuleFactory,
    data: Dataset,
    attribution: str | Pair | Any = "gradient",
    *,
    levels: Sequence[int | float] = ROAR_LEVELS,
    runs: int = 5,
    confidence: float = 0.95,
    **options: Any,
) -> pd.DataFrame:
    """Return DiffROAR(A, k), the accuracy that an attribution's top k teach minus that of its bottom k.

    In each run a module is trained and asked for its attribution of every input. Then, for each level, a new
    module of the same architecture is trained on the inputs of which only the top k coordinates are left, and
    tested on test inputs treated alike, and another one on the bottom k; the same with a random ranking.
    Above zero the ranking finds what discriminates, random rankings lie around zero.

    Args:
        module_factory: makes an untrained classifier from a seed.
        data: training and test inputs; only the training part is ever shown to a trainer.
        attribution: what `attribute` takes, or a pair of tensors, of the training and of the test inputs.
        levels: coordinates kept, see `unmask`.
        runs: repetitions with other seeds.
        confidence: of the intervals.
        options: of `diffroar_runs`.

    Returns:
        One row a level, with columns
        level, k: as asked for, and in coordinates;
        runs, model: how many, and the test accuracy of the modules that were attributed (mean);
        top, bottom, diffroar: means over the runs;
        low, high: Student's interval of the mean difference over runs, top and bottom of one run paired;
        pairs_low, pairs_high: the same over all pairs of one run's top and another's bottom, taken as
        independent samples (Welch): the runs^2 differences themselves are not independent;
        random, random_low, random_high, random_pairs_low, random_pairs_high: of the random ranking.
        Intervals of a single run are NaN.

    Raises:
        ValueError: one of these cannot be, or a class without a training image.
    """
    return summarise(
        diffroar_runs(module_factory, data, attribution, levels=levels, runs=runs, **options),
        confidence=confidence,
    )


def diffroar_runs(
    module_factory: ModuleFactory,
    data: Dataset,
    attribution: str | Pair | Any = "gradient",
    *,
    levels: Sequence[int | float] = ROAR_LEVELS,
    runs: int = 5,
    trainer: Trainer | None = None,
    retrainer: Trainer | None = None,
    of: str | int = "predicted",
    attribution_options: dict[str, Any] | None = None,
    fill: str | float | Tensor = "zero",
    channels: str = "grouped",
    baseline: bool = True,
    seed: int = 0,
    jobs: int = 1,
    folder: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Return every single accuracy behind `diffroar`, one row each.

    Args:
        module_factory: see `diffroar`; picklable where jobs > 1.
        data: see `diffroar`.
        attribution: see `diffroar`.
        levels: see `diffroar`.
        runs: see `diffroar`.
        trainer: of the modules that are attributed, called with a module, inputs, targets and a seed;
            `AdamTrainer()` by default. `AdamTrainer(perturb=Pgd(...))` makes them robust.
        retrainer: of the modules that learn from what is left; by default the trainer, without its adversary
            where it is an `AdamTrainer`.
        of: what the attribution is asked about, see `attribute`.
        attribution_options: others of `attribute`.
        fill: see `unmask`.
        channels: see `unmask`.
        baseline: whether random rankings are tried, too.
        seed: run r uses seed + r for everything.
        jobs: processes at a time, over runs and levels (joblib); -1 for one a processor.
        folder: finished trainings are kept here; the same call goes on from them after an interruption, and
            calls that share a training, such as the random rankings, share it. Trainers and factories are
            told apart by their names and arguments, not by their code.
        progress: called with the trainings done and the number of all.

    Returns:
        Columns run, level, k, ranking ("attribution" or "random"), keep ("top" or "bottom"), accuracy, and
        model, the test accuracy of the run's attributed module (NaN where attributions were given).

    Raises:
        ValueError: one of these cannot be, or a class without a training image.
    """
    import pandas as pd

    _check(runs, levels, seed, data, channels)
    check_jobs(jobs)
    check_fit(module_factory(seed=seed), data)
    trainer = trainer or AdamTrainer()
    study = _Study(
        module_factory,
        data,
        METHODS.make(attribution) if isinstance(attribution, str) else attribution,
        trainer,
        retrainer or (replace(trainer, perturb=None) if isinstance(trainer, AdamTrainer) else trainer),
        {**(attribution_options or {}), "of": of},
        fill_image(fill, data.train_inputs),
        channels,
        ("attribution", "random") if baseline else ("attribution",),
        Store(folder),
        fingerprint(data.train_inputs, data.train_targets, data.test_inputs, data.test_targets),
    )
    rows = list(study.rows([seed + run for run in range(runs)], list(levels), jobs, progress))
    frame: pd.DataFrame = pd.DataFrame(rows)
    frame.insert(0, "run", frame.pop("seed") - seed)
    return frame


def _check(runs: int, levels: Sequence[int | float], seed: int, data: Dataset, channels: str) -> None:
    """Raise ValueError for what cannot be, before anything is trained."""
    if runs < 1:
        raise ValueError(f"expected at least one run, got {runs}")
    if not levels:
        raise ValueError("expected at least one level, got none")
    if seed < 0:
        raise ValueError(f"expected a seed of at least 0, got {seed}")
    for level in levels:
        count_of(level, data.input_shape, channels)
    check_classes(data)


@dataclass(frozen=True)
class _Study:
    """What all trainings have in common."""

    factory: ModuleFactory
    data: Dataset
    attribution: Pair | Any
    trainer: Trainer
    retrainer: Trainer
    options: dict[str, Any]
    fill: Tensor
    channels: str
    rankings: tuple[str, ...]
    store: Store
    data_hash: str

    def rows(
        self,
        seeds: list[int],
        levels: list[int | float],
        jobs: int,
        progress: Callable[[int, int], None] | None,
    ) -> Iterator[dict[str, Any]]:
        """Do what is not kept yet: first the attributed modules, then a job a seed and level."""
        from joblib import delayed

        given = isinstance(self.attribution, tuple)
        total = len(seeds) * ((not given) + 2 * len(levels) * len(self.rankings))
        done = _Counter(total, progress)
        found: dict[int, tuple[float, Pair | None]] = {}
        calls = (delayed(self._attributed)(seed, levels) for seed in seeds)
        for seed, one in zip(seeds, _parallel(jobs, calls), strict=True):
            found[seed] = one
            done.add(not given)
        calls = (delayed(self._level)(seed, level, found[seed][1]) for seed in seeds for level in levels)
        for rows in _parallel(jobs, calls):
            done.add(len(rows))
            for row in rows:
                yield {**row, "model": found[row["seed"]][0]}

    def _attributed(self, seed: int, levels: list[int | float]) -> tuple[float, Pair | None]:
        """Return a module's test accuracy and, where still needed, its attributions of both parts."""
        if isinstance(self.attribution, tuple):
            return float("nan"), self.attribution
        about = {"what": "module", "trainer": described(self.trainer), **self._common(seed)}
        kept = self.store.load(about)
        if kept is not None and all(
            self.store.load(self._about(seed, level, "attribution", keep)) is not None
            for level in levels
            for keep in KEEP
        ):
            return kept, None
        module = self.factory(seed=seed)
        if not self.store.load_module(about, module):
            trained = self.trainer(module, self.data.train_inputs, self.data.train_targets, seed=seed)
            if trained is module:
                self.store.save_module(about, module)
            module = trained
        module.eval()
        power = accuracy(ClassScores(module), self.data.test_inputs, self.data.test_targets)
        self.store.save(about, power)
        pair = self._attribute(module, seed, True), self._attribute(module, seed, False)
        warn_of_constant(*pair)
        return power, pair

    def _attribute(self, module: Any, seed: int, train: bool) -> Tensor:
        data = self.data
        inputs, targets = (
            (data.train_inputs, data.train_targets) if train else (data.test_inputs, data.test_targets)
        )
        return attribute(module, inputs, self.attribution, targets=targets, seed=seed, **self.options)

    def _level(self, seed: int, level: int | float, attributions: Pair | None) -> list[dict[str, Any]]:
        """Return the rows of one run at one level."""
        rows = []
        for ranking in self.rankings:
            pair = attributions if ranking == "attribution" else None
            for keep in KEEP:
                about = self._about(seed, level, ranking, keep)
                power = self.store.load(about)
                if power is None:
                    pair = self._random(seed) if pair is None else pair
                    power = self._power(seed, level, keep, pair)
                    self.store.save(about, power)
                k = count_of(level, self.data.input_shape, self.channels)
                row = {"seed": seed, "level": level, "k": k, "ranking": ranking, "keep": keep}
                rows.append({**row, "accuracy": power})
        return rows

    def _power(self, seed: int, level: int | float, keep: str, pair: Pair) -> float:
        return predictive_power(
            self.factory,
            self.data,
            pair,
            level,
            keep=keep,
            trainer=self.retrainer,
            fill=self.fill,
            channels=self.channels,
            seed=seed,
        )

    def _random(self, seed: int) -> Pair:
        """Return numbers that say nothing."""
        generator = torch.Generator().manual_seed(seed)
        train, test = (
            torch.rand(inputs.shape, generator=generator, dtype=inputs.dtype)
            for inputs in (self.data.train_inputs, self.data.test_inputs)
        )
        return train, test

    def _common(self, seed: int) -> dict[str, Any]:
        """All that every result depends on."""
        module = self.factory(seed=seed)
        return {
            "data": self.data_hash,
            "module": f"{module} {fingerprint(*module.state_dict().values())}",
            "seed": seed,
        }

    def _about(self, seed: int, level: int | float, ranking: str, keep: str) -> dict[str, Any]:
        """All that one accuracy depends on; of a random ranking, nothing of the attributed module."""
        about = {
            **self._common(seed),
            "what": "accuracy",
            "retrainer": described(self.retrainer),
            "fill": fingerprint(self.fill),
            "channels": self.channels,
            "k": count_of(level, self.data.input_shape, self.channels),
            "ranking": ranking,
            "keep": keep,
        }
        if ranking == "attribution":
            about["attribution"] = described(self.attribution)
            if not isinstance(self.attribution, tuple):
                about["trainer"] = described(self.trainer)
                about["options"] = {name: described(value) for name, value in sorted(self.options.items())}
        return about


class _Counter:
    """Counts trainings that are done."""

    def __init__(self, total: int, progress: Callable[[int, int], None] | None) -> None:
        self.done, self.total, self.progress = 0, total, progress

    def add(self, trainings: int) -> None:
        self.done += trainings
        if self.progress is not None and trainings:
            self.progress(self.done, self.total)


def _parallel(jobs: int, calls: Iterable[Any]) -> Iterator[Any]:
    """Yield the calls' results, in order, as they come."""
    from joblib import Parallel

    yield from Parallel(n_jobs=jobs, return_as="generator")(calls)
