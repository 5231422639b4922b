"""The trials that ``osimopt train`` is given: their lengths, their problems, and options that a stopped one had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..adapters.options import ReadOptions
from ..errors import InputError, explain
from ..options import declared
from . import options
from .terminal import progress, say

if TYPE_CHECKING:
    from ..problem.problem import RedundancyProblem

Kinds = StrEnum("Kinds", ["static", "dynamic"])
#: Options that determine what a dynamic surrogate is trained on; others change the training alone.
DATA = ("kind", "duration", "sizes", "strengths", "solutions", "seed", "quick")
#: Options that change no result, and files, whose contents count.
NO_OPTIONS = ("model", "motions", "external_loads", "generalized_force", "variant", "out", "device", "cache", "jobs",
              "figure", "overwrite", "reading")  # fmt: skip


def trials_of(
    models: Sequence[Path],
    motions: Sequence[Path],
    loads: Sequence[Path] | None,
    forces: Sequence[Path] | None,
    reading: dict[str, Any],
) -> list[ReadOptions]:
    """What to read, for every model and motion."""
    files = {"external_loads": loads, "generalized_force": forces}
    for name, given in files.items():
        if given and len(given) != len(motions):
            flag = "--" + name.replace("_", "-")
            fix = f"Give {flag} once for each motion, in their order."
            raise InputError(explain(f"{len(motions)} of {flag}, as there are motions", f"{len(given)}", fix))
    return [
        options.read_options(
            model, motion, {**reading, **{name: given[number] for name, given in files.items() if given}}
        )
        for model in models
        for number, motion in enumerate(motions)
    ]


def problems_of(trials: Sequence[ReadOptions], jobs: int | None, cache: Path | None) -> list[RedundancyProblem]:
    """Read the problems of trials."""
    from ..adapters.load import read_problem
    from ..pipeline.read import with_networks

    problems = []
    for number, trial in enumerate(trials, 1):
        with progress(f"Reading trial {number} of {len(trials)}") as moved:
            problems.append(read_problem(with_networks(trial), jobs, cache, moved))
    return problems


def refuse_geometry(trial: ReadOptions, sizes: tuple[float, float] | None) -> None:
    """Refuse sizes of bodies without exact geometry."""
    if sizes not in (None, (1.0, 1.0)) and trial.geometry != "exact":
        fix = "Leave --geometry or --sizes out."
        raise InputError(explain("exact geometry with --sizes", f"--geometry {trial.geometry}", fix))


def check_lengths(kind: Kinds, motions: Sequence[ReadOptions], trials: int, duration: float | None) -> dict[str, float]:
    """Refuse trials that are too short, from their times alone; of a dynamic training, return the duration of windows.

    ``trials`` are as many as there are of ``motions`` and models. Where the duration differs from the default it is
    printed.
    """
    from ..adapters.motion import choose_frames, read_motion_table
    from ..files.series import frame_times
    from ..training.training_data import check_frames
    from ..training.windows import MARGIN, choose_windows

    found = []
    for one in motions:
        time = frame_times(read_motion_table(one.motion))
        found.append((str(one.motion), time[choose_frames(time, one.time_range, one.motion)]))
    every = found * (trials // len(motions))
    if kind == Kinds.static:
        check_frames([(name, len(time)) for name, time in every])
        return {}
    windows = choose_windows([(name, float(time[-1] - time[0])) for name, time in every], duration)
    if windows.note:
        say(f"Windows of {windows.duration:g} s, {windows.note}; {MARGIN:g} s more are solved at either end.")
    return {"duration": windows.duration}


def known_options(
    kind: Kinds, given: Mapping[str, Any], trials: Sequence[ReadOptions]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options of the data of a training and all others, by flag, with which a stopped training is compared."""
    from ..files.storage import sha256

    named = {f"--{name.replace('_', '-')}": value for name, value in given.items() if name not in NO_OPTIONS}
    of_data = {f"--{name}" for name in DATA} if kind == Kinds.dynamic else set(named)
    reading = {
        options.flags_of(name, declared(ReadOptions)[name][1])[0]: value for name, value in trials[0].settings().items()
    }
    files = sorted({(Path(str(path)).name, sha256(path)) for one in trials for path in one.files().values()})
    data = {"files": files, **reading, **{name: value for name, value in named.items() if name in of_data}}
    return data, {name: value for name, value in named.items() if name not in of_data}
