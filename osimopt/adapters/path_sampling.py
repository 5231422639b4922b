"""Muscle paths sampled in opensim's process: lengths and moment arms in quasi-random postures of a range of motion."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from .. import isolation
from ..errors import InputError, ModelError, explain, some
from ..notices import warn
from ..polynomial.samples import PathSamples, Samples, Survey
from .domain import Domain, choose_domain, mobile, narrow
from .model import Model

Progress = Callable[[int, int], None]

WORKER = "osimopt.adapters.worker.sampling:"
#: Postures that are tried to find out which muscles depend on what.
SURVEYED = 32
#: Postures held out of the fit for each one in it.
HELD_OUT = 0.25
#: Share of the postures in which OpenSim may find no path.
MOST_LOST = 0.1
#: Postures per call of opensim's process: a second or two of work.
CHUNK = 512


def sample_paths(
    model: Model,
    motions: Sequence[str | os.PathLike[str]] = (),
    postures: int = 2048,
    n_jobs: int | None = None,
    progress: Progress | None = None,
    skip: int = 0,
) -> tuple[Domain, PathSamples]:
    """Sample every muscle's length and moment arms, coupled coordinates following.

    Parameters
    ----------
    model
        As read; with joints welded, if any.
    motions
        Motion files, whose range of each coordinate and 10° (1 cm) around it is sampled in place of the model's.
    postures
        To fit to; a quarter more, in the gaps between these, are held out.
    n_jobs
        Processes that sample; default 1.
    progress
        Called with (postures done, postures in all).
    skip
        Postures of the sequence to leave out, so that another model is sampled in others.

    Returns
    -------
    domain, samples
        The range and the coordinates that move, and what was found.

    Raises
    ------
    InputError, ModelError
        Wrong motions or options; a muscle over a prescribed coordinate; a range that is not finite; a muscle without a
        path in many postures; no muscle whose length is the integral of its moment arm.
    """
    _check_options(postures, n_jobs)
    domain = choose_domain(model, motions)
    found: Survey = isolation.run(
        "opensim", WORKER + "survey", model.key, domain.postures(SURVEYED), mobile(model), subject=model.path
    )
    domain, spans = narrow(model, domain, found.slope)
    value = domain.postures(skip + postures + int(np.ceil(HELD_OUT * postures)))[skip:]
    chunks = [value[start : start + CHUNK] for start in range(0, len(value), CHUNK)]
    calls = [(model.key, chunk, spans) for chunk in chunks]
    parts: list[Samples] = []
    for part in isolation.run_many("opensim", WORKER + "sample", calls, subject=model.path, n_jobs=n_jobs or 1):
        parts.append(part)
        if progress is not None:
            progress(min(len(parts) * CHUNK, len(value)), len(value))
    length, slope = (np.concatenate([getattr(part, name) for part in parts]) for name in ("length", "slope"))
    samples = PathSamples(
        found.muscle_paths, found.coordinate_paths, spans, domain.low, domain.high, value, length, slope, postures,
        np.max([part.mismatch for part in parts], axis=0),
    )  # fmt: skip
    _refuse_lost(model, samples)
    if len(samples.left) == len(samples.muscles):
        got = f"none: {some(f'{name} is off by {1e3 * size:.1f} mm' for name, size in samples.left.items())}"
        fix = "Use geometry='opensim', OpenSim's own paths."
        raise ModelError(explain("a muscle whose moment arm is -dl/dq of OpenSim's length", got, fix, model.path))
    return domain, samples


def _refuse_lost(model: Model, samples: PathSamples) -> None:
    """OpenSim finds no path (NaN) where wrapping fails; such postures are not fitted, but they must be few."""
    lost = np.mean(~np.isfinite(samples.length[: samples.fitted]), axis=0) > MOST_LOST
    if lost.any():
        names = some(np.array(samples.muscles)[lost])
        got = f"none for {names} in more than {100.0 * MOST_LOST:g} % of the postures"
        raise ModelError(explain("a path length", got, "Repair their wrapping, or give motions.", model.path))


def _check_options(postures: int, n_jobs: int | None) -> None:
    if postures < SURVEYED:
        raise InputError(explain(f"at least {SURVEYED} postures", f"{postures}", "The default is 2048."))
    if n_jobs is not None and n_jobs < 1:
        raise InputError(explain("jobs of at least 1, or None", f"{n_jobs}", "Give a number of processes."))


def warn_of_left(left: Mapping[str, float], stacklevel: int = 3) -> None:
    """Name the muscles that are left to OpenSim's own paths, with the mismatch in m of moment arm and −∂l/∂q."""
    names = some([f"{name} ({1e3 * mismatch:.1f} mm)" for name, mismatch in left.items()], 12)
    warn(f"Left to OpenSim's own paths, as -dl/dq of the length is off the moment arm by up to: {names}.", stacklevel)
