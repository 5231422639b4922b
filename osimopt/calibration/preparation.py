"""Trials of a calibration from problems and EMG: what must agree is checked here, once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..emg.mapping import EmgMapping
from ..emg.processing import process_emg
from ..emg.read import read_emg
from ..emg.recording import Emg
from ..errors import InputError, check_names, explain, some
from ..muscle.forces import supported
from ..options import is_number
from ..problem.arrays import Array, MuscleParameters
from ..problem.problem import RedundancyProblem
from .excitation import Envelopes
from .followers import shares
from .trial import CalibrationTrial

if TYPE_CHECKING:
    import pandas as pd

#: EMG as a recording, its table or its file.
GivenEmg = Emg | str | os.PathLike[str] | Any
Given = TypeVar("Given")

#: A coordinate is calibrated by default if muscles with EMG have this share of the moment capacity, in both directions.
COVERED = 0.8
#: And its moment's range is at least this share of the largest of these: toes are no judge of a leg.
LARGE = 0.1
#: Highest rate in Hz of the frames that are used: moments of gait have nothing above 15 Hz.
RATE = 50.0
#: Relative difference of two trials' muscle parameters from which they are of different models.
SAME = 1e-9


@dataclass(frozen=True, eq=False)
class Shared:
    """What all trials of a calibration share.

    ``measured`` are the muscles of each channel, ``muscles`` those that are modelled, ``share`` (M, C) the channels
    that drive each, ``largest`` the values by which channels are divided, ``notes`` the muscles that follow others.
    """

    measured: Mapping[str, tuple[str, ...]]
    coordinates: tuple[str, ...]
    muscles: tuple[str, ...]
    share: Array
    largest: Mapping[str, float]
    elastic: bool
    notes: tuple[str, ...]

    def trial(self, name: str, problem: RedundancyProblem, emg: Emg, shift: float) -> CalibrationTrial:
        """Arrays of one trial."""
        check_names(f"muscles of {name}", self.muscles, problem.muscles)
        check_names(f"coordinates of {name}", self.coordinates, problem.coordinates)
        check_names(f"EMG channels of {name}", self.measured, emg.channels)
        columns = np.array([problem.muscles.index(muscle) for muscle in self.muscles])
        rows = np.array([problem.coordinates.index(coordinate) for coordinate in self.coordinates])
        envelopes = Envelopes.of(emg.select(list(self.measured)), self.largest, shift)
        inside = (problem.time >= envelopes.time[0] - 1e-9) & (problem.time <= envelopes.time[-1] + 1e-9)
        if inside.mean() < 1.0:
            got = f"{envelopes.time[0]:.3g} to {envelopes.time[-1]:.3g} s"
            fix = "Give a time range that it covers, or shift= (s) where the clocks differ."
            expected = f"EMG of {name} from {problem.time[0]:.3g} to {problem.time[-1]:.3g} s"
            raise InputError(explain(expected, got, fix))
        interval = float(np.median(np.diff(problem.time))) if len(problem) > 1 else 1.0
        keep = slice(None, None, max(1, int(1.0 / (RATE * interval) + 1e-6)))
        geometry, own = problem.geometry, problem.parameters
        assert own is not None
        assert geometry.length is not None
        assert geometry.lengthening_speed is not None
        return CalibrationTrial(
            name, problem.time[keep], geometry.frames(keep).moment_arm[:, rows][:, :, columns],
            geometry.length[keep][:, columns], geometry.lengthening_speed[keep][:, columns],
            problem.generalized_force[keep][:, rows], problem.lower[columns], envelopes, self.share,
            own.select(columns), self.elastic,
        )  # fmt: skip


def by_trial(
    given: Given | Mapping[str, Given] | Sequence[Given], what: str, names: Sequence[str] = ()
) -> dict[str, Given]:
    """What was given for one or several trials, by the trials' names.

    Raises
    ------
    InputError
        Another number of them than trials, or other names.
    """
    if isinstance(given, Mapping):
        found = {str(name): value for name, value in given.items()}
    elif isinstance(given, list | tuple):
        found = dict(zip(names or [f"trial {number}" for number in range(1, len(given) + 1)], given, strict=False))
        if names and len(given) != len(names):
            raise InputError(explain(f"{what} for each of {len(names)} trials", f"{len(given)}", "Give one each."))
    else:
        found = dict.fromkeys(names or ("trial",), given)
        if len(names) > 1 and not is_number(given):
            expected, fix = f"{what} for each of {some(names)}", "Give a mapping from the trials' names."
            raise InputError(explain(expected, "one for all", fix))
    if names and set(found) != set(names):
        raise InputError(explain(f"{what} of the trials {some(names)}", some(found), "Use the same names."))
    if not found:
        raise InputError(explain(f"{what} of at least one trial", "none", "Give a problem or a mapping of them."))
    return {name: found[name] for name in names or found}


def envelopes_of(given: GivenEmg | pd.DataFrame) -> Emg:
    """A recording as envelopes, raw EMG processed with the default filters."""
    recorded = given if isinstance(given, Emg) else read_emg(given)
    return recorded if recorded.envelope else process_emg(recorded)


def prepare(
    problems: Mapping[str, RedundancyProblem], emg: Mapping[str, Emg],
    mapping: EmgMapping | Mapping[str, str | Sequence[str]] | str | os.PathLike[str],
    coordinates: Sequence[str] | None, left_out: Sequence[str], follow: bool, elastic: bool,
) -> Shared:  # fmt: skip
    """Check trials against each other, and choose coordinates and muscles.

    Raises
    ------
    InputError
        Problems without a model or of different models, unknown names, or no coordinate whose muscles have EMG.
    """
    _check_problems(problems)
    first, recorded = next(iter(problems.values())), next(iter(emg.values()))
    mapped = EmgMapping.of(mapping, recorded.channels)
    mapped.check(recorded.channels, first.muscles)
    check_names("channels to leave out", left_out, mapped.muscles)
    measured = {channel: names for channel, names in mapped.muscles.items() if channel not in left_out}
    if not measured:
        raise InputError(explain("at least one channel of EMG", "all are left out", "Leave out fewer."))
    share, following = shares(measured, first.muscles, follow)
    chosen = _coordinates(problems, share, coordinates)
    rows = [first.coordinates.index(name) for name in chosen]
    used = np.flatnonzero(np.any([problem.geometry.crosses[rows].any(axis=0) for problem in problems.values()], axis=0))
    names = tuple(first.muscles[muscle] for muscle in used)
    notes = []
    if pairs := [f"{name} ({' and '.join(following[name])})" for name in names if name in following]:
        notes.append(f"Muscles without EMG that follow synergists: {', '.join(pairs)}.")
    if free := [name for name, own in zip(names, share[used], strict=True) if not own.any()]:
        notes.append(f"Muscles without EMG, at their least activation in the driven mode: {some(free, 12)}.")
    fed = np.asarray(share[used].any(axis=0))
    if idle := [channel for channel, on in zip(measured, fed, strict=True) if not on]:
        notes.append(f"Not used, as their muscles do not cross {some(chosen)}: channels {some(idle)}.")
    kept = {channel: muscles for (channel, muscles), on in zip(measured.items(), fed, strict=True) if on}
    largest = {channel: max(float(np.nanmax(one.of(channel))) for one in emg.values()) for channel in kept}
    if silent := [channel for channel, value in largest.items() if not value > 0.0]:
        raise InputError(explain("EMG with some activity in each channel", f"none in {some(silent)}", "Leave it out."))
    return Shared(kept, chosen, names, share[used][:, fed], largest, elastic, tuple(notes))


def _check_problems(problems: Mapping[str, RedundancyProblem]) -> None:
    first_name, first = next(iter(problems.items()))
    for name, problem in problems.items():
        geometry, own = problem.geometry, problem.parameters
        if own is None or geometry.length is None or geometry.lengthening_speed is None:
            fix = "Load it with osimopt.load_problem."
            raise InputError(explain(f"muscle parameters and lengths in {name}", "none", fix))
        if not (mask := supported(own)).all():
            lacking = some(own.names[muscle] for muscle in np.flatnonzero(~mask))
            fix = "Leave them out (load_problem(muscles=…))."
            raise InputError(explain(f"muscles of {name} whose forces osimopt computes", f"not {lacking}", fix))
        assert first.parameters is not None
        if problem.muscles != first.muscles or not _same(own, first.parameters):
            fix = "Calibrate each subject on its own trials."
            raise InputError(explain(f"the muscles of {first_name} in every trial", f"others in {name}", fix))


def _same(one: MuscleParameters, other: MuscleParameters) -> bool:
    names = ("max_isometric_force", "optimal_fiber_length", "tendon_slack_length", "pennation_angle")
    return all(np.allclose(getattr(one, name), getattr(other, name), rtol=SAME, atol=0.0) for name in names)


def _coordinates(
    problems: Mapping[str, RedundancyProblem], share: Array, wanted: Sequence[str] | None
) -> tuple[str, ...]:
    """The coordinates asked for, or those whose muscles have EMG in both directions."""
    first = next(iter(problems.values()))
    if wanted is not None:
        wanted = (wanted,) if isinstance(wanted, str) else tuple(wanted)
        check_names("coordinates", wanted, first.coordinates)
        if not wanted:
            raise InputError(explain("at least one coordinate", "none", "Leave coordinates out for the default."))
        return tuple(wanted)
    covered = np.min([_coverage(problem, share) for problem in problems.values()], axis=0)
    span = np.max([np.ptp(problem.generalized_force, axis=0) for problem in problems.values()], axis=0)
    enough = covered >= COVERED
    enough &= span >= LARGE * span[enough].max(initial=0.0)
    chosen = tuple(name for name, used in zip(first.coordinates, enough, strict=True) if used)
    if not chosen:
        best = sorted(zip(covered.tolist(), first.coordinates, strict=True), reverse=True)[:4]
        got = ", ".join(f"{name} {part:.0%}" for part, name in best)
        expected = f"a coordinate with EMG of {COVERED:.0%} of its muscles' moment capacity in both directions"
        raise InputError(explain(expected, got, "Map more channels, or name coordinates= yourself."))
    return chosen


def _coverage(problem: RedundancyProblem, share: Array) -> Array:
    """(D,) share of the moment capacity that muscles with EMG have, in the direction in which it is less."""
    own = problem.parameters
    assert own is not None
    capacity = problem.moment_arm * own.max_isometric_force
    measured = share.any(axis=1)
    found = []
    for direction in (1.0, -1.0):
        pull = np.maximum(direction * capacity, 0.0).mean(axis=0)
        whole = pull.sum(axis=1)
        found.append(np.divide(pull[:, measured].sum(axis=1), whole, out=np.zeros_like(whole), where=whole > 0.0))
    return np.asarray(np.minimum(*found)) * problem.geometry.served
