"""Interface of muscle paths that are functions of the coordinates, and the errors of those that were fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from ..problem.arrays import Array, MuscleGeometry

#: Codes of the flags of fits, and their first words: files hold flags as sentences.
FLAGS = {"missed": "Not within", "left_out": "Snapped", "jump": "Snaps by"}
#: Errors of a fit in m.
MEASURES = ("length_rms", "length_max", "moment_arm_rms", "moment_arm_max")


@dataclass(frozen=True, eq=False)
class Fit:
    """Range (d,) in rad or m of the coordinates that a polynomial was fitted in, and errors on held-out postures.

    Errors are in m (m/m of a moment arm about a translation), those of moment arms for the worst coordinate. Root mean
    squares leave out the share ``left_out`` of the postures, where OpenSim's path has snapped off or over a wrap
    object; maxima do not. ``flags`` are warnings, as sentences.
    """

    low: Array
    high: Array
    length_rms: float
    length_max: float
    moment_arm_rms: float
    moment_arm_max: float
    left_out: float = 0.0
    flags: tuple[str, ...] = ()

    def row(self) -> dict[str, Any]:
        """Errors in mm and percent, and flags."""
        errors = {f"{measure}_mm": 1e3 * getattr(self, measure) for measure in MEASURES}
        return {**errors, "left_out_percent": 100.0 * self.left_out, "flags": " ".join(self.flags)}


def flag_code(flag: str) -> str:
    """Return the code of a flag among ``FLAGS``; empty for other sentences."""
    return next((code for code, words in FLAGS.items() if flag.startswith(words)), "")


def flag_missed(tolerance: float) -> str:
    """Return the flag of a muscle whose errors exceed the tolerance in m."""
    return f"{FLAGS['missed']} {1e3 * tolerance:g} mm."


@runtime_checkable
class MusclePaths(Protocol):
    """Interface of muscle paths that replace the model's own: lengths as functions of the coordinates.

    Moment arms are their negative slopes. Implemented by :class:`~osimopt.PolynomialGeometry` and by surrogates of
    networks: dataclasses of arrays and plain data, so that a problem's provenance can identify them.
    """

    kind: str

    @property
    def muscles(self) -> tuple[str, ...]:
        """Names of the muscles."""

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of the coordinates that any muscle depends on."""

    @property
    def left(self) -> Mapping[str, float]:
        """Muscles that were not fitted because −∂l/∂q is not their moment arm, with the largest difference in m."""

    @property
    def fits(self) -> Mapping[str, Fit]:
        """Ranges and errors by muscle, where they are known."""

    def select(self, muscles: Sequence[str]) -> MusclePaths:
        """Return the paths of these muscles, in this order; an InputError names those that are missing."""

    def evaluate(self, names: Sequence[str], value: Array, speed: Array | None = None) -> MuscleGeometry:
        """Lengths, moment arms and speeds where coordinates ``names`` have ``value`` and ``speed``, both (T, N)."""

    def outside(self, names: Sequence[str], value: Array) -> dict[str, int]:
        """Number of frames outside the fitted range, for each muscle with any."""
