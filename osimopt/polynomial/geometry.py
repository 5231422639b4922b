"""PolynomialGeometry: lengths, moment arms and lengthening speeds of muscles from polynomials of the coordinates.

Each muscle's length is one polynomial l(q) and its moment arms are exactly −∂l/∂q, so that the moments do the work
that the muscle does (Meyer, Patten and Fregly, PLoS ONE 12(7), e0179698; also the form of OpenSim's
FunctionBasedPath).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain, some
from ..problem.arrays import Index, MuscleGeometry
from .terms import Exponents, count_terms, differentiate, evaluate_terms, list_exponents, raise_order

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: rad or m beyond the fitted range that is not yet outside: what printing a motion with 6 decimals can do.
SLACK = 1e-5


@dataclass(frozen=True, eq=False)
class Fit:
    """How a polynomial was fitted: the range (d,) of its coordinates in rad or m, and errors on held-out postures.

    Lengths in m, moment arms in m (m/m about a translation), the worst over the coordinates. Root mean squares leave
    out the share ``left_out`` of the postures, where OpenSim's path has snapped off or over a wrap object; maxima do
    not.
    ``flags`` are sentences about what a user should know.
    """

    low: Array
    high: Array
    length_rms: float
    length_max: float
    moment_arm_rms: float
    moment_arm_max: float
    left_out: float = 0.0
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class MusclePolynomial:
    """One muscle's length in m as a polynomial of coordinates in rad or m.

    ``path`` and ``coordinate_paths`` are absolute paths in the model, as OpenSim's file has them;
    ``coefficients`` (K,) are in OpenSim's order (``terms.list_exponents``). ``fit`` is None where a file does not say.
    """

    path: str
    coordinate_paths: tuple[str, ...]
    order: int
    coefficients: Array
    fit: Fit | None = None

    @property
    def name(self) -> str:
        """The muscle's name."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of the coordinates that it depends on."""
        return tuple(path.rsplit("/", 1)[-1] for path in self.coordinate_paths)

    @property
    def exponents(self) -> Exponents:
        """(K, d) exponents of the terms."""
        return list_exponents(len(self.coordinate_paths), self.order)


@dataclass(frozen=True, eq=False)
class _Group:
    """Muscles over the same coordinates: coefficients (K, (1 + d)·m) of their lengths, then of each slope."""

    coordinates: tuple[str, ...]
    members: Index
    order: int
    coefficients: Array


