"""The victim: the model under study, and how it is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from divulge.arrays import Array, Index
from divulge.errors import DivulgeError, UnsupportedModel, UnsupportedModelFile
from divulge.points import as_matrix
from divulge.training.class_scores import named_classes
from divulge.training.modes import evaluating
from divulge.victims.as_module import in_known_precision, input_shape_of, of_estimator, some_inputs
from divulge.victims.estimators import is_estimator, last_step
from divulge.victims.lowering import DenseLayers, lower, native_network
from divulge.victims.model_files import TRUSTED, read_trusted
from divulge.victims.packing import packed, unpacked
from divulge.victims.wrapped import Logits, logits_in

if TYPE_CHECKING:
    from divulge.datasets import Dataset
    from divulge.points import Points

Reader = Callable[[Path], tuple[nn.Module, tuple[int, ...]]]

_BATCH = 1024
# How far the lowered layers may be from the module, relative to its largest output: rounding differs.
_TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-9}
# Probabilities stay between 0 and 1 so far out, too, where logits leave.
_FAR = 1000.0
_ROUNDING = 1e-4


class Victim:
    """A model under study: any torch module from inputs of one shape to K outputs, or a fitted estimator.

    The module is run in evaluation mode, and each of its parts left in its own. A module that is a chain of
    linear layers, ReLUs, reshapes and elementwise affine steps is lowered to the native network, which gives
    the same answers without Python in the loop; its weights are copied then, so build a new Victim after
    training the module further.

    A module may answer with an object or a mapping that holds `logits`, and may compute in half precision or
    bfloat16; then it is fed and read in float32. An estimator of scikit-learn, XGBoost or LightGBM, or a
    pipeline, is fed rows of numbers; linear models, perceptrons and the scalers before them become layers
    with gradients, others have none (`EstimatorModule`).

    Args:
        module: maps a tensor of shape (n, *input_shape) to one of shape (n, K), or has a method predict.
        input_shape: the shape of one input; by default the data's, else (in_features,) of the module's first
            Linear, or the number of columns that an estimator was fitted with.
        data: like those the model is for; an estimator that was fitted on a DataFrame is fed such rows, with
            the words of categorical columns.
        lower: False runs the module through torch even where the native network could run it.

    Attributes:
        module: the module, or what runs the estimator.
        class_names: what the outputs' classes are called where an estimator says so, else None.
        input_shape: the shape of one input.
        input_size: d, the numbers in one input.
        output_size: K.
        dtype: precision of the module's parameters, torch.float32 or torch.float64.
        network: the native network, or None where torch runs the module.

    Raises:
        TypeError: module is no torch module and no estimator.
        UnsupportedModel: it does not map (n, *input_shape) to (n, K), computes in another precision, or an
            estimator fails on the data's rows.
        ValueError: the data name a class that a classifier does not know.
    """

    def __init__(
        self,
        module: Any,
        input_shape: Sequence[int] | None = None,
        data: Dataset | None = None,
        *,
        lower: bool = True,
    ) -> None:
        if input_shape is None and data is not None:
            input_shape = data.input_shape
        self._inputs = some_inputs(data)
        self.class_names: tuple[Any, ...] | None = None
        self._regression: str | None = None
        if is_estimator(module):
            title = type(last_step(module)).__name__
            module, input_shape, self.class_names, self._inputs = of_estimator(module, input_shape, data)
            self._regression = title if self.class_names is None else None
        if not isinstance(module, nn.Module):
            raise TypeError(
                "expected a torch.nn.Module or a fitted estimator such as a scikit-learn pipeline, got "
                f"{type(module).__name__}"
            )
        self.module, self.dtype, self._device = in_known_precision(module)
        self.input_shape = input_shape_of(module, input_shape)
        self.input_size = prod(self.input_shape)
        probe = self._probe()
        outputs = self._check_outputs(probe, guessed=input_shape is None)
        self.output_size = outputs.shape[1]
        self.layers = self._lower(probe, outputs) if lower else None
        self.network = None if self.layers is None else native_network(self.layers)

    @classmethod
    def from_onnx(cls, path: str | Path, *, lower: bool = True) -> Victim:
        """Read an ONNX file made of linear layers, ReLUs, reshapes and elementwise arithmetic.

        Raises:
            UnsupportedModelFile: the file holds another operation (named), is damaged or is no ONNX model.
            UnsupportedModel: the package onnx is not installed.
            FileNotFoundError: there is no such file.
        """
        from divulge.victims.onnx_reader import read_onnx

        return cls._of_file(read_onnx, path, lower)

    @classmethod
    def from_export(cls, path: str | Path, *, lower: bool = True) -> Victim:
        """Read a `.pt2` file written by torch.export.save; its one input must have a leading batch axis.

        Raises:
            UnsupportedModelFile: the file is damaged or is no exported program, or has several inputs.
            FileNotFoundError: there is no such file.
        """
        from divulge.victims.export_reader import read_export

        return cls._of_file(read_export, path, lower)

    @classmethod
    def _of_file(cls, read: Reader, path: str | Path, lower: bool) -> Victim:
        """Read a file, and let what is wrong with its module name the file."""
        module, shape = read(_existing(path))
        try:
            return cls(*_evaluating(module, shape), lower=lower)
        except DivulgeError as error:
            raise UnsupportedModelFile(path, "the model", f"cannot be used: {error}") from error

    @classmethod
    def from_file(
        cls, path: str | Path, data: Dataset | None = None, *, lower: bool = True, trusted: bool = False
    ) -> Victim:
        """Read a model file by its suffix, `.onnx` or `.pt2`; trusted ones also `.joblib`, `.pkl` or `.pt`.

        Args:
            path: the file.
            data: like those the model is for; estimators are fed its columns.
            lower: as in `Victim`.
            trusted: whether code in the file may run, as it does where a pickled model is read.

        Raises:
            UnsupportedModelFile: another suffix, or the file cannot be used.
            FileNotFoundError: there is no such file.
        """
        suffix = Path(path).suffix.lower()
        if suffix in TRUSTED:
            model = read_trusted(_existing(path), trusted)
            try:
                return cls(model, data=data, lower=lower)
            except DivulgeError as error:
                raise UnsupportedModelFile(path, "the model", f"cannot be used: {error}") from error
        if suffix == ".onnx":
            return cls.from_onnx(path, lower=lower)
        if suffix == ".pt2":
            return cls.from_export(path, lower=lower)
        raise UnsupportedModelFile(
            path,
            "the name",
            f"tells no kind: expected a file named *.onnx, *.pt2 (torch.export), {', '.join(TRUSTED)}, "
            f"got {Path(path).name or path}",
        )

    @property
    def lowered(self) -> bool:
        """Whether the native network runs this victim."""
        return self.network is not None

    @property
    def differentiable(self) -> bool:
        """Whether the model has input gradients; a forest, or a pipeline that encodes words, has none."""
        return bool(getattr(self.module, "differentiable", True))

    def check_differentiable(self) -> None:
        """Raise UnsupportedModel where the model has no input gradients."""
        if not self.differentiable:
            raise UnsupportedModel(
                f"{self.title} has no input gradients: ask for labels, probabilities, values, SHAP values, "
                "LIME or occlusion"
            )

    @property
    def title(self) -> str:
        """What kind of model it is, as its maker calls it."""
        return str(getattr(self.module, "title", type(self.module).__name__))

    @cached_property
    def tells_probabilities(self) -> bool:
        """Whether the outputs are probabilities and no logits: behind a softmax, or one behind a sigmoid.

        Told from a few inputs and from the same a thousand times as large: all outputs lie between 0 and 1,
        several of one input add up to 1, and they are not the same for all inputs.
        """
        if self.lowered:
            return False
        known = getattr(self.module, "tells_probabilities", None)
        if isinstance(known, bool):
            return known
        probe = self._probe()
        outputs = np.concatenate([self.values(probe), self.values(_FAR * probe)])
        sums = outputs.sum(axis=1) if self.output_size > 1 else np.ones(len(outputs))
        within = (outputs >= 0).all() and (outputs <= 1).all() and np.abs(sums - 1).max() < _ROUNDING
        return bool(within and np.ptp(outputs, axis=0).max() > 0)

    def classes(self, points: Points) -> Index:
        """Return the class named at each point, shape (n,).

        That of the largest output; of one output 1 where it is above 0, or above .5 if it is a probability.

        Args:
            points: shape (n, d) or (n, *input_shape).

        Raises:
            ValueError: the points have another shape.
            UnsupportedModel: the victim is a regression.
        """
        self.check_names_classes()
        return named_classes(self.values(points), self.threshold)

    def check_names_classes(self) -> None:
        """Raise UnsupportedModel for an estimator that predicts numbers, whose sign is no class."""
        if self._regression is not None:
            raise UnsupportedModel(f"{self._regression} predicts numbers and names no classes")

    @property
    def predicts_numbers(self) -> bool:
        """Whether it is an estimator that predicts numbers and names no classes."""
        return self._regression is not None

    @property
    def threshold(self) -> float:
        """What one output is above for class 1: 0 for a logit, .5 for a probability."""
        return 0.5 if self.output_size == 1 and self.tells_probabilities else 0.0

    def values(self, points: Points) -> Array:
        """Return the outputs, shape (n, K), as float64, computed in the victim's own precision.

        Args:
            points: shape (n, d) or (n, *input_shape).

        Raises:
            ValueError: the points have another shape.
        """
        matrix = self.as_points(points)
        if self.network is not None:
            return np.asarray(self.network.values(matrix), dtype=np.float64)
        with evaluating(self.module), torch.inference_mode(False), torch.no_grad():
            parts = [self.module(self._tensor(part)) for part in _batches(matrix)]
        return np.concatenate([_to_float64(part) for part in parts] or [np.zeros((0, self.output_size))])

    def values_and_gradients(self, points: Points, output: int) -> tuple[Array, Array]:
        """Return f_k(x), shape (n,), and df_k/dx, shape (n, d), as float64.

        Both are computed in the victim's own precision.

        Args:
            points: shape (n, d) or (n, *input_shape).
            output: k.

        Raises:
            ValueError: the points have another shape, or there is no such output.
            UnsupportedModel: the model has no input gradients.
        """
        if not 0 <= output < self.output_size:
            raise ValueError(f"expected an output from 0 to {self.output_size - 1}, got {output}")
        self.check_differentiable()
        matrix = self.as_points(points)
        if self.network is not None:
            values, gradients = self.network.values_and_gradients(matrix, output)
            return np.asarray(values, dtype=np.float64), np.asarray(gradients, dtype=np.float64)
        pairs = [self._differentiate(part, output) for part in _batches(matrix)]
        empty = (np.zeros(0), np.zeros((0, self.input_size)))
        values, gradients = (np.concatenate(parts) for parts in zip(empty, *pairs, strict=True))
        return values, gradients

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: the native network is built anew from its layers."""
        return {**self.__dict__, "network": None, "module": packed(self.module)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, module=unpacked(state["module"]))
        self.network = None if self.layers is None else native_network(self.layers)

    def __repr__(self) -> str:
        how = "native network" if self.lowered else "torch" if self.differentiable else self.title
        dtype = str(self.dtype).removeprefix("torch.")
        return f"Victim({self.input_shape} -> {self.output_size}, {dtype}, run by {how})"

    def _differentiate(self, part: NDArray[Any], output: int) -> tuple[Array, Array]:
        """Values and gradients of one batch through autograd."""
        with evaluating(self.module), torch.inference_mode(False), torch.enable_grad():
            x = self._tensor(part).requires_grad_()
            column = self.module(x)[:, output]
            gradient = None
            if column.requires_grad:
                (gradient,) = torch.autograd.grad(column.sum(), x, allow_unused=True)
        if gradient is None:  # a constant function
            gradient = torch.zeros_like(x)
        return _to_float64(column), _to_float64(gradient.reshape(len(part), -1))

    def _tensor(self, part: NDArray[Any]) -> torch.Tensor:
        """Return points (n, d) as a tensor (n, *input_shape) on the module's device, a copy of its own."""
        return torch.tensor(part, device=self._device).reshape(len(part), *self.input_shape)

    def as_points(self, points: Points) -> NDArray[Any]:
        """Return points, shape (n, d) or (n, *input_shape), as a matrix (n, d) in the victim's precision.

        Raises:
            ValueError: the points have another shape.
        """
        matrix = as_matrix(points, self.input_size, self.input_shape)
        return matrix.astype(np.float32 if self.dtype == torch.float32 else np.float64, copy=False)

    def some_inputs(self) -> Array:
        """Return a few inputs, shape (n, d), as float64: the data's where known, else normal ones."""
        return self._probe().astype(np.float64)

    def _probe(self) -> NDArray[Any]:
        """A few fixed inputs of moderate size, or the first ones of the data."""
        if self._inputs is not None:
            return self.as_points(self._inputs)
        points = np.random.default_rng(0).standard_normal((16, self.input_size))
        return self.as_points(points)

    def _check_outputs(self, probe: NDArray[Any], guessed: bool) -> Array:
        """Run the probe and return its outputs, shape (16, K)."""
        hint = "; pass input_shape=, the shape of one input" if guessed else ""
        shape = f"({', '.join(str(size) for size in ('n', *self.input_shape))})"
        try:
            with evaluating(self.module), torch.inference_mode(False), torch.no_grad():
                outputs = self.module(self._tensor(probe))
        except DivulgeError:
            raise
        except Exception as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            failed = f"the module fails on inputs of shape {shape}: {reason[0]}{hint}"
            raise UnsupportedModel(failed) from error
        if not isinstance(outputs, torch.Tensor) and (found := logits_in(outputs)) is not None:
            self.module, outputs = Logits(self.module), found
        if not isinstance(outputs, torch.Tensor):
            raise UnsupportedModel(
                "expected a tensor of shape (n, K), or an answer that holds logits, from the module, got "
                f"{type(outputs).__name__}"
            )
        if outputs.ndim != 2 or len(outputs) != len(probe) or outputs.shape[1] == 0:
            got = f"{tuple(outputs.shape)} for n = {len(probe)} inputs of shape {shape}"
            raise UnsupportedModel(f"expected outputs of shape (n, K), got {got}")
        return _to_float64(outputs)

    def _lower(self, probe: NDArray[Any], outputs: Array) -> DenseLayers | None:
        """Return the module's layers if they give the outputs that the module gave."""
        with evaluating(self.module):
            layers = lower(self.module, self.input_shape, self.dtype)
        if layers is None or not np.isfinite(outputs).all():
            return None
        h = probe.astype(np.float64)
        with np.errstate(all="ignore"):  # huge weights overflow here as they do in the module
            for i, (weight, bias) in enumerate(zip(layers.weights, layers.biases, strict=True)):
                h = (np.maximum(h, 0) if i else h) @ weight.T.astype(np.float64) + bias
            agrees = np.abs(h - outputs).max() <= _TOLERANCE[self.dtype] * max(np.abs(outputs).max(), 1e-30)
        return layers if agrees else None


def _evaluating(module: nn.Module, input_shape: Sequence[int]) -> tuple[nn.Module, Sequence[int]]:
    """Put a module that was read into evaluation mode; an exported one has its mode fixed and says so."""
    try:
        return module.eval(), input_shape
    except NotImplementedError:
        return module, input_shape


def _batches(matrix: NDArray[Any]) -> list[NDArray[Any]]:
    """Split points into parts that keep the memory of a forward pass bounded."""
    return [matrix[i : i + _BATCH] for i in range(0, len(matrix), _BATCH)]


def _to_float64(tensor: torch.Tensor) -> Array:
    """Return a tensor as a float64 array."""
    return tensor.detach().cpu().to(torch.float64).numpy()


def _existing(path: str | Path) -> Path:
    """Return a path to a file that exists, or raise FileNotFoundError."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    return Path(path)
