"""Muscle paths sampled: lengths and moment arms in quasi-random postures of a range of motion.

Exact paths are sampled in arrays, OpenSim's own in its process.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError, ModelError, explain, some
from ..files.given import Origin
from ..isolation import Progress, count_jobs, counted
from ..notices import warn
from ..polynomial.samples import PathSamples, Samples
from ..problem.arrays import Array, Index, Kinematics
from . import exact_sampling
from .exact import ExactPaths
from .messages import Mask
from .model import Model
from .motion import read_motion

#: rad, and m, by which postures go beyond the motions given.
MARGIN = np.deg2rad(10.0), 0.01
#: rad; the range of a joint is cut to this (OpenSim's default is ±10 rad).
WIDEST = np.pi
#: m (or m/rad); a muscle whose length changes less with a coordinate anywhere does not depend on it.
SPANS = 1e-6
#: Postures in which it is found out which muscles depend on which coordinates.
SURVEYED = 32
#: Postures held out of the fit for each one in it.
HELD_OUT = 0.25
#: Largest share of the postures without a path.
MOST_LOST = 0.1
#: Postures per call of opensim's process: a second or two of work.
CHUNK = 512


@dataclass(frozen=True, eq=False)
class Domain:
    """The postures that are sampled: defaults and range (N,) of every coordinate, and which of them move."""

    default: Array
    low: Array
    high: Array
    moving: Index

    def postures(self, count: int) -> Array:
        """(count, N) quasi-random postures: a Sobol sequence, shifted so that it does not start in a corner."""
        from scipy.stats import qmc

        size = max(1, len(self.moving))
        bits = int(np.ceil(np.log2(count)))
        points = qmc.Sobol(size, scramble=False).random_base2(bits)[:count]
        points = (points + np.random.default_rng(0).random(size)) % 1.0
        postures = np.repeat(self.default[None], count, axis=0)
        low, high = self.low[self.moving], self.high[self.moving]
        postures[:, self.moving] = low + (high - low) * points[:, : len(self.moving)]
        return postures


def choose_domain(model: Model, motions: Sequence[Origin | Kinematics]) -> Domain:
    """Ranges of motion: the model's, or those of the motions and a margin around them.

    Raises
    ------
    InputError
        A motion of another model.
    """
    coordinates = model.description.coordinates
    default = np.array([c.default for c in coordinates])
    widest = np.array([WIDEST if c.rotational else np.inf for c in coordinates])
    low = np.maximum([c.range[0] for c in coordinates], -widest)
    high = np.minimum([c.range[1] for c in coordinates], widest)
    if isinstance(motions, (str, os.PathLike)):
        raise InputError(explain("motions as a sequence of files", repr(motions), f"Write motions=[{motions!r}]."))
    if motions:
        read = [one if isinstance(one, Kinematics) else read_motion(one, model) for one in motions]
        values = np.concatenate([motion.value for motion in read])
        margin = np.array([MARGIN[0] if c.rotational else MARGIN[1] for c in coordinates])
        first, last = values.min(axis=0), values.max(axis=0)
        low = np.minimum(first, np.maximum(low, first - margin))
        high = np.maximum(last, np.minimum(high, last + margin))
    free = np.array(sorted(model.description.free), dtype=np.intp)
    usable = np.isfinite(low) & np.isfinite(high) & (high > low)
    return Domain(default, low, high, free[usable[free]])


def narrow(model: Model, domain: Domain, slope: Array) -> tuple[Domain, Mask]:
    """Keep the coordinates that muscles span; also returns (N, M) which do. A muscle that spans none gets one of them.

    ``slope`` (N, M) is the largest |∂l/∂q| found.

    Raises
    ------
    ModelError
        A muscle spans a coordinate that is not free or has no finite range; no muscle spans any.
    """
    coordinates = model.description.coordinates
    spans = slope > SPANS
    for index in np.flatnonzero(spans.any(axis=1)):
        if index not in domain.moving:
            c = coordinates[index]
            muscles = some(np.array(model.description.muscles.names)[spans[index]])
            got = f"'{c.name}' ({c.kind}, {domain.low[index]:g} to {domain.high[index]:g}), which {muscles} span"
            fix = "Free or lock it in the model, and give it a finite range (or give motions)."
            raise ModelError(explain("free coordinates with a finite range under every muscle", got, fix, model.path))
    if not spans.any():
        raise ModelError(explain("muscles that span coordinates", "none", "Is this the right model?", model.path))
    spans[np.argmax(spans.any(axis=1)), ~spans.any(axis=0)] = True
    return replace(domain, moving=np.flatnonzero(spans.any(axis=1))), spans


def sample_paths(
    model: Model,
    motions: Sequence[Origin | Kinematics] = (),
    postures: int = 2048,
    n_jobs: int | None = None,
    progress: Progress | None = None,
    skip: int = 0,
    exact: ExactPaths | None = None,
) -> tuple[Domain, PathSamples]:
    """Sample every muscle's length and moment arms, coupled coordinates following.

    Parameters
    ----------
    model
        As read; with joints welded, if any.
    motions
        Motions or their files; the range of each coordinate in them and 10° (1 cm) around it is sampled in place of the
        model's.
    postures
        Number of postures to fit to; a quarter more, in the gaps between these, are held out.
    n_jobs
        Processes that sample; default 1.
    progress
        Called with (postures done, postures in all).
    skip
        Postures of the sequence to leave out, so that another model is sampled in others.
    exact
        Paths to sample in place of OpenSim's, which muscles without one keep.

    Returns
    -------
    domain, samples
        The range with the coordinates that move, and the samples.

    Raises
    ------
    InputError, ModelError
        Wrong motions or options; a muscle over a prescribed coordinate; a range that is not finite; a muscle without a
        path in many postures; no muscle whose length is the integral of its moment arm.
    """
    if postures < SURVEYED:
        raise InputError(explain(f"at least {SURVEYED} postures", f"{postures}", "The default is 2048."))
    jobs = count_jobs(1 if n_jobs is None else n_jobs, 1)
    domain = choose_domain(model, motions)
    mobile = np.array(sorted([*model.description.free, *model.description.of_kind("prescribed")]), dtype=np.intp)
    few, names = domain.postures(SURVEYED), model.description.muscles.names
    slope = np.zeros((len(domain.low), len(names))) if exact is None else exact_sampling.survey(exact, model, few)
    if exact is None or len(exact.muscles) < len(names):
        left = np.ones(len(names), bool) if exact is None else ~exact_sampling.is_exact(exact, model)
        slope = np.where(left, model.run("sampling:survey", few, mobile), slope)
    domain, spans = narrow(model, domain, slope)
    value = domain.postures(skip + postures + int(np.ceil(HELD_OUT * postures)))[skip:]
    chunks = [value[start : start + CHUNK] for start in range(0, len(value), CHUNK)]
    parts: list[Samples] = []
    parts += counted(_sampled(model, chunks, spans, exact, jobs), CHUNK, len(value), progress)
    length, slope = (np.concatenate([getattr(part, name) for part in parts]) for name in ("length", "slope"))
    mismatch, named = np.max([part.mismatch for part in parts], axis=0), model.description
    samples = PathSamples(
        named.muscle_paths, named.coordinate_paths, spans, domain.low, domain.high, value, length, slope, postures,
        mismatch,
    )  # fmt: skip
    _refuse_lost(model, samples)
    if len(samples.left) == len(samples.muscles):
        got = f"none: {some(f'{name} is off by {1e3 * size:.1f} mm' for name, size in samples.left.items())}"
        fix = "Use geometry='opensim', OpenSim's own paths."
        raise ModelError(explain("a muscle whose moment arm is -dl/dq of OpenSim's length", got, fix, model.path))
    return domain, samples


def _sampled(
    model: Model, chunks: Sequence[Array], spans: Mask, exact: ExactPaths | None, jobs: int
) -> Iterator[Samples]:
    """Samples of each chunk of postures: of exact paths, and of OpenSim's where a muscle has no exact one."""
    by_opensim: Iterable[Samples | None] = itertools.repeat(None)
    if exact is None or len(exact.muscles) < len(model.description.muscles.names):
        by_opensim = model.run_many("sampling:sample", ((chunk, spans) for chunk in chunks), jobs)
    for chunk, found in zip(chunks, by_opensim, strict=False):
        if exact is not None:
            yield exact_sampling.sample(exact, model, chunk, spans, found)
        elif found is not None:
            yield found


def _refuse_lost(model: Model, samples: PathSamples) -> None:
    """Refuse muscles without a path (NaN, where wrapping fails) in many postures; a few are left out of the fit."""
    lost = np.mean(~np.isfinite(samples.length[: samples.fitted]), axis=0) > MOST_LOST
    if lost.any():
        names = some(np.array(samples.muscles)[lost])
        got = f"none for {names} in more than {100.0 * MOST_LOST:g} % of the postures"
        raise ModelError(explain("a path length", got, "Repair their wrapping, or give motions.", model.path))


def warn_of_left(left: Mapping[str, float]) -> None:
    """Name the muscles that are left to OpenSim's own paths, with the mismatch in m of moment arm and −∂l/∂q."""
    names = some([f"{name} ({1e3 * mismatch:.1f} mm)" for name, mismatch in left.items()], 12)
    warn(f"Left to OpenSim's own paths, as -dl/dq of the length is off the moment arm by up to: {names}.")
