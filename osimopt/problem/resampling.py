"""A problem at other times: the arrays of its model where that is available, else splines with an estimated error.

The error is estimated by leaving frames out around the requested times: a spline through every second frame is compared
with the frames between. One through all frames is off by less, on smooth arrays up to 2⁶ times (the error of a quintic
spline goes with the sixth power of the step), so what is reported is *at most about* the error. How much less is
estimated from how much better every second frame is than every fourth; a large error is warned of. For walks at 50 and
100 Hz the estimate is between a third and six times the error, the latter where a muscle begins to wrap.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError, OsimoptError, explain
from ..namespace import Tensor, alike, plain
from ..signals import MINIMUM_FRAMES, interpolate
from .arrays import ROUNDING, Array
from .reactions import JointReactions, reactions_of

if TYPE_CHECKING:
    from .problem import RedundancyProblem

#: s; times that differ by less are the same.
TIME_SLACK = 1e-9
#: Arrays of the balance of moments, as ``Fingerprint`` names them.
BALANCED = ("moment arms", "generalized_force")
#: Share of an array's peak by which it may differ from its source's and be the same: files print 6 to 8 digits less.
SAME = 1e-6
#: Share of an array's peak above which the probable error of a spline is warned of.
TOLERABLE = 0.01
#: Frames on either side of the requested times, whose errors count too: every second frame was kept.
AROUND = 4
#: By how much halving the step makes a quintic spline better at most.
MOST_GAIN = 2.0**6

_REMEDY = "Read the motion at a higher rate, or keep the model available (load_problem without its cache)."


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """One number (T,) for each array of a problem and each frame: its columns, weighted at random but always alike."""

    time: Array
    numbers: dict[str, Array]

    @classmethod
    def of(cls, problem: RedundancyProblem) -> Fingerprint:
        """Compute the numbers of a problem."""
        return cls(problem.time, {name: _weighted(array) for name, array in _read(problem).items()})

    def changed(self, problem: RedundancyProblem, names: Collection[str] = ()) -> str:
        """Which array of a problem has changed since, and when, in the frames known; empty where none has.

        ``names`` are the arrays to look at, all where there are none.
        """
        rows = np.minimum(np.searchsorted(self.time, problem.time), len(self.time) - 1)
        known = self.time[rows] == problem.time
        arrays = _read(problem)
        for name, array in ((name, arrays[name]) for name in names or arrays):
            before, now = plain(self.numbers[name])[rows], plain(_weighted(array))
            off = np.where(known, np.abs(now - before), 0.0)
            if off.max(initial=0.0) > ROUNDING * np.abs(before).max(initial=0.0):
                return f"the problem's {name} at {problem.time[int(off.argmax())]:g} s is not what was read"
        return ""


def _read(problem: RedundancyProblem) -> dict[str, Array]:
    return {
        "moment arms": problem.geometry.moment_arms,
        "max_force": problem.max_force,
        "passive_force": problem.passive_force,
        "generalized_force": problem.generalized_force,
    }


def _weighted(array: Array) -> Tensor:
    weights = np.random.default_rng(0).uniform(1.0, 2.0, array.shape[1])
    return array @ alike(weights, array)


def resample(problem: RedundancyProblem, times: ArrayLike) -> RedundancyProblem:
    """See :meth:`osimopt.RedundancyProblem.resample`."""
    at = _checked(problem.time, times)
    if len(at) == len(problem) and np.abs(at - problem.time).max() <= TIME_SLACK:
        return problem
    failed = ""
    try:
        made, why = _from_source(problem, at)
    except (OsimoptError, OSError) as error:
        made, why = None, f"the model could not be evaluated: {error}"
        failed = f"Arrays at other times are splines: {why}"
    between = at[~_known(problem.time, at)]
    known: dict[str, Any] = {"by": "model", "why": why, "frames": len(problem)}
    if made is not None:
        warnings, resampled = list(made.provenance.get("warnings", ())), _by_source(problem, made)
    else:
        known["by"] = "spline" if between.size else "frames"
        known["error"], warnings = _estimate(problem, between) if between.size else (None, [])
        resampled = _by_spline(problem, at)
        warnings += [failed] if failed and between.size else []
    warnings = list(dict.fromkeys([*problem.provenance.get("warnings", ()), *warnings]))
    return replace(resampled, provenance={**problem.provenance, "resampling": known, "warnings": warnings})


def _checked(time: Array, times: ArrayLike) -> Array:
    """Requested times (N,), those within the slack of an end moved to it."""
    at = np.array(times, dtype=float)
    first, last = time[0], time[-1]
    expected, got = f"increasing times between {first:g} and {last:g} s", ""
    if at.ndim != 1 or not at.size:
        got = f"an array of shape {at.shape}"
    elif not np.isfinite(at).all():
        got = f"NaN or infinity at {int(np.argmin(np.isfinite(at)))}"
    elif (np.diff(at) <= 0.0).any():
        row = int(np.argmax(np.diff(at) <= 0.0))
        got = f"{at[row + 1]:g} s after {at[row]:g} s"
    elif at[0] < first - TIME_SLACK or at[-1] > last + TIME_SLACK:
        got = f"{at[0]:.9g} to {at[-1]:.9g} s"
    if got:
        raise InputError(explain(expected, got, "Choose times within the problem's, or read more of the motion."))
    return np.asarray(np.clip(at, first, last))


def _known(time: Array, times: Array) -> NDArray[np.bool_]:
    """(N,) which of the times are frames."""
    rows = np.clip(np.searchsorted(time, times - TIME_SLACK), 0, len(time) - 1)
    return np.asarray(np.abs(time[rows] - times) <= TIME_SLACK)


def _from_source(problem: RedundancyProblem, times: Array) -> tuple[RedundancyProblem | None, str]:
    """The source's problem at these times, or None and why not.

    Arrays of a problem that were replaced are kept. A source may have a fingerprint of what was read; of others the
    first, the middle and the last frame show most such changes.
    """
    if problem.source is None:
        return None, "the model is not available"
    fingerprint = getattr(problem.source, "fingerprint", None)
    if fingerprint is not None and (why := fingerprint.changed(problem)):
        return None, why
    frames = np.unique([0, len(problem) // 2, len(problem) - 1])
    requested = np.union1d(times, problem.time[frames])  # in one go: a model is loaded anew with the loads of its times
    made = problem.source.at(requested)
    if why := _differs(problem, made):
        return None, why
    return made.frames(np.searchsorted(requested, times)), "the model is available"


def _differs(problem: RedundancyProblem, made: RedundancyProblem) -> str:
    """The first array in which a problem differs from its source's, at frames that both have; empty where none does."""
    mine, theirs = problem.geometry, made.geometry
    pairs = [(g.muscles, g.coordinates, g.pair_muscle.tolist(), g.pair_coordinate.tolist()) for g in (mine, theirs)]
    if pairs[0] != pairs[1]:
        return "the problem's muscles, coordinates or their pairs are not the model's"
    known = _known(problem.time, made.time)
    rows = np.searchsorted(problem.time, made.time[known] - TIME_SLACK)
    for name, before, now in _shared(problem, made):
        off = np.abs(_at_rows(before, rows) - _at_rows(now, np.flatnonzero(known)))
        if off.size and off.max() > SAME * np.abs(before).max():
            frame = rows[np.unravel_index(off.argmax(), off.shape)[0]]
            return f"the problem's {name} at {problem.time[frame]:g} s is not the model's"
    return ""


