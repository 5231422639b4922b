"""Non-negative matrix factorisation from several starts, and the variance that it accounts for."""

from __future__ import annotations

import warnings

import numpy as np

from ..problem.arrays import Array

#: Random starts of a factorisation beside the one from the singular value decomposition; the best of all is kept.
STARTS = 8
#: Where a factorisation ends: relative change of its error, and steps.
TOLERANCE, STEPS = 1e-5, 3000


def factorised(E: Array, count: int) -> tuple[Array, Array]:
    """H (T, n) and W (n, M) ≥ 0 of least ‖E − H W‖ among those of several starts."""
    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    if not E.any():
        return np.zeros((len(E), count)), np.zeros((count, E.shape[1]))
    best, least = None, np.inf
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # what is left after STEPS counts as it is
        for seed in range(-1, STARTS):
            start = {"init": "nndsvda"} if seed < 0 else {"init": "random", "random_state": seed}
            way = NMF(count, tol=TOLERANCE, max_iter=STEPS, **({"random_state": 0} | start))
            H = way.fit_transform(E)
            error = float(np.linalg.norm(E - H @ way.components_))
            if error < least * (1.0 - 1e-9):
                best, least = (H, way.components_), error
    if best is None:
        raise ArithmeticError("no factorisation has a finite error")
    return best


def accounted(E: Array, H: Array, W: Array) -> tuple[float, Array]:
    """Variance accounted for of all muscles, and (M,) of each; NaN without any."""
    missed, whole = ((E - H @ W) ** 2).sum(axis=0), (E**2).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        each = np.where(whole > 0.0, 1.0 - missed / whole, np.nan)
    return float(1.0 - missed.sum() / whole.sum()) if whole.any() else float("nan"), each
