"""Geodesics of ellipsoids and their neighbours, many at once.

The unit normal ξ along a geodesic of Σ x²/a² = 1 moves as a point on the unit sphere under the potential ½ Σ ξ²/a²
(Knörrer 1982, doi:10.1515/crll.1982.334.69) in a time τ whose rate is dτ/ds = √C/h, with h = Σ x²/a⁴ and Joachimsthal's
constant C = h Σ t²/a². Its acceleration (2 Σ ξ²/a² - 2E) ξ - ξ/a², E its energy, is a polynomial of ξ alone, so that a
few steps serve long thin ellipsoids as well. The distance j to a neighbouring geodesic follows d²j/ds² = -K j with the
Gaussian curvature K = 1/(a₁ a₂ a₃ h)². Steps are Störmer's, extrapolated in the square of their size.
"""

from __future__ import annotations

from typing import NamedTuple

from ..namespace import namespace
from .contact import Array
from .extrapolation import LANES, State, extrapolate
from .vectors import dot, norm

#: The phase max(1/a) τ that one extrapolation serves, to 1e-10 radii.
PHASE = 0.85


class Geodesic(NamedTuple):
    """The end of a geodesic: point and unit direction (3, n), length (n,) m.

    ``neighbor`` and ``opening`` (n,) are the distance to a neighbouring geodesic and its rate along the length,
    ``rate`` (n,) is ds/dτ in m per unit of τ, ``drift`` (n,) by how much the square of the normal is not 1.
    """

    point: Array
    direction: Array
    length: Array
    neighbor: Array
    opening: Array
    rate: Array
    drift: Array


class Field(NamedTuple):
    """What is constant along geodesics: a², 1/a² (3, 1, n); 2E, 1/√C and (a₁ a₂ a₃)⁻² / √C (1, n)."""

    square: Array
    inverse: Array
    energy: Array
    slow: Array
    gauss: Array


def shoot(
    point: Array,
    direction: Array,
    size: Array,
    duration: Array,
    opening: Array,
    pieces: int,
    lanes: int = LANES,
) -> Geodesic:
    """Follow geodesics from points on the surface (3, n) along unit directions (3, n) for a duration (n,) each.

    The neighbour is at the distance ``opening`` (n,) at first, and recedes by 1 m per m.
    """
    xp = namespace(point)
    square = size * size
    inverse = 1 / square
    normal = point * inverse
    h = dot(normal, normal)
    xi, bent = normal / xp.sqrt(h), direction * inverse
    root = xp.sqrt(h * dot(direction, bent))  # √C
    eta = (xp.sqrt(h) / root) * (bent - xi * dot(xi, bent))  # dξ/dτ
    energy = dot(eta, eta) + dot(xi * xi, inverse)
    constants = (square, inverse, energy, 1 / root, 1 / (square[0] * square[1] * square[2] * root))
    field = Field(*(one[..., None, :] for one in constants))
    state = (xi, eta, opening, xp.ones_like(duration), xp.zeros_like(duration))

    def stage(state: State, before: Array, after: Array) -> State:
        xi, eta, neighbor, receding, length = state
        squares, kick = xi * xi, before + after
        q = dot(field.square, squares)
        rate = field.slow / q
        neighbor = neighbor + before * rate * receding
        eta = eta + kick * (2 * dot(field.inverse, squares) - field.energy - field.inverse) * xi
        receding = receding - kick * field.gauss * q * neighbor
        return xi + 2 * after * eta, eta, neighbor + after * rate * receding, receding, length + kick * rate

    xi, eta, neighbor, receding, length = extrapolate(stage, state, duration, pieces, lanes)
    flat = square * xi
    q = dot(flat, xi)
    along = square * eta - flat * (dot(flat, eta) / q)
    along = along / norm(along)
    drift = xp.abs(dot(xi, xi) - 1)
    return Geodesic(flat / xp.sqrt(q), along, length, neighbor, receding, 1 / (root * q), drift)
