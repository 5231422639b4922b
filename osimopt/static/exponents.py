"""Exponents of the unknowns in a cost Σ |y_i|^q_i / q_i: one for all, or p of the powers and 2 of some squares.

Contact forces cost their square beside Σ aᵖ. The cost is homogeneous where each unknown has a unit of its own: with
y_i = s^(p/q_i) u_i it is s^p Σ |u_i|^q_i / q_i.
"""

from __future__ import annotations

from typing import Any

from ..namespace import alike

#: Arrays of NumPy or torch.
Array = Any
#: One number, or an array (N,) of p and 2.
Exponents = float | Array


def exponent_of(p: Exponents) -> float:
    """The exponent of the powers; 2 where all are squares."""
    if isinstance(p, (int, float)):
        return float(p)
    powers = p[p != 2.0]
    return float(powers[0]) if powers.shape[0] else 2.0


def simplest(p: Exponents, other: Array) -> Exponents:
    """One number where all exponents are the same, else the array in the library and on the device of another."""
    if isinstance(p, (int, float)) or (p == p[0]).all():
        return exponent_of(p)
    return alike(p, other)


def part_of(p: Exponents, columns: Any) -> Exponents:
    """The exponents of some unknowns."""
    return p if isinstance(p, (int, float)) else p[columns]


def units_of(size: Any, p: Exponents) -> Any:
    """The units (..., N) of unknowns that cost as much as a power of this size (..., 1); one exponent: the size."""
    return size if isinstance(p, (int, float)) else size ** (exponent_of(p) / p)
