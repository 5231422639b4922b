"""Checks of a solution, and all limits of checks and findings.

The limits stand in this module only: findings, the command line, result folders, reports, studies and comparisons with
EMG use them. Below what share of the largest an effect counts as rounding is ``problem.arrays.ROUNDING``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import some
from ..problem.arrays import Array

if TYPE_CHECKING:
    from .reader import Result

#: Share of a coordinate's peak moment that reserves may carry. It is osimopt's own rule, stricter than OpenSim's
#: checklist for simulations, which allows 10 %: a reader should know of a share between the two.
RESERVE_SHARE = 0.05
#: Peak residual force (N) and moment (N·m) on a free base, the upper ends of the ranges in OpenSim's checklist.
PEAK_FORCE, PEAK_MOMENT = 25.0, 75.0
#: Share of the solution's time that EMG must cover: a gap of a tenth hides no phase of a stride.
COVERED = 0.9
#: Activation beyond a bound that still counts as on it: rounding of an answer that was clipped is 1e-16.
BOUND_TOLERANCE = 1e-9
#: N·m (N of a translation) that the largest moment of a frame counts as at least in the tolerance of its residual:
#: a share of a smaller one would be rounding.
LEAST_MOMENT = 1.0
#: Activation this near to its upper bound is on it: interior-point solvers end that far from their bounds.
AT_BOUND = 1e-6
#: Share of its strength by which a muscle must push on its tendon to be named; less is the tolerance of collocation.
PUSH = 1e-4
#: Share of its strength up to which a muscle shorter than its tendon counts as without force: interpolation between
#: frames is not exactly 0.
NO_FORCE = 1e-3
#: By how much forward integration may depart from a dynamic solution: in activation, and in shares of each muscle's
#: peak force. Curves that differ by 1 % cannot be distinguished by eye.
INTEGRATION_LIMITS = {"activations": 0.01, "forces": 0.01}
#: Share of the objective that the derivative penalty may be: at 4 to 7 % half of it moves forces by 3 to 12 % of their
#: peaks, at 0.1 % by less than 1 %.
PENALTY_SHARE = 0.01
#: The mesh_tolerance that is proposed where it departs: this share of the one that would just suffice, and no less
#: than the errors of the integrator itself.
MARGIN, SENSIBLE = 0.5, 1e-5
#: Share of its limit up to which a scale factor of EMG is at it: ten times what the solver leaves.
SCALE_AT_LIMIT = 1e-3
#: Share of a muscle's peak force by which windows of a long motion may differ near their ends without a finding.
WINDOWS_DIFFER = 0.01
#: Share of its strength that a muscle's peak force counts as at least there: 1 % of the peak of an idle muscle is
#: nothing.
IDLE = 0.05
#: Share of the samples of an uncertainty without an answer above which a frame is named: one in a hundred moves the
#: 5th and 95th percentiles by less than their own error.
FAILED_SHARE = 0.01
#: What a share divides by at least, N·m or N: no moment at all gives no share.
LEAST = 1e-12
#: m; difference of OpenSim's length of a path and the exact one above which a provenance names it: a tenth of what
#: OpenSim's lengths over two objects are off, ten times what its tangent points are.
LENGTHS_DIFFER = 1e-4
#: N, and share of the muscle's peak, above which a force that exact paths change is named: curves that differ by 1 %
#: cannot be distinguished by eye, and OpenSim's own optimizer leaves forces uncertain by a newton or two.
FORCE_DIFFERS, FORCE_SHARE = 1.0, 0.01
#: m; jump of a length above which it is a finding.
LENGTHS_JUMP = 1e-4
#: What forces of a file may miss of the largest moment without a finding; OpenSim's static optimization misses less.
FORCES_MISS = 1e-3
#: Share of a force's peak that may lie above the cutoff of the motion: at 6 Hz 14 % do after heel strikes in the raw
#: loads of one public walk, 3 % in those of another, which had been filtered.
LOADS_ABOVE = 0.05
#: Share of a moment's variance that may lie above the cutoff of the motion, or, without one, above HARMONICS times the
#: frequency below which MOST of the variance of its angles lies: moments hold products and sines of angles, whose
#: frequencies are multiples. MOST holds for markers in walking: Winter et al. (1974), doi:10.1016/0021-9290(74)90056-6.
#: The variance of a moment counts as at least LEAST_MOMENT squared.
MOMENTS_ABOVE, HARMONICS, MOST = 0.10, 3.0, 0.997
#: Periods of the cutoff from the ends of a file in which the padding of the filter matters: accelerations of a walk
#: whose file was cut change by 100 % of their standard deviation at the new end, and by 3 % one period from it.
EDGE = 1.0
#: m; how far a sole and a shoe may reach beyond the points that a model has on a foot, and how far a force may act
#: beyond that at its peak. A plate's error of the centre of pressure grows as the force falls: at a fifth of the peak
#: it may be five times as much. In feet of public walks that stand on one plate alone it is 2.7 mm at most, with two
#: feet on a plate 6 and 75 mm.
SOLE, BESIDE = 0.02, 0.004
CHECKLIST = "OpenSim's simulation checklist; Hicks et al. (2015), doi:10.1115/1.4029304"
OWN_RULE = "osimopt's rule; OpenSim's checklist allows 10 %"


@dataclass(frozen=True)
class Check:
    """One limit: what it is about, what was found, whether that is within it (None: cannot be decided)."""

    name: str
    found: str
    limit: str
    passes: bool | None
    source: str = CHECKLIST

    @property
    def verdict(self) -> str:
        """``passes``, ``fails`` or ``not known``."""
        return {True: "passes", False: "fails", None: "not known"}[self.passes]


@dataclass(frozen=True, eq=False)
class Peaks:
    """Largest size (D,) of a quantity on each coordinate, in N·m or N, and the time (D,) in s of each."""

    size: Array
    time: Array

    @classmethod
    def of(cls, value: Array, time: Array) -> Peaks:
        """Peaks of values (T, D); NaN counts as 0."""
        size = np.abs(np.nan_to_num(value))
        if not len(size):
            return cls(np.zeros(size.shape[1]), np.full(size.shape[1], np.nan))
        return cls(size.max(axis=0), time[size.argmax(axis=0)])

    def __or__(self, later: Peaks) -> Peaks:
        """Peaks of both together."""
        first = self.size >= later.size
        return Peaks(np.where(first, self.size, later.size), np.where(first, self.time, later.time))


@dataclass(frozen=True, eq=False)
class Evidence:
    """The numbers that checks judge; those of consecutive pieces add up.

    ``moment`` are peaks of the generalized forces on the D coordinates, ``carried`` of what all reserves together
    produced there; ``served`` (D,) marks where muscles act. ``provenance`` has the units of the generalized forces
    (``units``), the coordinates of a free base (``floating``) and the files (``inputs``), where a model is known.
    """

    frames: int
    solved: int
    start: float
    end: float
    coordinates: tuple[str, ...]
    served: NDArray[np.bool_]
    moment: Peaks
    carried: Peaks
    provenance: Mapping[str, Any]

    @classmethod
    def of(
        cls, time: Array, solved: NDArray[np.bool_], coordinates: tuple[str, ...], served: NDArray[np.bool_],
        moment: Array, carried: Array, provenance: Mapping[str, Any],
    ) -> Evidence:  # fmt: skip
        """Of time (T,), solved (T,), and generalized forces and what reserves produced of them, (T, D)."""
        ends = (float(time[0]), float(time[-1])) if len(time) else (float("nan"),) * 2
        peaks = Peaks.of(moment, time), Peaks.of(carried, time)
        return cls(len(time), int(solved.sum()), *ends, coordinates, served, *peaks, provenance)

    def __add__(self, later: Evidence) -> Evidence:
        """Both together, this one first."""
        return Evidence(
            self.frames + later.frames, self.solved + later.solved, self.start, later.end, self.coordinates,
            self.served | later.served, self.moment | later.moment, self.carried | later.carried,
            {**self.provenance, "self_check": _both_self_checks(self.self_check, later.self_check)},
        )  # fmt: skip

    @property
    def self_check(self) -> Mapping[str, Mapping[str, Any]]:
        """Comparisons with a second computation, of the model (by OpenSim), the trial and the solution."""
        return self.provenance.get("self_check", {})  # type: ignore[no-any-return]

    @property
    def base(self) -> Sequence[str]:
        """Coordinates of the model's free base, whether they are balanced or not."""
        return list(self.provenance.get("floating", ()))

    @property
    def held(self) -> list[int]:
        """Indices of the coordinates that a part of the body leaves out, and residual actuators hold."""
        known = self.provenance.get("part", {}).get("coordinates", ())
        return [place for place, name in enumerate(self.coordinates) if name in known]

    @property
    def floating(self) -> list[int]:
        """Indices of the coordinates of a free base, where that is balanced: on them all force is residual."""
        held = self.held
        return [place for place, name in enumerate(self.coordinates) if name in self.base and place not in held]

    @property
    def reserve_share(self) -> Array:
        """(D,) peak of what reserves carry as a share of the peak moment; 0 where no muscle acts."""
        return np.where(self.served, self.carried.size / np.maximum(self.moment.size, LEAST), 0.0)

    def unit(self, place: int) -> str:
        """Unit of the generalized force on a coordinate, where the model gave it."""
        return str(self.provenance.get("units", {}).get(self.coordinates[place], "N·m (N)"))

    def checks(self) -> list[Check]:
        """Frames, loads, reserves and residuals."""
        span = f" ({self.start:g} to {self.end:g} s)" if self.frames else ""
        found = f"{self.solved} of {self.frames}{span}"
        frames = Check("frames solved", found, "all", self.solved == self.frames, "")
        return [frames, *self._self_check(), *self._loads(), self._reserves(), *self._residuals(), *self._held()]

    def _self_check(self) -> list[Check]:
        """Of ``self_check``; differences raise errors."""
        parts = self.self_check
        if "model" not in parts:
            return []
        done = {
            name: max(part["largest_difference"].values(), default=0.0)
            for name, part in parts.items()
            if "largest_difference" in part
        }
        found = [f"{name} to {size:.1g}" for name, size in done.items()]
        found += [f"not the {name} ({part['not_checked']})" for name, part in parts.items() if name not in done]
        passes = True if len(done) == len(parts) else None
        return [Check("agreement with a second computation", ", ".join(found), "agreement to 1e-06", passes, "")]

    def _loads(self) -> list[Check]:
        """Loads on a model with a free base; loads that do not cover every frame are refused when they are read."""
        if not self.base:
            return []
        inputs = self.provenance.get("inputs", {})
        given = {"external_loads": "external loads in every frame", "generalized_force": "moments from a file"}
        found = next((text for name, text in given.items() if name in inputs), None)
        limit = "ground reactions in every frame"
        return [Check("loads cover", found or "no ground reactions were given", limit, True if found else None, "")]

    def _reserves(self) -> Check:
        name, limit = "largest reserve", f"≤ {percent(RESERVE_SHARE)} of its peak moment"
        share = self.reserve_share
        if not self.solved:
            return Check(name, "no frame solved", limit, False, OWN_RULE)
        if not share.any():
            return Check(name, "none where muscles act", limit, True, OWN_RULE)
        worst = int(share.argmax())
        sizes = f"{digits(self.carried.size[worst])} of {digits(self.moment.size[worst])} {self.unit(worst)}"
        more = int((share > RESERVE_SHARE).sum()) - 1
        found = f"{percent(share[worst])} of {self.coordinates[worst]} ({sizes}, at {self.carried.time[worst]:g} s)"
        found += f" and {more} more above the limit" if more > 0 else ""
        return Check(name, found, limit, bool(share[worst] <= RESERVE_SHARE), OWN_RULE)

    def residual(self, unit: str) -> float | None:
        """Peak residual force ("N") or moment ("N·m") on a free base; None without one."""
        worst = self._worst_residual(unit)
        return None if worst is None else float(self.moment.size[worst])

    def _worst_residual(self, unit: str) -> int | None:
        return self._worst(self.floating, unit, self.moment)

    def _worst(self, among: Iterable[int], unit: str, peaks: Peaks) -> int | None:
        """Which of some coordinates with this unit has the largest peak."""
        places = [place for place in among if self.unit(place) == unit]
        return max(places, key=lambda place: float(peaks.size[place]), default=None)

    def _residuals(self) -> list[Check]:
        """Peak residuals on the free base; not judged unless all of its coordinates are balanced."""
        found, balanced = [], [self.coordinates[place] for place in self.floating]
        units = self.provenance.get("units", {})
        for name, unit, limit in (("residual force", "N", PEAK_FORCE), ("residual moment", "N·m", PEAK_MOMENT)):
            worst, passes, texts = self._worst_residual(unit), True, []
            if worst is not None:
                passes = bool(self.moment.size[worst] <= limit)
                texts.append(self._peak(worst, unit, self.moment))
            if without := [own for own in self.base if own not in balanced and units.get(own) == unit]:
                texts.append(f"not balanced: {some(without)}")
            if texts:
                verdict = None if without and passes else passes
                found.append(Check(name, ", ".join(texts), f"≤ {limit:g} {unit}", verdict))
        if found or "floating" in self.provenance:
            return found
        return [Check("residuals", "no free base is known", f"≤ {PEAK_FORCE:g} N, {PEAK_MOMENT:g} N·m", None)]

    def _held(self) -> list[Check]:
        """Peak residuals on coordinates that a part of the body leaves out."""
        units = dict.fromkeys(map(self.unit, self.held))
        worst = [(place, unit) for unit in units if (place := self._worst(self.held, unit, self.carried)) is not None]
        if not worst:
            return []
        found = ", ".join(self._peak(place, unit, self.carried) for place, unit in worst)
        return [Check("residuals of left-out coordinates", found, "none", None, "")]

    def _peak(self, place: int, unit: str, peaks: Peaks) -> str:
        return f"{digits(float(peaks.size[place]))} {unit} ({self.coordinates[place]} at {peaks.time[place]:g} s)"


