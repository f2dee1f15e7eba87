"""The linear head: multinomial logistic regression, its penalty chosen by cross-validation.

Features are centred, divided by a scale and rotated into the principal axes of the training part, where every
direction has its own curvature and few steps are needed. A rotation leaves an L2 penalty as it is, so the solution is
that of the original problem; with fewer examples than dimensions the axes are as few as the examples, and the problem
becomes that small. Each fold walks along the path of penalties from the strongest to the weakest, every solution
starting from the one before.

The scale is one for all features, or one for each, as is usual: whichever has the lower log loss on the folds. A
network that has learned how much each of its features counts is best left so; one whose features are of all sizes is
not.

The objective is that of scikit-learn's ``LogisticRegression`` on the centred and scaled features, ``C = 1 / penalty``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug import progress
from tlplug.heads.softmax import each_by, softmax
from tlplug.specs import HeadFit

Matrix = NDArray[Any]

PENALTIES = tuple(float(f"{10**exponent:.3g}") for exponent in np.arange(3.0, -1.6, -0.5))
"""The path, from the strongest to the weakest."""

DEFAULT_PENALTY = 1.0
"""Where no class has enough examples for folds."""

PATIENCE = 2
"""Steps along the path without a lower log loss after which weaker penalties are not tried."""

COMMON, EACH = SCALES = ("common", "each")
"""One scale for all features, their root mean variance, or one for each of them."""

_BLOCK = 2048
_SMALLEST_SCALE = 1e-3
_STEPS = 1000
_SELECTION_VARIANCE = 0.995
_SELECTION_TOLERANCE = 3e-3
_FINAL_TOLERANCE = 1e-5


def fit(
    features: Matrix,
    labels: NDArray[np.int64],
    *,
    outputs: int,
    folds: NDArray[np.int64],
    sample_weight: NDArray[np.float64],
    seed: int,  # noqa: ARG001 - the solution does not depend on one
    penalty: float | None = None,
    scale: str | None = None,
) -> HeadFit:
    """Fit the head.

    Args:
        features: float32 ``[n, size]``.
        labels: int64 ``[n]``.
        outputs: number of classes.
        folds: int64 ``[n]``, the fold in which each example is held out; -1 for never.
        sample_weight: float64 ``[n]``.
        seed: unused.
        penalty: L2 penalty on the scaled features; chosen on the folds when None.
        scale: ``common`` or ``each``; chosen on the folds when None, without them ``common``.

    Returns:
        Arrays ``kernel`` float32 ``[size, outputs]`` and ``bias`` float32 ``[outputs]``, which take features as they
        are; accuracy and log loss at the penalty on the folds, where the features are reduced to the axes that hold
        99.5% of their variance; the penalty and the scale.
    """
    path = PENALTIES if penalty is None else (penalty,)
    scales = (scale,) if scale else (EACH, COMMON) if folds.max(initial=-1) >= 0 else (COMMON,)
    found: dict[tuple[str, float], dict[str, float]] = {}
    with _one_thread():
        for tried in scales:  # one problem at a time: each is as large as the features
            scores = _cross_validate(_Problem.of(features, labels, outputs, sample_weight, tried), folds, path)
            found |= {(tried, value): score for value, score in scores.items()}
        chosen, best = min(found, key=lambda pair: found[pair]["log_loss"]) if found else (scales[-1], None)
        best = best or penalty or DEFAULT_PENALTY
        problem = _Problem.of(features, labels, outputs, sample_weight, chosen)
        weights = problem.solve(best, None, _FINAL_TOLERANCE)
    kernel, bias = problem.fold_back(weights)
    return HeadFit(
        arrays={"kernel": kernel, "bias": bias},
        cross_validation=found.get((chosen, best), {}),
        chosen={"penalty": best, "scale": chosen},
    )


def apply(arrays: Mapping[str, Matrix], features: Matrix) -> NDArray[np.float32]:
    """Return class probabilities, float32 ``[n, outputs]``."""
    return softmax(each_by(features, arrays["kernel"]) + arrays["bias"]).astype(np.float32)


def to_keras(arrays: Mapping[str, Matrix]) -> Any:
    """Return one Dense layer with softmax that equals `apply`."""
    import keras

    size, outputs = arrays["kernel"].shape
    model = keras.Sequential([keras.Input((size,)), keras.layers.Dense(outputs, activation="softmax")])
    model.set_weights([arrays["kernel"], arrays["bias"]])
    return model


def from_keras(model: Any) -> dict[str, Matrix]:
    """Return the arrays of a Dense layer that `to_keras` made and that was tuned."""
    kernel, bias = model.get_weights()
    return {"kernel": kernel, "bias": bias}


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Narrow matrices are multiplied faster by one thread than by several that wait for each other."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield


@dataclass(frozen=True)
class _Problem:
    """The scaled features in the basis in which the weights are sought."""

    coordinates: Matrix  # [n, rank]
    axes: Matrix  # [size, rank], orthonormal
    scale: Matrix  # [rank], root mean square of each coordinate
    mean: Matrix
    deviation: Matrix  # [size] or [1]
    labels: NDArray[np.int64]
    outputs: int
    sample_weight: Matrix

    @classmethod
    def of(
        cls, features: Matrix, labels: NDArray[np.int64], outputs: int, sample_weight: Matrix, scale: str = COMMON
    ) -> _Problem:
        count, size = features.shape
        mean = features.mean(axis=0, dtype=np.float64)
        deviation = _deviation(features, scale)
        if count <= size:
            scaled = (features - mean) / deviation
            values, vectors = np.linalg.eigh(scaled @ scaled.T)
            kept = values > values[-1] * 1e-10
            roots = np.sqrt(values[kept])
            axes = scaled.T @ (vectors[:, kept] / roots)
            coordinates = vectors[:, kept] * roots
        else:
            shift, factor = mean.astype(np.float32), deviation.astype(np.float32)
            blocks = [slice(start, start + _BLOCK) for start in range(0, count, _BLOCK)]
            covariance = np.zeros((size, size), np.float32)
            for block in blocks:
                scaled = (features[block] - shift) / factor
                covariance += scaled.T @ scaled
            values, vectors = np.linalg.eigh(covariance)
            axes = vectors[:, values > values[-1] * 1e-6]
            coordinates = np.empty((count, axes.shape[1]), np.float32)
            for block in blocks:
                coordinates[block] = ((features[block] - shift) / factor) @ axes
        spread = np.sqrt(np.einsum("ij,ij->j", coordinates, coordinates) / count)
        return cls(coordinates, axes, spread, mean, deviation, labels, outputs, sample_weight.astype(coordinates.dtype))

    def principal(self, share: float) -> _Problem:
        """The problem in the leading axes that have a share of the variance; its weights cannot be folded back."""
        if not len(self.scale):  # all examples are the same
            return self
        explained = np.cumsum(self.scale[::-1] ** 2)
        rank = int(np.searchsorted(explained, share * explained[-1])) + 1
        return replace(self, coordinates=self.coordinates[:, -rank:], scale=self.scale[-rank:])

    def without(self, rows: NDArray[np.int64]) -> _Problem:
        """The problem with some rows left out: really, or by weight where a copy would be large."""
        if len(self.labels) > _BLOCK:
            weight = self.sample_weight.copy()
            weight[rows] = 0
            return replace(self, sample_weight=weight)
        others = np.setdiff1d(np.arange(len(self.labels)), rows, assume_unique=True)
        return replace(
            self,
            coordinates=self.coordinates[others],
            labels=self.labels[others],
            sample_weight=self.sample_weight[others],
        )

    def solve(self, penalty: float, start: Matrix | None, tolerance: float) -> Matrix:
        """Minimise the penalised log loss; weights ``[rank + 1, outputs]``, of which the last row is the bias."""
        from scipy.optimize import minimize

        x, labels, weight = self.coordinates, self.labels, self.sample_weight
        rank, outputs = x.shape[1], self.outputs
        total = float(weight.sum())
        # In these variables every direction has about the same curvature, and L-BFGS needs few steps.
        curvature = np.append(self.scale.astype(np.float64) ** 2 / outputs + penalty / total, 1 / outputs)
        step = (1 / np.sqrt(curvature))[:, None]
        rows = np.arange(len(labels))

        def objective(flat: Matrix) -> tuple[float, Matrix]:
            solution = flat.reshape(rank + 1, outputs) * step
            kernel, bias = solution[:-1].astype(x.dtype), solution[-1].astype(x.dtype)
            scores = x @ kernel
            scores += bias
            scores -= scores.max(axis=1, keepdims=True)
            chosen = scores[rows, labels]
            np.exp(scores, out=scores)
            sums = scores.sum(axis=1)
            loss = float(weight @ (np.log(sums) - chosen)) + 0.5 * penalty * float(
                np.vdot(solution[:-1], solution[:-1])
            )
            scores /= sums[:, None]
            scores[rows, labels] -= 1
            scores *= weight[:, None]
            gradient = np.empty((rank + 1, outputs))
            gradient[:-1] = x.T @ scores
            gradient[:-1] += penalty * solution[:-1]
            gradient[-1] = scores.sum(axis=0)
            return loss / total, (gradient * step / total).ravel()

        initial = np.zeros((rank + 1, outputs)) if start is None else start / step
        # With weak penalties loss and curvature both become small, so what counts as no slope follows the loss.
        slope = tolerance * objective(initial.ravel())[0]
        found = minimize(
            objective,
            initial.ravel(),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": _STEPS, "ftol": slope**2, "gtol": slope, "maxcor": 20},
        )
        if found.nit >= _STEPS:
            progress.note(f"The linear head has not converged in {_STEPS} steps at the penalty {penalty:g}.")
        return np.asarray(found.x.reshape(rank + 1, outputs) * step)

    def fold_back(self, weights: Matrix) -> tuple[Matrix, Matrix]:
        """Return kernel and bias for features as they are, from weights in this basis."""
        kernel = self.axes @ weights[:-1] / self.deviation[:, None]
        bias = weights[-1] - self.mean @ kernel
        return kernel.astype(np.float32), (bias - bias.mean()).astype(np.float32)


def _deviation(features: Matrix, scale: str) -> Matrix:
    """What features are divided by, float64 ``[1]`` or ``[size]``; those that hardly vary count as little as before."""
    variances = features.var(axis=0, dtype=np.float64)
    if scale == COMMON:
        return np.array([np.sqrt(variances.mean()) or 1.0])
    deviations = np.sqrt(variances)
    return np.maximum(deviations, _SMALLEST_SCALE * deviations.max(initial=0)) if deviations.any() else np.ones(1)


def _cross_validate(
    problem: _Problem, folds: NDArray[np.int64], path: tuple[float, ...]
) -> dict[float, dict[str, float]]:
    """Return accuracy and log loss on the held-out folds for each penalty tried; empty without folds."""
    held_out = [np.flatnonzero(folds == fold) for fold in range(int(folds.max(initial=-1)) + 1)]
    held_out = [rows for rows in held_out if len(rows)]
    starts: list[Matrix | None] = [None] * len(held_out)
    scores: dict[float, dict[str, float]] = {}
    if not held_out:
        return scores
    problem = problem.principal(_SELECTION_VARIANCE)
    problems = [problem.without(rows) for rows in held_out]
    total = sum(float(problem.sample_weight[rows].sum()) for rows in held_out)
    counted = sum(len(rows) for rows in held_out)
    for penalty in path:
        loss = correct = 0.0
        for number, rows in enumerate(held_out):
            weights = problems[number].solve(penalty, starts[number], _SELECTION_TOLERANCE)
            starts[number] = weights
            probabilities = softmax(problem.coordinates[rows] @ weights[:-1] + weights[-1])
            truth = probabilities[np.arange(len(rows)), problem.labels[rows]]
            loss -= float(problem.sample_weight[rows] @ np.log(np.maximum(truth, 1e-12)))
            correct += float(np.sum(probabilities.argmax(axis=1) == problem.labels[rows]))
        scores[penalty] = {"accuracy": correct / counted, "log_loss": loss / total}
        losses = [score["log_loss"] for score in scores.values()]
        if len(losses) - 1 - int(np.argmin(losses)) >= PATIENCE:
            break
    return scores