def _shared(problem: RedundancyProblem, made: RedundancyProblem) -> Iterator[tuple[str, Array, Array]]:
    """Arrays that a problem and its source both have, by name."""
    theirs = _read(made)
    for name, array in _read(problem).items():
        yield name, array, theirs[name]
    if problem.geometry.length is not None and made.geometry.length is not None:
        yield "length", problem.geometry.length, made.geometry.length
    if len(problem.reserves.effect) > 1 and problem.reserves.names == made.reserves.names:
        yield "reserve effect", problem.reserves.effect, made.reserves.effect


def _at_rows(array: Array, rows: NDArray[np.intp]) -> Array:
    """Frames of an array; one frame may stand for all."""
    return np.asarray(np.broadcast_to(array, (len(rows), *array.shape[1:])) if len(array) == 1 else array[rows])


def _by_source(problem: RedundancyProblem, made: RedundancyProblem) -> RedundancyProblem:
    """The source's arrays in this problem; reserves that are not the source's are splined where they vary."""
    varying = len(problem.reserves.effect) > 1
    theirs = varying and problem.reserves.names == made.reserves.names
    reserves = problem.reserves.at(problem.time, made.time)
    return replace(
        problem,
        time=made.time,
        geometry=made.geometry,
        max_force=made.max_force,
        generalized_force=made.generalized_force,
        passive_force=made.passive_force,
        reserves=replace(reserves, effect=made.reserves.effect) if theirs else reserves,
        kinematics=made.kinematics,
        reactions=problem.reactions and _reactions(problem.reactions, problem.time, made),
    )


