"""Muscle paths as polynomials of the coordinates.

Each muscle's length is one polynomial l(q) and its moment arms are exactly −∂l/∂q, so that joint moments do the work of
the muscle (Meyer, Patten and Fregly, PLoS ONE 12(7), e0179698; also the form of OpenSim's FunctionBasedPath).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, explain, some
from ..problem.arrays import Array, Index, MuscleGeometry
from ..problem.path_record import UNRECORDED, PathRecord
from .muscle_paths import MEASURES, Fit
from .terms import count_terms, differentiate, evaluate_terms, grouped, raise_order

if TYPE_CHECKING:
    import pandas as pd


#: Distance in rad or m from the fitted range that still counts as inside, since motions are printed with 6 decimals.
SLACK = 1e-5


@dataclass(frozen=True, eq=False)
class MusclePolynomial:
    """One muscle's length in m as a polynomial of coordinates in rad or m.

    ``path`` and ``coordinate_paths`` are absolute paths in the model, as in OpenSim's file; ``coefficients`` (K,) are
    in OpenSim's order (``terms.list_exponents``). ``fit`` is None for files without ranges and errors.
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
        """Names of the coordinates that the length depends on."""
        return tuple(path.rsplit("/", 1)[-1] for path in self.coordinate_paths)


@dataclass(frozen=True, eq=False)
class _Group:
    """Muscles over the same coordinates: coefficients (K, (1 + d)·m) of their lengths, then of each slope."""

    coordinates: tuple[str, ...]
    members: Index
    order: int
    coefficients: Array


