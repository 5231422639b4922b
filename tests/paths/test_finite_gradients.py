"""No gradient is NaN: objects that are missed, points on an object's axis or in its center, lines through these."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from osimopt.paths.description import WrapKind
from osimopt.paths.wraps import SIZES, WRAPS

#: m; the torus is within a tube of 0.1 m around a circle of 0.4 m.
SIZE = {
    "cylinder": (0.3, 2.0), "sphere": (0.3,), "ellipsoid": (0.3, 0.4, 0.5), "torus": (0.1, 0.4)
}  # fmt: skip
#: Pairs of points: far off on one side; through the center along x, y, z; the same point twice; from the center; along
#: the surface; from one point in the mirror plane to another.
STARTS = ((1, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1.5), (1, 0.2, 0), (0, 0, 0), (0.3, -1, 0), (1, 0, 0.1))
ENDS = ((1, 1, 2), (-1, 0, 0), (0, -1, 0), (0, 0, -1.5), (1, 0.2, 0), (1, 0, 0), (0.3, 1, 0), (-1, 0, 0.1))


@pytest.mark.parametrize("kind", SIZE)
@pytest.mark.parametrize(("sign", "alone"), [(-1, False), (1, False), (0, False), (0, True)])
def test_gradients_are_finite(kind: WrapKind, sign: int, alone: bool) -> None:
    """Of the length of the path, or of the straight line where it does not touch; pair by pair, and all at once."""
    for pairs in [[one] for one in range(len(STARTS))] if alone else [list(range(len(STARTS)))]:
        start, end = (
            torch.tensor(np.array(side, dtype=float)[pairs].T.copy(), requires_grad=True) for side in (STARTS, ENDS)
        )
        size = torch.tensor(np.tile(np.array(SIZE[kind])[:, None], len(pairs)), requires_grad=True)
        axis, signs = torch.zeros(len(pairs), dtype=torch.int64), torch.full((len(pairs),), sign)
        found = WRAPS[kind](start, end, size[: SIZES[kind]], axis, signs)
        reached = torch.isfinite(found.arc)  # of an ellipsoid without a geodesic: NaN, a path that is not found
        parts = [torch.where(found.on & reached, part, 0.0) for part in (found.first, found.last, found.arc)]
        total = sum(part.sum() for part in parts)
        grads = torch.autograd.grad(total, (start, end, size), allow_unused=True)
        for leaf, grad in zip(("start", "end", "size"), grads, strict=True):
            where = None if grad is None else torch.isnan(grad).any(0).nonzero().ravel().tolist()
            assert not where, (leaf, pairs, where)
