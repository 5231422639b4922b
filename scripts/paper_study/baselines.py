"""What anybody gets without a network: the mean, the last value, the last slope, and a ridge regression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .windows import Windows

Array = NDArray[np.float64]
#: Predicts scaled targets (N, K) of windows.
Baseline = Callable[[Windows], Array]

BASELINES = ("mean", "persistence", "linear extrapolation", "ridge")
#: Penalties of the ridge that are tried on the validation windows, as shares of the mean square of the features.
PENALTIES = np.logspace(-8, 1, 10)


def baselines(
    training: Windows, validation: Windows, inputs: Callable[[Windows], Array], targets: Callable[[Windows], Array]
) -> dict[str, Baseline]:
    """Fit them on training windows: ``inputs`` and ``targets`` scale windows to (N, T, C) and (N, K).

    Persistence says what the target was last, and extrapolation goes on along the last two: both see the targets' own
    past (``Windows.recent``), which the networks see where it is among their inputs only.
    """
    middle = targets(training).mean(axis=0)

    def recent(windows: Windows, place: int) -> Array:
        loads = len(windows.loads)
        values = windows.recent[:, place]
        return targets(_with_target(windows, values[:, :loads], values[:, loads:]))

    def extrapolated(windows: Windows) -> Array:
        last, before = recent(windows, 1), recent(windows, 0)
        return last + (last - before) * ((windows.ahead or windows.step) / windows.step)

    weights = _ridge(_features(inputs(training)), targets(training), _features(inputs(validation)), targets(validation))
    return {
        "mean": lambda windows: np.broadcast_to(middle, (len(windows), len(middle))).copy(),
        "persistence": lambda windows: recent(windows, 1),
        "linear extrapolation": extrapolated,
        "ridge": lambda windows: _features(inputs(windows)) @ weights,
    }


def _with_target(windows: Windows, load: Array, displacement: Array) -> Windows:
    return replace(windows, load=load, displacement=displacement)


def _features(inputs: Array) -> Array:
    flat = inputs.reshape(len(inputs), -1)
    return np.hstack([flat, np.ones((len(flat), 1))])


def _ridge(x: Array, y: Array, x_held: Array, y_held: Array) -> Array:
    """Weights (F, K) of the penalty with the least error on held-out rows."""
    gram, right = x.T @ x, x.T @ y
    unit = np.eye(len(gram)) * np.trace(gram) / len(gram)
    tried = [np.linalg.solve(gram + penalty * unit, right) for penalty in PENALTIES]
    return min(tried, key=lambda weights: float(np.mean((x_held @ weights - y_held) ** 2)))