@dataclass(frozen=True, eq=False)
class PolynomialGeometry:
    """Muscle paths as polynomials, from :func:`osimopt.fit_geometry` or a file.

    Attributes
    ----------
    polynomials : tuple of MusclePolynomial
        Length in m of each muscle as a polynomial of coordinates in rad or m.
    left : mapping of str to float
        Muscles that were not fitted because the slope of OpenSim's length is not their moment arm, with the largest
        difference in m. A problem uses OpenSim's own path for these. Other muscles without a polynomial have their
        exact paths beside polynomials that were fitted to such, else OpenSim's.
    record : PathRecord
        Which paths were fitted, by muscle.
    missed : mapping of str to Fit
        Muscles whose exact paths no polynomial follows, with the errors of the best. A problem uses their exact paths.

    References
    ----------
    Meyer AJ, Patten C, Fregly BJ (2017). Lower extremity EMG-driven modeling of walking with automated adjustment of
    musculoskeletal geometry. PLoS ONE 12(7), e0179698. doi:10.1371/journal.pone.0179698

    Examples
    --------
    >>> import numpy as np, osimopt
    >>> from osimopt.polynomial import MusclePolynomial
    >>> muscle = MusclePolynomial("/forceset/soleus", ("/jointset/ankle/ankle",), 1, np.array([0.3, -0.05]))
    >>> paths = osimopt.PolynomialGeometry((muscle,)).evaluate(["ankle"], np.array([[0.0], [0.2]]))
    >>> paths.length[:, 0].round(3), paths.moment_arms[:, 0].round(3)
    (array([0.3 , 0.29]), array([0.05, 0.05]))
    """

    polynomials: tuple[MusclePolynomial, ...]
    left: Mapping[str, float] = field(default_factory=dict)
    record: PathRecord = UNRECORDED
    missed: Mapping[str, Fit] = field(default_factory=dict)

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
        """Read OpenSim's FunctionBasedPathSet, and ranges and errors from the .toml file of ``write``.

        Raises
        ------
        InputError
            No such file, other XML, a function that is no polynomial, or moment arms other than −∂l/∂q.
        """
        read: PolynomialGeometry = import_module(".files", __package__).read_paths(path)
        return read

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write OpenSim's FunctionBasedPathSet (.xml), and ranges, errors and flags to a .toml file."""
        import_module(".files", __package__).write_paths(self, path)

    def select(self, muscles: Sequence[str]) -> PolynomialGeometry:
        """Return the paths of these muscles, in this order; an InputError names those without a polynomial."""
        by_name = {polynomial.name: polynomial for polynomial in self.polynomials}
        if missing := [name for name in muscles if name not in by_name]:
            fix = "Fit the geometry of this model: osimopt fit-geometry."
            raise InputError(explain("a polynomial for every muscle", f"none for {some(missing)}", fix))
        return replace(self, polynomials=tuple(by_name[name] for name in muscles))

    def evaluate(self, names: Sequence[str], value: Array, speed: Array | None = None) -> MuscleGeometry:
        """Compute lengths, moment arms and lengthening speeds along a motion.

        Parameters
        ----------
        names
            Coordinates of the N columns; superfluous ones are ignored.
        value, speed
            (T, N) in rad or m, and per s; without speed there is no lengthening speed.

        Returns
        -------
        MuscleGeometry
            For the coordinates that any muscle depends on, in the order of ``names``, with a pair for every coordinate
            of every muscle's polynomial, including coupled and locked ones.

        Raises
        ------
        InputError
            A missing coordinate, or shapes that do not fit.
        """
        column = self.columns(names, value, speed)
        coordinates = tuple(name for name in names if name in set(self.coordinates))
        length = np.empty((len(value), len(self.polynomials)))
        lengthening = np.zeros_like(length)
        slopes: dict[tuple[int, int], Array] = {}
        for group in self._groups:
            columns = [column[name] for name in group.coordinates]
            terms = evaluate_terms(np.ascontiguousarray(value[:, columns].T), group.order)
            results = (terms.T @ group.coefficients).reshape(len(value), 1 + len(columns), len(group.members))
            length[:, group.members] = results[:, 0]
            for variable, name in enumerate(group.coordinates):
                slope, row = results[:, 1 + variable], coordinates.index(name)
                if speed is not None:
                    lengthening[:, group.members] += slope * speed[:, [columns[variable]]]
                slopes |= {(row, int(muscle)): slope[:, place] for place, muscle in enumerate(group.members)}
        pairs = sorted(slopes)
        pair_coordinate, pair_muscle = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
        moment_arms, spanned = np.stack([-slopes[pair] for pair in pairs], axis=1), np.ones(len(coordinates), bool)
        return MuscleGeometry(
            self.muscles, coordinates, pair_coordinate, pair_muscle, moment_arms, length,
            None if speed is None else lengthening, spanned,
        )  # fmt: skip

    def outside(self, names: Sequence[str], value: Array) -> dict[str, int]:
        """Number of frames outside the fitted range, for each muscle with any.

        Polynomials are wrong outside of that range. Muscles without a known range are not counted.
        """
        column = self.columns(names, value)
        counts = {}
        for polynomial in self.polynomials:
            if polynomial.fit is not None:
                q = value[:, [column[name] for name in polynomial.coordinates]]
                beyond = (q < polynomial.fit.low - SLACK) | (q > polynomial.fit.high + SLACK)
                counts[polynomial.name] = int(beyond.any(axis=1).sum())
        return {name: count for name, count in counts.items() if count}

    def to_dataframe(self) -> pd.DataFrame:
        """One row per muscle: coordinates, order, number of terms, errors in mm on held-out postures, flags.

        Muscles without a polynomial come last: those that keep OpenSim's path without errors, those that keep their
        exact path with the errors of the best polynomial.
        """
        import pandas as pd

        unknown = dict.fromkeys([*(f"{measure}_mm" for measure in MEASURES), "left_out_percent"], np.nan)
        rows: list[dict[str, Any]] = []
        none = {"coordinates": "", "order": 0, "terms": 0}
        for p in self.polynomials:
            row = {"muscle": p.name, "coordinates": ", ".join(p.coordinates), "order": p.order}
            row |= {"terms": count_terms(len(p.coordinates), p.order), **unknown, "flags": ""}
            rows.append(row if p.fit is None else row | p.fit.row())
        for name, mismatch in self.left.items():
            reason = f"its length is no integral of its moment arm (-dl/dq is off by up to {1e3 * mismatch:.1f} mm)"
            text = f"Left to OpenSim's path: {reason}."
            rows.append({"muscle": name, **none, **unknown, "flags": text})
        rows += [{"muscle": name, **none, **fit.row()} for name, fit in self.missed.items()]
        columns = ["muscle", "coordinates", "order", "terms", *unknown, "flags"]
        return pd.DataFrame(rows, columns=columns).set_index("muscle")

    @cached_property
    def _groups(self) -> tuple[_Group, ...]:
        groups = []
        for coordinates, members in grouped([p.coordinates for p in self.polynomials]):
            group = [self.polynomials[index] for index in members]
            d, order = len(coordinates), max(p.order for p in group)
            lengths = np.stack([raise_order(p.coefficients, d, p.order, order) for p in group], axis=1)
            slopes = differentiate(lengths, d, order)
            stacked = np.concatenate([lengths, *slopes], axis=1)
            groups.append(_Group(coordinates, members, order, stacked))
        return tuple(groups)

    def columns(self, names: Sequence[str], value: Any, speed: Any = None) -> dict[str, int]:
        """Index of each name among the columns of ``value`` and ``speed``, after checking names and shapes."""
        if missing := [name for name in self.coordinates if name not in names]:
            fix = "Use the geometry of this model."
            raise InputError(explain(f"a column for {some(missing, 12)}", f"only {some(names, 12)}", fix))
        for what, array in (("value", value), ("speed", speed)):
            if array is not None and array.shape != (len(value), len(names)):
                expected = f"{what} of shape (T, {len(names)}), a column per name"
                raise InputError(explain(expected, f"{array.shape}", "Give the columns of these names."))
        return {name: index for index, name in enumerate(names)}