@dataclass(frozen=True, eq=False)
class PolynomialGeometry:
    """Muscle paths as polynomials; ``osimopt.fit_geometry`` makes one, ``read`` reads OpenSim's file.

    ``left`` are the muscles of the model that were not fitted, because the slope of OpenSim's length is not their
    moment arm, with the largest difference in m. A problem takes OpenSim's own paths of these, and of any other muscle
    that has no polynomial.
    """

    polynomials: tuple[MusclePolynomial, ...]
    left: Mapping[str, float] = field(default_factory=dict)

    kind = "polynomials"

    @property
    def fits(self) -> dict[str, Fit]:
        """Ranges and errors of the muscles whose fit is known."""
        return {p.name: p.fit for p in self.polynomials if p.fit is not None}

    @property
    def muscles(self) -> tuple[str, ...]:
        """Names of the muscles."""
        return tuple(polynomial.name for polynomial in self.polynomials)

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of the coordinates that any muscle depends on, in order of appearance."""
        return tuple(dict.fromkeys(name for p in self.polynomials for name in p.coordinates))

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> PolynomialGeometry:
        """Read OpenSim's FunctionBasedPathSet, and the fitted ranges where ``write`` left them beside it.

        Raises
        ------
        InputError
            No such file, other XML, a function that is no polynomial, or moment arms other than −∂l/∂q.
        """
        read: PolynomialGeometry = import_module(".files", __package__).read_paths(path)
        return read

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write OpenSim's FunctionBasedPathSet (.xml); ranges, errors and flags go to a .toml beside it."""
        import_module(".files", __package__).write_paths(self, path)

    def select(self, muscles: Sequence[str]) -> PolynomialGeometry:
        """The same for these muscles, in this order.

        Raises
        ------
        InputError
            A muscle that has no polynomial.
        """
        by_name = {polynomial.name: polynomial for polynomial in self.polynomials}
        if missing := [name for name in muscles if name not in by_name]:
            fix = "Fit the geometry of this model: osimopt fit-geometry."
            raise InputError(explain("a polynomial for every muscle", f"none for {some(missing)}", fix))
        return replace(self, polynomials=tuple(by_name[name] for name in muscles))

    def evaluate(self, names: Sequence[str], value: Array, speed: Array | None = None) -> MuscleGeometry:
        """Lengths, moment arms and lengthening speeds along a motion.

        Parameters
        ----------
        names
            Coordinates of the columns, more than needed where convenient.
        value, speed
            (T, N) in rad or m, and per second; without speed there is no lengthening speed.

        Returns
        -------
        MuscleGeometry
            About the coordinates that any muscle depends on, in the order of ``names``; a pair for every
            coordinate of every muscle's polynomial, coupled and locked coordinates included where it has them.

        Raises
        ------
        InputError
            A coordinate is missing, or the shapes do not fit.
        """
        column = self.columns(names, value, speed)
        coordinates = tuple(name for name in names if name in set(self.coordinates))
        length = np.empty((len(value), len(self.polynomials)))
        lengthening = np.zeros_like(length)
        found: dict[tuple[int, int], Array] = {}
        for group in self._groups:
            columns = [column[name] for name in group.coordinates]
            terms = evaluate_terms(np.ascontiguousarray(value[:, columns].T), group.order)
            results = (terms.T @ group.coefficients).reshape(len(value), 1 + len(columns), len(group.members))
            length[:, group.members] = results[:, 0]
            for variable, name in enumerate(group.coordinates):
                slope = results[:, 1 + variable]
                if speed is not None:
                    lengthening[:, group.members] += slope * speed[:, [columns[variable]]]
                row = coordinates.index(name)
                found.update({(row, int(m)): -slope[:, place] for place, m in enumerate(group.members)})
        pairs = sorted(found)
        return MuscleGeometry(
            muscles=self.muscles,
            coordinates=coordinates,
            pair_coordinate=np.array([row for row, _ in pairs], dtype=np.intp),
            pair_muscle=np.array([muscle for _, muscle in pairs], dtype=np.intp),
            moment_arms=np.stack([found[pair] for pair in pairs], axis=1),
            length=length,
            lengthening_speed=None if speed is None else lengthening,
            spanned=np.ones(len(coordinates), dtype=bool),
        )

    def outside(self, names: Sequence[str], value: Array) -> dict[str, int]:
        """Number of frames in which a muscle's coordinates leave the range it was fitted in, for those that do.

        Polynomials are no good outside; where a file gives no range, nothing is known and nothing is said.
        """
        column = self.columns(names, value)
        counts = {}
        for polynomial in self.polynomials:
            if polynomial.fit is not None:
                own = value[:, [column[name] for name in polynomial.coordinates]]
                left = (own < polynomial.fit.low - SLACK) | (own > polynomial.fit.high + SLACK)
                counts[polynomial.name] = int(left.any(axis=1).sum())
        return {name: count for name, count in counts.items() if count}

    def to_dataframe(self) -> pd.DataFrame:
        """One row per muscle: coordinates, order, terms, errors in mm on held-out postures, flags.

        Muscles that were left to OpenSim's path come last, without errors.
        """
        import pandas as pd

        rows = []
        for p in self.polynomials:
            fit = p.fit
            errors = [np.nan] * 5
            if fit is not None:
                errors = [1e3 * e for e in (fit.length_rms, fit.length_max, fit.moment_arm_rms, fit.moment_arm_max)]
                errors.append(100.0 * fit.left_out)
            terms = count_terms(len(p.coordinates), p.order)
            flags = " ".join(fit.flags) if fit is not None else ""
            rows.append((p.name, ", ".join(p.coordinates), p.order, terms, *errors, flags))
        rows += [(name, "", 0, 0, *[np.nan] * 5, tell_left(mismatch)) for name, mismatch in self.left.items()]
        return pd.DataFrame(rows, columns=["muscle", *COLUMNS]).set_index("muscle")

    @cached_property
    def _groups(self) -> tuple[_Group, ...]:
        sets: dict[tuple[str, ...], list[int]] = {}
        for index, polynomial in enumerate(self.polynomials):
            sets.setdefault(polynomial.coordinates, []).append(index)
        groups = []
        for coordinates, members in sets.items():
            d, order = len(coordinates), max(self.polynomials[index].order for index in members)
            own = [self.polynomials[index] for index in members]
            lengths = np.stack([raise_order(p.coefficients, d, p.order, order) for p in own], axis=1)
            slopes = differentiate(lengths, d, order)
            stacked = np.concatenate([lengths, *slopes], axis=1)
            groups.append(_Group(coordinates, np.array(members, dtype=np.intp), order, stacked))
        return tuple(groups)

    def columns(self, names: Sequence[str], value: Any, speed: Any = None) -> dict[str, int]:
        """Where each name is among the columns of ``value`` and ``speed``, after a check that nothing is missing."""
        if missing := [name for name in self.coordinates if name not in names]:
            fix = "Is it the geometry of this model?"
            raise InputError(explain(f"a column for {some(missing, 12)}", f"only {some(names, 12)}", fix))
        for what, array in (("value", value), ("speed", speed)):
            if array is not None and array.shape != (len(value), len(names)):
                expected = f"{what} of shape (T, {len(names)}), a column per name"
                raise InputError(explain(expected, f"{array.shape}", "Give the columns of these names."))
        return {name: index for index, name in enumerate(names)}


COLUMNS = (
    "coordinates",
    "order",
    "terms",
    "length_rms_mm",
    "length_max_mm",
    "moment_arm_rms_mm",
    "moment_arm_max_mm",
    "left_out_percent",
    "flags",
)


def tell_left(mismatch: float) -> str:
    """Why a muscle was left to OpenSim's path; ``mismatch`` in m."""
    return (
        "Left to OpenSim's path: its length is no integral of its moment arm "
        f"(-dl/dq is off by up to {1e3 * mismatch:.1f} mm)."
    )