def checks_of(result: Result, keep: NDArray[np.bool_] | None = None) -> list[Check]:
    """The checks of a result, or of those of its frames (T,) that are kept."""
    keep = np.ones(len(result.time), dtype=bool) if keep is None else keep
    if keep.all() and "checks" in result.summary:
        return [Check(**one) for one in result.summary["checks"]]
    return Evidence.of(
        result.time[keep], result.solved[keep], result.coordinates, result.served, result.generalized_force[keep],
        result.carried[keep], result.summary,
    ).checks()  # fmt: skip


def percent(share: float) -> str:
    """A share in per cent: "5.04 %" is above a limit of 5."""
    return f"{digits(100.0 * share)} %"


def digits(value: float) -> str:
    """Three significant digits, without an exponent where a number is large."""
    return f"{value:.3g}" if abs(value) < 1000.0 else f"{value:.0f}"


def _both_self_checks(
    first: Mapping[str, Mapping[str, Any]], later: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """Self-checks of two pieces as one: all times, the larger differences; not checked where one was not."""
    both: dict[str, Mapping[str, Any]] = {**later, **first}
    for part in first.keys() & later.keys() - {"model"}:
        ours, theirs = first[part], later[part]
        if "not_checked" not in ours and "not_checked" not in theirs:
            sizes = [ours["largest_difference"], theirs["largest_difference"]]
            largest = {name: max(one.get(name, 0.0) for one in sizes) for name in {**sizes[0], **sizes[1]}}
            times = [*ours["times_s"], *theirs["times_s"]]
            both[part] = {**ours, **theirs, "times_s": times, "largest_difference": largest}
        elif "not_checked" in theirs:
            both[part] = theirs
    return both