def _reactions(known: JointReactions, time: Array, made: RedundancyProblem) -> JointReactions:
    """Joint reactions by the source; those of joints that it does not have are splined."""
    try:
        return replace(reactions_of(made, known.joints), on=known.on, frame=known.frame)
    except InputError:
        return known.moved(lambda array: interpolate(time, array, made.time))


def _by_spline(problem: RedundancyProblem, times: Array) -> RedundancyProblem:
    """Splines through the problem's arrays; it has no source any more, whose arrays these are not."""
    return replace(problem.moved(times, lambda array: interpolate(problem.time, array, times)), source=None)


def _estimate(problem: RedundancyProblem, times: Array) -> tuple[dict[str, Any] | None, list[str]]:
    """What a spline through every second frame misses at those between, per array, and warnings."""
    if len(problem) < 3:
        return None, [f"At other times the arrays are a line through 2 frames, of unknown error. {_REMEDY}"]
    error: dict[str, Any] = {"generalized_force": {}}
    warnings = []
    for name, unit, array, labels, peak in _arrays(problem):
        missed, probable = (found.ravel() for found in _left_out(problem.time, array, times))
        if name == "generalized_force":
            error[name] |= dict(zip(labels, missed.tolist(), strict=True))
        else:
            error[name] = float(missed.max(initial=0.0))
        if probable.max(initial=0.0) > TOLERABLE * peak:
            worst = int(probable.argmax())
            warnings.append(
                f"At other times {name} is a spline through {len(problem)} frames, off by about {probable[worst]:.3g} "
                f"{unit} for {labels[worst]} ({probable[worst] / peak:.1%} of the largest, {peak:.3g} {unit}); one "
                f"through every second frame misses it by up to {missed[worst]:.3g} {unit}. {_REMEDY}"
            )
    return error, warnings


def _left_out(time: Array, value: Array, times: Array) -> tuple[Array, Array]:
    """(…) largest distances of (T, …) samples about ``times`` from the spline through every second one, T ≥ 3.

    And the probable ones from a spline through all: that much less as those are less than through every fourth. Where
    there are too few frames for that, the same.
    """
    second = _missed(time, value, times, 2)
    if len(time) < 4 * MINIMUM_FRAMES:
        return second, second
    fourth = _missed(time, value, times, 4)
    gain = np.divide(fourth, second, out=np.ones_like(second), where=second > 0.0)
    return second, second / np.clip(gain, 1.0, MOST_GAIN)


def _missed(time: Array, value: Array, times: Array, step: int) -> Array:
    """(…) largest distances about ``times`` from the spline through every ``step``-th frame and the last."""
    kept = np.unique([*range(0, len(time), step), len(time) - 1])
    left = np.setdiff1d(np.arange(len(time)), kept)
    off = np.abs(interpolate(time[kept], value[kept], time[left]) - value[left])
    first, last = np.searchsorted(time, times[[0, -1]])
    near = (left >= first - AROUND) & (left <= last + AROUND)
    return np.asarray(off[near].max(axis=0))


def _arrays(problem: RedundancyProblem) -> Iterator[tuple[str, str, Array, list[str], float]]:
    """Name, unit, (T, …) samples, a label of each column, and the peak that their error is judged by."""

    def peak(array: Array) -> float:
        return float(np.abs(array).max(initial=0.0))

    geometry, muscles = problem.geometry, list(problem.muscles)
    pairs = zip(geometry.pair_muscle, geometry.pair_coordinate, strict=True)
    about = [f"{muscles[muscle]} about {geometry.coordinates[coordinate]}" for muscle, coordinate in pairs]
    yield "moment_arm_m", "m", geometry.moment_arms, about, peak(geometry.moment_arms)
    for name, unit, array in (
        ("length_m", "m", geometry.length),
        ("lengthening_speed_m_s", "m/s", geometry.lengthening_speed),
    ):
        if array is not None:
            yield name, unit, array, muscles, peak(array)
    strongest = peak(problem.max_force)
    yield "max_force_N", "N", problem.max_force, muscles, strongest
    yield "passive_force_N", "N", problem.passive_force, muscles, max(strongest, peak(problem.passive_force))
    units = np.array([problem.unit(name) for name in problem.coordinates])
    for unit in dict.fromkeys(units.tolist()):
        force = problem.generalized_force[:, units == unit]
        yield "generalized_force", unit, force, np.array(problem.coordinates)[units == unit].tolist(), peak(force)
    effect = problem.reserves.effect
    if len(effect) > 1:
        on = [f"{name} on {coordinate}" for coordinate in problem.coordinates for name in problem.reserves.names]
        yield "reserve_effect", "N·m (N)", effect, on, peak(effect)
