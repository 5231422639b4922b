"""Noise on scaled inputs, never on what is asked: Gaussian, and salt and pepper."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from osimopt.errors import InputError, explain

Array = NDArray[np.float64]
Kind = Literal["none", "gaussian", "salt-and-pepper"]

#: The paper's: standard deviation on the scale [0, 1], and share of the values that become 0 or 1.
GAUSSIAN, SALT_AND_PEPPER = 0.05, 0.1


def add_noise(inputs: Array, kind: Kind, seed: int) -> Array:
    """Inputs (N, T, C) scaled to [0, 1] with noise; the same seed gives the same noise.

    Raises
    ------
    InputError
        Another kind.
    """
    if kind not in get_args(Kind):
        raise InputError(explain(f"noise among {', '.join(get_args(Kind))}", repr(kind), "Choose one of them."))
    random = np.random.default_rng(seed)
    if kind == "gaussian":
        return np.asarray(inputs + GAUSSIAN * random.standard_normal(inputs.shape))
    if kind == "salt-and-pepper":
        hit = random.random(inputs.shape) < SALT_AND_PEPPER
        return np.where(hit, (random.random(inputs.shape) < 0.5).astype(float), inputs)
    return inputs
