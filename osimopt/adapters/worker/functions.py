"""OpenSim's functions of one argument as polynomials in pieces, recovered from their values.

Each piece is interpolated at Chebyshev nodes, as many as its polynomial has coefficients: exact to rounding, whatever
OpenSim's derivatives of the function are. The pieces are then compared with other values of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import opensim

from ...multibody.description import Functions
from ...problem.arrays import Array
from .coordinates import evaluate

#: Largest difference of a piece from OpenSim's values, as a share of the largest of these.
EXACT = 1e-11
#: Width in rad or m of the first and the last piece in which they are interpolated, and to which they are compared.
NEAR, FAR = 1.0, 4.0
#: Places in a piece, as shares of its width, at which it is compared: no Chebyshev nodes, and no knots, where OpenSim
#: takes a PiecewiseConstantFunction from either side.
COMPARED = (0.003, 0.03, 0.27, 0.61, 0.97)
#: rad or m by which an argument may be beyond an end of its range by rounding.
ROUNDED = 1e-10


class NotDescribedError(Exception):
    """Something that the arrays cannot represent; the text says why."""


@dataclass(frozen=True, eq=False)
class PiecewisePolynomial:
    """One function: see ``Functions``; ``coefficients`` (K + 1, P)."""

    breaks: Array
    origin: Array
    coefficients: Array
    sine: tuple[float, float, float] = (0.0, 1.0, 0.0)

    def __call__(self, x: Array) -> Array:
        """Values (n,) at (n,)."""
        piece = np.searchsorted(self.breaks, x, side="right")
        from_origin = x - self.origin[piece]
        value = np.zeros(len(x))
        for column in reversed(range(self.coefficients.shape[1])):
            value = value * from_origin + self.coefficients[piece, column]
        amplitude, frequency, phase = self.sine
        return np.asarray(value + amplitude * np.sin(frequency * x + phase))


class Rows:
    """Functions that are collected, each once, and their rows."""

    def __init__(self) -> None:
        """Start without any."""
        self.pieces: list[PiecewisePolynomial] = []
        self._known: dict[bytes, int] = {}

    def add(self, function: Any, within: tuple[float, float] | None = None) -> int:
        """Row of an OpenSim function; ``within`` is the range to which its argument is clamped.

        Raises
        ------
        NotDescribedError
            It is of several arguments or of a class that is no polynomial in pieces.
        """
        pieces = describe_function(function)
        return self.append(pieces if within is None else _clamped(pieces, *within))

    def append(self, pieces: PiecewisePolynomial) -> int:
        """Row of a function in pieces; equal ones, to the last bit, have one row."""
        parts = (pieces.breaks, pieces.origin, pieces.coefficients, np.array(pieces.sine))
        key = b"|".join(part.tobytes() for part in parts)
        if key not in self._known:
            self._known[key] = len(self.pieces)
            self.pieces.append(pieces)
        return self._known[key]

    def arrays(self) -> Functions:
        """All functions, as arrays of one shape."""
        count = max((len(one.breaks) for one in self.pieces), default=0)
        width = max((one.coefficients.shape[1] for one in self.pieces), default=1)
        size = len(self.pieces)
        breaks, origin = np.full((size, count), np.inf), np.zeros((size, count + 1))
        coefficients = np.zeros((size, count + 1, width))
        for row, one in enumerate(self.pieces):
            used = len(one.breaks)
            breaks[row, :used], origin[row, : used + 1] = one.breaks, one.origin
            coefficients[row, : used + 1, : one.coefficients.shape[1]] = one.coefficients
        sine = np.array([one.sine for one in self.pieces]).reshape(-1, 3)
        return Functions(breaks, origin, coefficients, sine)


IDENTITY = PiecewisePolynomial(np.zeros(0), np.zeros(1), np.array([[0.0, 1.0]]))


def describe_function(function: Any) -> PiecewisePolynomial:
    """One OpenSim function in pieces, compared with its values."""
    try:
        return _compared(function, _pieces(function))
    except RuntimeError as error:
        raise NotDescribedError(f"OpenSim cannot evaluate its {function.getConcreteClassName()}") from error


def _compared(function: Any, found: PiecewisePolynomial) -> PiecewisePolynomial:
    """The pieces, if they are equal to rounding to the largest value in a piece, or between all knots."""
    edges = np.zeros(1) if not len(found.breaks) else found.breaks
    edges = np.concatenate([edges[:1] - FAR, edges, edges[-1:] + FAR])
    at = edges[:-1, None] + np.diff(edges)[:, None] * np.array(COMPARED)
    theirs = np.array([evaluate(function, one) for one in at.reshape(-1, 1)]).reshape(at.shape)
    off, size = np.abs(found(at.ravel()).reshape(at.shape) - theirs), np.abs(theirs).max(axis=1)
    between = size[1:-1].max(initial=size[[0, -1]].min())
    wrong = ~(off <= EXACT * np.maximum(np.maximum(size, between), EXACT)[:, None])
    if wrong.any():
        row = np.unravel_index(np.argmax(wrong), wrong.shape)
        got = f"{theirs[row]:.6g} at {at[row]:.6g}, its pieces {off[row]:.3g} off"
        raise NotDescribedError(f"its {function.getConcreteClassName()} is {got}")
    return found


def _pieces(function: Any) -> PiecewisePolynomial:
    """Pieces of a function, by its class."""
    kind = function.getConcreteClassName()
    own = getattr(opensim, kind).safeDownCast(function)
    if kind == "MultiplierFunction":
        inner, scale = _pieces(own.getFunction()), own.getScale()
        amplitude, frequency, phase = inner.sine
        return replace(inner, coefficients=scale * inner.coefficients, sine=(scale * amplitude, frequency, phase))
    if kind == "Constant":
        return polynomial([own.getValue()])
    if kind == "LinearFunction":
        numbers = own.getCoefficients()
        if numbers.getSize() != 2:
            raise NotDescribedError(f"its LinearFunction has {numbers.getSize() - 1} arguments")
        return polynomial([numbers.get(1), numbers.get(0)])
    if kind == "PolynomialFunction":
        return polynomial(own.getCoefficients().to_numpy()[::-1])
    if kind == "Sine":
        amplitude, frequency, phase, offset = (number(own, name) for name in ("amplitude", "omega", "phase", "offset"))
        return replace(polynomial([offset]), sine=(amplitude, frequency, phase))
    if kind not in SPLINES:
        raise NotDescribedError(f"its function is of class {kind}")
    knots, inside, outside = SPLINES[kind](own)
    return _interpolated(function, np.unique(knots), inside, outside)


def polynomial(coefficients: Any) -> PiecewisePolynomial:
    """One polynomial, the constant first."""
    return PiecewisePolynomial(np.zeros(0), np.zeros(1), np.array(coefficients, dtype=float)[None, :])


def number(thing: Any, name: str) -> float:
    """A property of a number that has no getter in Python."""
    return float(opensim.PropertyHelper.getValueDouble(thing.getPropertyByName(name)))


def _knots(own: Any) -> Array:
    return np.array([own.getX(i) for i in range(own.getNumberOfPoints())])


def _step(own: Any) -> tuple[Array, int, int]:
    return np.array([own.getStartTime(), own.getEndTime()]), 5, 0


#: By class: knots, degree of the pieces between them, and before and after them.
SPLINES: dict[str, Any] = {
    "SimmSpline": lambda own: (_knots(own), 3, 1),
    "GCVSpline": lambda own: (_knots(own), own.getDegree(), (own.getDegree() - 1) // 2),
    "PiecewiseLinearFunction": lambda own: (_knots(own), 1, 1),
    "PiecewiseConstantFunction": lambda own: (_knots(own), 0, 0),
    "StepFunction": _step,
}


def _interpolated(function: Any, knots: Array, inside: int, outside: int) -> PiecewisePolynomial:
    """Polynomials through values of a function at Chebyshev nodes, between knots and beyond them."""
    edges = np.concatenate([knots[:1] - NEAR, knots, knots[-1:] + NEAR])
    coefficients = np.zeros((len(knots) + 1, max(inside, outside) + 1))
    middle, half = 0.5 * (edges[1:] + edges[:-1]), 0.5 * np.diff(edges)
    for piece in range(len(knots) + 1):
        degree = inside if 0 < piece < len(knots) else outside
        nodes = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
        places = middle[piece] + half[piece] * nodes
        values = [evaluate(function, places[i : i + 1]) for i in range(degree + 1)]
        scaled = np.linalg.solve(np.vander(nodes, increasing=True), values)
        coefficients[piece, : degree + 1] = scaled / half[piece] ** np.arange(degree + 1)
    return PiecewisePolynomial(knots, middle, coefficients)


def _clamped(pieces: PiecewisePolynomial, low: float, high: float) -> PiecewisePolynomial:
    """The same function of its argument clamped to a range: constant outside of it.

    At an end of the range, give or take rounding, the slope is that inside, as in OpenSim.
    """
    if low == high:
        return polynomial(pieces(np.array([low])))
    if pieces.sine[0] != 0.0:
        raise NotDescribedError("its Sine is of a coordinate that OpenSim clamps to its range")
    if not low < high:
        raise NotDescribedError("the range of its coordinate is empty")
    ends = pieces(np.array([low, high]))
    inner = (pieces.breaks > low) & (pieces.breaks < high)
    first, last = np.searchsorted(pieces.breaks, [low, high], side="left")
    first += int(np.isin(low, pieces.breaks))
    kept = slice(int(first), int(last) + 1)
    constants = np.zeros((2, pieces.coefficients.shape[1]))
    constants[:, 0] = ends
    return PiecewisePolynomial(
        np.concatenate([[low - ROUNDED], pieces.breaks[inner], [high + ROUNDED]]),
        np.concatenate([[low], pieces.origin[kept], [high]]),
        np.concatenate([constants[:1], pieces.coefficients[kept], constants[1:]]),
    )
