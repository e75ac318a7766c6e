"""The surrogates of `bo`: scikit-optimize's Gaussian process and forests, and scikit-learn's boosted quantiles.

scikit-optimize's own boosted surrogate fails with current scikit-learn, so its three quantiles are fitted here.
"""

from __future__ import annotations

import warnings
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Hyperparameter, Kernel, Matern
from skopt.learning import ExtraTreesRegressor, GaussianProcessRegressor, RandomForestRegressor
from skopt.learning.gaussian_process.kernels import HammingKernel

from archgym.space import Designs, Space

Floats = NDArray[np.float64]


class Model(Protocol):
    """Predicts the cost of designs, shape (B, D), from those told."""

    def fit(self, designs: Designs, costs: Floats, search: bool) -> None:
        """Learn; ``search`` asks for new hyperparameters too, where the model has any."""
        ...

    def predict(self, designs: Designs) -> tuple[Floats, Floats]:
        """Mean and deviation, shape (B,) each."""
        ...


class Columns(Kernel):  # type: ignore[misc]
    """Another kernel that sees some columns only."""

    def __init__(self, kernel: Any, columns: tuple[int, ...]) -> None:
        self.kernel, self.columns = kernel, columns

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {"kernel": self.kernel, "columns": self.columns}

    @property
    def hyperparameters(self) -> list[Hyperparameter]:
        return [
            Hyperparameter(f"kernel__{h.name}", h.value_type, h.bounds, h.n_elements)
            for h in self.kernel.hyperparameters
        ]

    @property
    def theta(self) -> Floats:
        theta: Floats = self.kernel.theta
        return theta

    @theta.setter
    def theta(self, theta: Floats) -> None:
        self.kernel.theta = theta

    @property
    def bounds(self) -> Floats:
        bounds: Floats = self.kernel.bounds
        return bounds

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Columns) and (self.kernel, self.columns) == (other.kernel, other.columns)

    def __call__(self, X: Floats, Y: Floats | None = None, eval_gradient: bool = False) -> Any:
        seen = list(self.columns)
        return self.kernel(X[:, seen], None if Y is None else Y[:, seen], eval_gradient)

    def diag(self, X: Floats) -> Floats:
        diagonal: Floats = self.kernel.diag(X[:, list(self.columns)])
        return diagonal

    def is_stationary(self) -> bool:
        return bool(self.kernel.is_stationary())


class Process:
    """A Gaussian process: Matérn 5/2 along ordered parameters, times a Hamming kernel over unordered ones.

    Hyperparameters are searched on at most ``fit_points`` designs, the last ones given.
    """

    def __init__(self, space: Space, seed: int, fit_points: int) -> None:
        self._space, self._seed, self._fit_points = space, seed, fit_points
        free = np.flatnonzero(space.sizes > 1)
        ordered, unordered = free[space.ordered[free]], free[~space.ordered[free]]
        kernel: Any = ConstantKernel(1.0, (0.05, 20.0))
        if len(ordered):
            rough = Matern(np.full(len(ordered), 1.0), (0.05, 20.0), nu=2.5)
            kernel = kernel * Columns(rough, tuple(map(int, ordered)))
        if len(unordered):
            overlap = HammingKernel(np.full(len(unordered), 1.0 / len(unordered)), (1e-3, 5.0))
            kernel = kernel * Columns(overlap, tuple(map(int, unordered)))
        self._kernel = kernel
        self._regressor: Any = None

    def _encode(self, designs: Designs) -> Floats:
        """Ordered parameters in [0, 1]; unordered ones as level numbers, which the kernel compares for equality."""
        span = np.where(self._space.ordered, np.maximum(self._space.sizes - 1, 1), 1)
        encoded: Floats = designs / span
        return encoded

    def fit(self, designs: Designs, costs: Floats, search: bool) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about bounds that were reached
            if search:
                part = slice(max(0, len(designs) - self._fit_points), None)
                searched = self._made("fmin_l_bfgs_b").fit(self._encode(designs[part]), costs[part])
                self._kernel, self._noise = searched.kernel_, searched.noise_
            self._regressor = self._made(None).fit(self._encode(designs), costs)

    def _made(self, optimizer: str | None) -> Any:
        return GaussianProcessRegressor(
            kernel=self._kernel, noise=1e-4, alpha=1e-6, optimizer=optimizer, random_state=self._seed
        )

    def predict(self, designs: Designs) -> tuple[Floats, Floats]:
        """As the regressor's own ``predict``, whose product of three matrices takes most of a second for a batch."""
        known, points = self._regressor, self._encode(designs)
        towards = known.kernel_(points, known.X_train_)
        means = known.y_train_std_ * (towards @ known.alpha_) + known.y_train_mean_
        variances = known.kernel_.diag(points) - ((towards @ known.K_inv_) * towards).sum(axis=1)
        return means, np.maximum(known.y_train_std_ * np.sqrt(np.maximum(variances, 0.0)), 1e-9)


class Trees:
    """A random forest or extremely randomised trees; unordered parameters are one-hot."""

    def __init__(self, space: Space, seed: int, kind: str, trees: int) -> None:
        self._encode = Encoder(space)
        make = RandomForestRegressor if kind == "rf" else ExtraTreesRegressor
        self._regressor: Any = make(n_estimators=trees, min_samples_leaf=2, min_variance=1e-4, random_state=seed)

    def fit(self, designs: Designs, costs: Floats, search: bool) -> None:
        self._regressor.fit(self._encode(designs), costs)

    def predict(self, designs: Designs) -> tuple[Floats, Floats]:
        means, deviations = self._regressor.predict(self._encode(designs), return_std=True)
        return means, np.maximum(deviations, 1e-9)


class Boosted:
    """Gradient-boosted quantiles: the median, and half the distance of the 16 % and 84 % quantiles as the deviation."""

    def __init__(self, space: Space, seed: int, trees: int) -> None:
        self._encode = Encoder(space)
        self._regressors = [
            GradientBoostingRegressor(
                loss="quantile", alpha=alpha, n_estimators=trees, max_depth=4, subsample=0.8, random_state=seed
            )
            for alpha in (0.16, 0.5, 0.84)
        ]

    def fit(self, designs: Designs, costs: Floats, search: bool) -> None:
        encoded = self._encode(designs)
        for regressor in self._regressors:
            regressor.fit(encoded, costs)

    def predict(self, designs: Designs) -> tuple[Floats, Floats]:
        encoded = self._encode(designs)
        low, middle, high = (regressor.predict(encoded) for regressor in self._regressors)
        return middle, np.maximum(0.5 * (high - low), 1e-3)


class Encoder:
    """Ordered parameters as level numbers, unordered ones one-hot, shape (B, E)."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._kinds = [column for column, ordered in enumerate(space.ordered) if not ordered]

    def __call__(self, designs: Designs) -> Floats:
        blocks = [designs[:, self._space.ordered].astype(np.float64)]
        blocks += [np.eye(int(self._space.sizes[column]))[designs[:, column]] for column in self._kinds]
        return np.concatenate(blocks, axis=1)


def make_model(name: str, space: Space, seed: int, trees: int, fit_points: int) -> Model:
    """The surrogate called ``gp``, ``rf``, ``et`` or ``gbrt``."""
    if name == "gp":
        return Process(space, seed, fit_points)
    if name == "gbrt":
        return Boosted(space, seed, trees)
    return Trees(space, seed, name, trees)
