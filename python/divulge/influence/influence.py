"""Influence functions: which training samples made this prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import nn

from divulge.influence.arguments import (
    Curvature,
    SolverName,
    check_alike,
    check_choice,
    check_numbers,
    check_rows,
    default_tolerance,
    named,
    vector_block,
)
from divulge.influence.combined import ShardedOperator
from divulge.influence.inverse import DampedInverse, SolverOptions
from divulge.influence.losses import LossFunction, output_function, resolve_loss
from divulge.influence.modes import gradients_on
from divulge.influence.operators import Array, Operator
from divulge.influence.output import open_output
from divulge.influence.positions import Positions
from divulge.influence.prepared import prepare
from divulge.influence.ranking import Ranking, group_members, top_of
from divulge.influence.samples import Samples, read_samples
from divulge.influence.shown import as_table
from divulge.influence.solvers import Solution, placed
from divulge.influence.task import Task
from divulge.victims.packing import packed, unpacked

__all__ = ["Influence"]

# What an Influence is built from.
_GIVEN = (
    "loss", "task", "curvature", "solver", "damping", "weight_decay", "_names", "_lower", "_sharded",
    "_batch_size", "_given", "_tolerance", "_limits",
)  # fmt: skip


class Influence:
    """Influence functions of a trained module (Koh & Liang 2017).

    The module's parameters theta minimise J = (1/n) sum_i L(z_i) + (weight_decay / 2) |theta|^2. With
    C the curvature of J and H = C + damping I,

        scores[t, i] = d f(test t) / d epsilon_i = - grad f(t)' H^-1 grad L(z_i)

    where epsilon_i up-weights training sample i: J + epsilon_i L(z_i). f is the test loss unless `of=` says
    otherwise. A positive score is harmful: more of sample i raises the test loss. A negative score is
    helpful. Removing sample i is epsilon_i = -1/n, so that the test loss changes by about -scores[t, i] /
    n, which is what `leave_one_out` returns.

    Example: the mean theta of z = (0, 0, 3), L(z) = (theta - z)^2 / 2, H = 1 without damping. The test number
    t = 0 has the loss 1/2, and scores[t, i] = - (theta - t) (theta - z_i) = (-1, -1, 2). The score of z = 3
    is above zero: it is harmful, it pulls the mean away from t. - scores / n = (1/3, 1/3, -2/3) is what the
    loss would change by, to first order, if a number were left out.

    Args:
        module: from inputs (n, *shape) to outputs (n, K), trained, in evaluation mode.
        task: how the module is called, what it was trained on and what is explained, where a module takes or
            returns something else than tensors, or losses are those of several positions: texts, masks,
            several inputs. It has the loss then.
        loss: "cross_entropy", of a single output that of two classes by the sign of its logit, targets 0 and
            1; "squared", |z - y|^2 / 2; "smooth_hinge" of one output with targets -1 and 1; or a function of
            (outputs, targets) that returns one number a sample. Losses of torch are taken for each sample
            (reduction="none"), of several numbers the mean, or the sum where they sum.
        train: (inputs, targets) as arrays, tensors or memory-mapped arrays; a dict of both; a list of pairs;
            a torch Dataset or DataLoader of pairs or dicts; or a `divulge.datasets.Dataset`, whose training
            part is meant. Samples are numbered as in the Dataset, and items are read once: a random
            augmentation is one draw. Whole numbers of more than a byte stay whole where the module takes
            them, as tokens; else all inputs are converted to the module's precision.
        curvature: C. "hessian" of the mean loss; "gauss_newton", J' H_loss J; "fisher", the expectation over
            the model's own labels (for cross_entropy and squared equal to gauss_newton, and computed as
            such); "kfac" and "ekfac", its Kronecker-factored approximations, where all parameters in
            question are those of linear layers, convolutions, embeddings and normalisations: wherever their
            samples' axis is, in place or called several times; others are refused.
        solver: of H x = b. "cg"; "direct", Cholesky's factor of the whole matrix, up to 20,000 parameters;
            "lissa"; "arnoldi"; "nystroem". kfac and ekfac are inverted in closed form and take none.
        damping: added to the curvature's diagonal.
        parameters: names of the module's parameters that are meant, by default all that require gradients;
            a name may stand for all that begin with it ("head" for "head.weight"), a pattern for all that
            match ("*.norm?.weight").
        weight_decay: of the training objective, added to the curvature's diagonal.
        temperature: of the smooth hinge.
        tolerance: on each solution's relative residual; by default 1e-8 for float64, 1e-5 for float32, and
            1e-2 for the approximating solvers lissa, arnoldi and nystroem.
        max_iterations: products (cg) or passes over the data (lissa) at most.
        rank: of arnoldi and nystroem.
        batch_size: samples in memory at a time where torch computes, and in a step of lissa.
        lower: False lets torch compute even where the compiled core could.
        sharded: `train` is this process's share of the training data, one of those of all processes of
            torch.distributed's group, and every process makes the same calls. Products are summed over the
            processes; samples are numbered through them in the order of ranks; each gets all results.
        seed: of everything random.

    Attributes:
        path: "native" where the compiled core computes, "cuda" where its CUDA kernels do, else "torch".
        operator: products and scores, without damping.

    The module is followed: where its parameters, buffers, modes, layers or hooks were changed since, the next
    call takes it anew, and what was fitted to it before is dropped. A call computes on a copy of the
    parameters; the module, its modes and gradients stay as they are.

    On the first and the last training sample the module is called several times, alone and together, and one
    directional derivative is held against finite differences of its outputs, so that dropout, a batch that is
    mixed, and gradients that are not those of the outputs are refused and not taken for influences.

    Raises:
        ValueError: an argument that cannot be used, named in the message; SingularCurvature, also a
            ValueError, is raised by whatever solves, where H is not positive definite; UnsupportedModel, also
            a ValueError, where the module's outputs or derivatives cannot be relied on.
        TypeError: module or train is something else.
    """

    def __init__(
        self,
        module: nn.Module,
        train: Any,
        *,
        task: Task | None = None,
        loss: str | LossFunction = "cross_entropy",
        curvature: Curvature = "hessian",
        solver: SolverName | None = None,
        damping: float = 0.01,
        parameters: Sequence[str] | None = None,
        weight_decay: float = 0.0,
        temperature: float = 0.001,
        tolerance: float | None = None,
        max_iterations: int = 1000,
        rank: int = 100,
        batch_size: int = 256,
        lower: bool = True,
        sharded: bool = False,
        seed: int = 0,
    ) -> None:
        if task is not None and not isinstance(task, Task):
            raise TypeError(f"expected task as a divulge.influence.Task, got {task!r}")
        if task is not None and loss != "cross_entropy":
            raise ValueError("expected one loss, got one in task= and another as loss=")
        self.task = task or Task(loss=loss)
        positions = Positions(self.task.positions, self.task.ignore_index)
        self.loss = resolve_loss(self.task.loss, temperature, positions)
        check_choice(curvature, solver, self.loss.is_likelihood)
        whole = {"max_iterations": max_iterations, "rank": rank, "batch_size": batch_size, "seed": seed}
        check_numbers(damping, weight_decay, tolerance, **whole)
        self.module, self.curvature, self.damping = module, curvature, float(damping)
        self.weight_decay, self.solver = float(weight_decay), solver or "cg"
        self._names, self._lower, self._sharded, self._batch_size = parameters, lower, sharded, batch_size
        self._given = read_samples(train, "training")
        self._tolerance = tolerance
        self._limits = max_iterations, rank, batch_size, seed
        self._stale = True
        self._build()

    def _build(self) -> None:
        """Take the module as it is now."""
        self._prepared = given = prepare(
            self.module, self._names, self.loss, self._given, self._batch_size, self._lower, self.task.call
        )
        self.train, self.outputs = given.train, given.outputs[-1]
        self.operator: Operator = ShardedOperator(given.operator) if self._sharded else given.operator
        own = self._tolerance
        self.tolerance = default_tolerance(self.solver, given.dtype) if own is None else own
        asked = self.curvature, self.solver, self.damping, self.weight_decay, self.tolerance
        self._inverse = DampedInverse(self.operator, self.loss, SolverOptions(*asked, *self._limits))
        self._stale = False

    def _follow(self) -> None:
        """Take the module anew where it was changed since."""
        if self._stale or self._prepared.snapshot.changed:
            self._stale = True  # until all went well
            self._build()

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled; of a module that torch alone can write, what is needed to take it anew."""
        module = packed(self.module)
        held = _GIVEN if isinstance(module, bytes) else self.__dict__
        return {**{name: self.__dict__[name] for name in held}, "module": module}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, module=unpacked(state["module"]))
        if isinstance(state["module"], bytes):
            self._build()

    @property
    def solution(self) -> Solution | None:
        """Residuals and iterations of the last solve, or None."""
        return self._inverse.solution

    @property
    def path(self) -> str:
        """What computes: "native", the compiled core, or "torch"."""
        return self.operator.path

    def checked(self, test: Any) -> Samples:
        """Return test points whose shape and targets fit the training data.

        Raises:
            ValueError: they do not.
        """
        self._follow()
        samples = read_samples(test, "test")
        check_alike(samples.inputs, self.train.inputs, whole=self.train.integers)
        samples = replace(samples, integers=self.train.integers)
        return samples.checked(self.loss, self._prepared.outputs, "test")

    def gradients(self, test: Any, of: str | LossFunction | None = None) -> Array:
        """Return grad f (m, P) of test points, formed whole; `of` as in `scores`."""
        return self.operator.gradients(self.checked(test), self._function(of))

    def _function(self, of: str | LossFunction | None) -> LossFunction:
        """Return the function of (outputs, targets) that is asked for, by default the task's."""
        return output_function(self.task.of if of is None else of, self.loss)

    def losses(self, test: Any) -> Array:
        """Return the module's losses (m,) on test points."""
        samples = self.checked(test)
        return self._prepared.autograd.losses(samples)

    @gradients_on()
    def hvp(self, vectors: ArrayLike) -> Array:
        """Return C v + (weight decay) v, without damping, for one vector (P,) or a block (m, P).

        The order of the P numbers is that of the module's parameters.
        """
        self._follow()
        block, single = vector_block(vectors, self.operator.parameters)
        at = placed(block, self.operator.device)
        products = self._inverse.matrix.multiply(at).add_(at, alpha=self.weight_decay)
        out = products.cpu().numpy().astype(self.operator.dtype)
        return out[0] if single else out

    def solve(self, vectors: ArrayLike) -> Solution:
        """Return H^-1 v for one vector (P,) or a block (m, P), with residual and iterations of each.

        Raises:
            SingularCurvature: H is not positive definite; the message names a damping that would do.
        """
        self._follow()
        block, single = vector_block(vectors, self.operator.parameters)
        solution = self._inverse.solve(block)
        if not single:
            return solution
        return Solution(solution.vectors[0], solution.residual, solution.iterations, solution.converged)

    def scores(
        self,
        test: Any,
        of: str | LossFunction | None = None,
        groups: ArrayLike | None = None,
        out: Any = None,
    ) -> Any:
        """Return the up-weighting influence (m, n) of each training sample on each test point.

        See the class for sign and scale. Per-sample gradients are never formed: the memory beyond the
        result is that of a block of 64 test points.

        Args:
            test: like `train`.
            of: what is influenced: "loss"; "log_probability" of the target; "margin", its log odds; "logit",
                its output; or a function of (outputs, targets) with one number a test point. By default the
                task's, most often the loss.
            groups: (n,), the number of each training sample's group from 0 on; scores are then summed over
                groups, (m, groups).
            out: what to write to, returned: anything of shape (m, n) that takes `out[begin:end] = block` (a
                memory-mapped or Zarr array), or the name of a new .npy or .zarr file.

        Raises:
            ValueError: test points of another shape than the training samples, or targets out of range.
            SingularCurvature: H is not positive definite.
        """
        samples = self.checked(test)
        members = None if groups is None else group_members(groups, self.operator.rows)
        columns = self.operator.rows if members is None else members.shape[1]
        target = open_output(out, (len(samples), columns), self.operator.dtype)
        for rows, solution in self._inverse.solutions(samples, self._function(of)):
            scores = -self.operator.scores(solution)
            target[rows] = scores if members is None else scores @ members
        return target

    def top_k(self, test: Any, k: int = 10, of: str | LossFunction | None = None) -> Ranking:
        """Return the k most helpful and most harmful training samples of each test point."""
        if k not in range(1, self.operator.rows + 1):
            raise ValueError(f"expected a whole k from 1 to {self.operator.rows}, got {k!r}")
        solved = self._inverse.solutions(self.checked(test), self._function(of))
        parts = [top_of(-self.operator.scores(solution), k) for _, solution in solved]
        return Ranking(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def self_influence(self, rows: ArrayLike | None = None) -> Array:
        """Return grad L(z_i)' H^-1 grad L(z_i) of training samples (n,), by default all.

        It is not negative: up-weighting a sample lowers its own loss at this rate. Large values are samples
        that the model fits only because they are there, mislabelled ones among them. There are closed forms
        for kfac and ekfac, for one layer with the direct solver, and for arnoldi and nystroem (those of their
        approximation); otherwise each sample is solved for.
        """
        self._follow()
        chosen = check_rows(rows, self.operator.rows)
        return self._inverse.self_influence(chosen).astype(self.operator.dtype)

    def relative_scores(self, test: Any, of: str | LossFunction | None = None) -> Array:
        """Return scores (m, n) divided by the root of each training sample's self-influence: RelatIF.

        scores[t, i] / sqrt(grad L(z_i)' H^-1 grad L(z_i)), the influence of a sample that changes the
        training loss as much as the others do (E. Barshan, M. Brunet, G. Dziugaite 2020, l-RelatIF): outliers
        that change all predictions no longer lead every list. A sample whose gradient is 0 has 0.

        Args:
            test: like `train`.
            of: as in `scores`.

        Raises:
            ValueError: test points of another shape than the training samples, or targets out of range; a
                solver so far from its solution that a sample's self-influence is negative.
            SingularCurvature: H is not positive definite.
        """
        scores = self.scores(test, of)
        roots = self._inverse.self_influence_roots()
        return np.asarray(np.divide(scores, roots, out=np.zeros_like(scores), where=roots > 0))

    def leave_one_out(self, test: Any, of: str | LossFunction | None = None) -> Array:
        """Return the predicted change (m, n) of each test loss when a training sample is left out.

        It is -scores / n; for one layer and the direct solver, the exact Newton step without the sample,
        whose curvature leaves with it. n and the weight decay stay as they are in the objective.
        """
        samples = self.checked(test)
        forms = self._inverse.forms

        def changes(solution: NDArray[np.float64]) -> Array:
            if forms is not None:
                return np.asarray(forms.changes(solution), self.operator.dtype)
            return np.asarray(self.operator.scores(solution) / self.operator.rows, self.operator.dtype)

        solutions = self._inverse.solutions(samples, self._function(of))
        return np.concatenate([changes(solution) for _, solution in solutions])

    def position_scores(
        self, test: Any, rows: ArrayLike | None = None, of: str | LossFunction | None = None
    ) -> Array:
        """Return the influence (m, k, *positions) of each position of training samples, such as their tokens.

        It is -grad f(t)' H^-1 grad L_t(z_i), L_t what a position adds to the loss: their sum over a sample's
        positions is its score. A position that does not count has 0.

        Args:
            test: like `train`.
            rows: (k,), the training samples in question, by default all.
            of: as in `scores`.

        Raises:
            ValueError: outputs without positions, or a loss that is a function.
        """
        self._follow()
        self.loss.check_positions(self._prepared.outputs)
        return self._of_rows("position_scores", test, rows, of)

    def perturbation(
        self, test: Any, rows: ArrayLike | None = None, of: str | LossFunction | None = None
    ) -> Array:
        """Return the influence (m, k, *shape) of each training pixel on each test loss.

        -grad f(t)' H^-1 grad_x grad_theta L(z_i): how fast the test loss changes when a pixel of sample i
        does, for a sample of weight one; divide by n for the change in the trained model's loss. Where a
        step along it raises the test loss, one against it lowers it.

        Args:
            test: like `train`.
            rows: (k,), the training samples in question, by default all.
            of: as in `scores`.
        """
        return self._of_rows("input_gradients", test, rows, of)

    def _of_rows(self, method: str, test: Any, rows: ArrayLike | None, of: Any) -> Array:
        """Return what torch's operator says of training samples and solved test points (m, k, ...)."""
        samples, function = self.checked(test), self._function(of)
        chosen = check_rows(rows, self.operator.rows)
        autograd = self._prepared.autograd
        told = getattr(ShardedOperator(autograd) if self._sharded else autograd, method)
        return np.concatenate(
            [-told(chosen, solution) for _, solution in self._inverse.solutions(samples, function)]
        )

    def __repr__(self) -> str:
        return (
            f"Influence({self.operator.parameters} parameters, {self.operator.rows} training samples, "
            f"{named(self.curvature, self.solver)}, damping {self.damping:g}, run by {self.path})"
        )

    def _repr_html_(self) -> str:
        """Return a table of what was asked for a notebook."""
        return as_table(self)
