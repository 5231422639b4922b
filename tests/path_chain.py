"""An independent judge of paths over surfaces: a chain of points on the surface is made as short as it can be.

It knows nothing of geodesics and tangents' directions: Newton's method finds the minimum of the chain's length, whose
derivatives are automatic. Chains of several numbers of links are extrapolated to infinitely many.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]
LINKS = (8, 16, 32)


def shortest_on_ellipsoid(start: Array, end: Array, size: Array, guess: Array) -> float:
    """The least length, in m, near that of a chain whose middle is at ``guess`` (3,), in points divided by the radii.

    The first point of the chain is one that the start sees along a tangent, which is a circle on the unit sphere; the
    last one is seen from the end.
    """
    radii = torch.from_numpy(size)
    ends = [point / size for point in (start, end)]
    bases = [_circle(point, guess) for point in ends]
    contacts = [base[0] + base[1] for base in bases]
    circles = [[torch.from_numpy(one) for one in base] for base in bases]
    straight = [torch.from_numpy(point) for point in (start, end)]
    lengths = []
    for links in LINKS:
        points = torch.from_numpy(_arc(contacts[0], guess, contacts[1], links)[1:-1])
        sides = torch.linalg.svd(points[:, :, None])[0][:, :, 1:]
        lengths.append(_minimum(partial(_length, points, sides, circles, straight, radii), 2 + 2 * (links - 1)))
    return _extrapolated(lengths)


def _length(
    points: Tensor, sides: Tensor, circles: list[list[Tensor]], ends: list[Tensor], radii: Tensor, free: Tensor
) -> Tensor:
    """The length with the chain's points moved sideways, and its ends along their circles."""
    moved = points + torch.einsum("nij,nj->ni", sides, free[2:].reshape(-1, 2))
    inner = moved / moved.norm(dim=1, keepdim=True)
    outer = [
        base[0] + base[1] * torch.cos(angle) + base[2] * torch.sin(angle)
        for base, angle in zip(circles, free[:2], strict=True)
    ]
    chain = radii * torch.cat([outer[0][None], inner, outer[1][None]])
    # equal links, as those of the minimum are, have the length √(links · Σ link²)
    arc = ((len(points) + 1) * ((chain[1:] - chain[:-1]) ** 2).sum()).sqrt()
    return (chain[0] - ends[0]).norm() + arc + (chain[-1] - ends[1]).norm()


def _circle(point: Array, guess: Array) -> tuple[Array, Array, Array]:
    """Center of the circle on the unit sphere that a point sees along tangents, and two radii, one to the guess."""
    far = np.linalg.norm(point)
    up = point / far
    one = guess - up * (guess @ up)
    one *= np.sqrt(1 - 1 / far**2) / np.linalg.norm(one)
    return up / far, one, np.cross(up, one)


def _arc(first: Array, middle: Array, last: Array, links: int) -> Array:
    """Points along great circles over the middle."""
    share = np.linspace(0, 1, links + 1)[:, None]
    halves = [(1 - 2 * share) * first + 2 * share * middle, (2 - 2 * share) * middle + (2 * share - 1) * last]
    points = np.where(share < 0.5, *halves)
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def _minimum(length: Callable[[Tensor], Tensor], count: int) -> float:
    """By Newton's method with a trust region, from zeros."""
    free, value = torch.zeros(count, dtype=torch.float64), float("inf")
    damping = 0.0
    for _ in range(100):
        slope = torch.autograd.functional.jacobian(length, free)
        curvature = torch.autograd.functional.hessian(length, free, vectorize=True)
        value = float(length(free))
        least = float(torch.linalg.eigvalsh(curvature)[0])
        damping = max(damping, 1e-9 - 2 * min(least, 0.0))
        while True:
            step = -torch.linalg.solve(curvature + damping * torch.eye(count, dtype=torch.float64), slope)
            better = float(length(free + step))
            if better <= value + 1e-15 or damping > 1e6:
                break
            damping = max(4 * damping, 1e-3)
        free, damping = free + step, damping / 10 if damping > 1e-7 else 0.0
        if float(step.abs().max()) < 1e-8:
            return better
    raise AssertionError("the chain has not settled")


def _extrapolated(values: list[float]) -> float:
    """Richardson's extrapolation in the square of the links' length."""
    for order in range(1, len(values)):
        values = [two + (two - one) / (4**order - 1) for one, two in itertools.pairwise(values)]
    return values[0]
