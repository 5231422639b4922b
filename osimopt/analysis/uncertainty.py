"""propagate_uncertainty: percentiles of activations, forces and joint reactions for uncertain muscle parameters.

A model's strengths, fibre and tendon lengths and moment arms are measured on other people. Each sample draws them
anew, builds the problem again and solves it to the same accuracy as the nominal one; thousands of frames of many
samples go to the batched solver at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..devices import Device
from ..errors import InputError, explain, shown
from ..namespace import Tensor, namespace, plain
from ..problem.arrays import Array
from ..problem.contact import Contact, contact_text, read_contacts
from ..problem.problem import RedundancyProblem
from ..problem.reactions import Affine, Frame, On, reactions_of
from ..solution.solution import RedundancySolution
from ..static.options import Contacts
from ..static.solve import solve_static
from .bands import REACTION, UncertaintyBands
from .perturb import Draws, Spread

#: Bytes of the samples kept for percentiles, with NumPy and on a device; longer motions are solved a few frames at a
#: time, all samples each.
MEMORY = 256_000_000
DEVICE_MEMORY = 16 * MEMORY
#: Frames of all samples together that are passed to the solver at once with NumPy.
STACK = 4096


def propagate_uncertainty(
    problem: RedundancyProblem,
    uncertainty: Mapping[str, Spread],
    samples: int = 1000,
    seed: int = 0,
    percentiles: Sequence[float] = (5.0, 50.0, 95.0),
    *,
    cost: str = "activation_power",
    exponent: float = 2,
    weights: ArrayLike | None = None,
    contact: Contacts = None,
    joints: str | Sequence[str] = (),
    on: On = "child",
    frame: Frame = "ground",
    nominal: RedundancySolution | None = None,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> UncertaintyBands:
    """Solve a problem repeatedly with random parameters.

    Parameters
    ----------
    problem : RedundancyProblem
        Problem with T frames, M muscles and D coordinates.
    uncertainty : mapping of str to float, mapping or callable
        Spread by parameter: ``max_isometric_force``, ``optimal_fiber_length``, ``tendon_slack_length``,
        ``pennation_angle`` (a factor for each muscle), ``moment_arm`` (for each muscle about each coordinate; lengths
        stay) and ``generalized_force`` (for each coordinate). A number is the relative standard deviation of
        independent log-normal factors with mean 1; a mapping gives it by name of muscle or coordinate, others being
        certain; a function of (numpy Generator, shape) returns the factors, one row per sample, with any correlation.
        A factor holds in all frames of its sample. pcsa is fixed, so that uncertain strength is uncertain specific
        tension.
    samples, seed : int
        Number of samples, and seed of the random numbers; the same seed gives the same bands.
    percentiles : sequence of float
        Percentiles between 0 and 100.
    cost, exponent, weights, contact
        As in :func:`osimopt.solve_static`.
    joints : str or sequence of str
        Joints whose reactions get bands too. They are those of the samples' muscle forces: lines of action, inertia and
        loads are the same in all samples.
    on, frame
        As in :meth:`RedundancySolution.joint_reactions`.
    nominal : RedundancySolution, optional
        The problem's own solution for this cost, if known.
    device : str, default "cpu"
        Where samples are drawn up, solved and sorted: NumPy, or by torch ``"torch"``, ``"cuda"``, …; where the problem
        is, if it is on a device. The bands are NumPy's.
    progress : callable, optional
        Called with (frames done, number of frames) over all samples.

    Returns
    -------
    UncertaintyBands
        Samples without a solution are counted in ``failed`` and reported by ``findings()``.

    Raises
    ------
    InputError
        Unknown parameters or names, before anything is solved; fibre parameters of a problem whose maximum forces do
        not follow from them.

    Examples
    --------
    >>> import osimopt
    >>> problem = osimopt.RedundancyProblem.from_arrays([0.05], [1000.0], 10.0)
    >>> bands = osimopt.propagate_uncertainty(problem, {"max_isometric_force": 0.1}, samples=200)
    >>> bands.activation[:, 0, 0].round(2)
    array([0.17, 0.2 , 0.23])

    The force that a joint transmits, which the muscle presses with its own force and a lever with a third as much:

    >>> import dataclasses
    >>> from osimopt.problem.reactions import JointReactions
    >>> pressing = JointReactions.from_arrays("knee", [0, 0, 0], [[0], [-4 / 3], [0]], problem.muscles, 700.0)
    >>> jointed = dataclasses.replace(problem, reactions=pressing)
    >>> bands = osimopt.propagate_uncertainty(jointed, {"moment_arm": 0.1}, samples=200, joints="knee")
    >>> bands.to_dataframe("joint_reactions")["knee"]["f"].round(-1).to_numpy()
    array([[230., 270., 310.]])
    """
    levels = np.atleast_1d(np.asarray(percentiles, dtype=float))
    if not (levels.ndim == 1 and levels.size and ((levels >= 0.0) & (levels <= 100.0)).all()):
        raise InputError(explain("percentiles between 0 and 100", f"{percentiles}", "(5, 50, 95) is the default."))
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 1:
        raise InputError(explain("a number of samples ≥ 1", repr(samples), "1000 is the default."))
    if weights is not None:
        problem = problem.with_weights(weights)
    if not isinstance(joints, str | Sequence):
        fix = "Give for example joints=['walker_knee_l']."
        raise InputError(explain("joints as names, patterns or a side", shown(joints), fix))
    wanted, contacts = [joints] if isinstance(joints, str) else list(joints), read_contacts(contact)
    if transmit := list(dict.fromkeys([*wanted, *(one.joint for one in contacts)])):
        problem = problem.with_reactions(transmit)
    problem = problem if device == "cpu" else problem.to(device)
    draws = Draws.of(problem, uncertainty, samples, seed)
    if nominal is None:
        nominal = solve_static(problem, cost, exponent, contact=contacts, on_failure="return")
    elif contact_text(nominal.contact) != contact_text(contacts):
        expected, got = (contact_text(one) or "no contact" for one in (contacts, nominal.contact))
        fix = "Give the contact= that it was solved with, or leave nominal out."
        raise InputError(explain(f"a nominal solution with {expected}", str(got), fix))
    frames = len(problem)
    widths = len(problem.muscles), len(problem.muscles), len(REACTION) * len(wanted)
    bands = [np.full((levels.size, frames, width), np.nan) for width in widths]
    failed = np.zeros(frames, dtype=np.intp)
    at_once = max(1, (MEMORY if problem.device == "cpu" else DEVICE_MEMORY) // (8 * samples * sum(widths)))
    for first in range(0, frames, at_once):
        keep = slice(first, min(first + at_once, frames))

        def report(done: int, first: int = first, few: int = keep.stop - first) -> None:
            if progress is not None:
                progress(first * samples + done * few, frames * samples)

        part = problem.frames(keep)
        affine = [reactions_of(part, [joint]).affine(part, joint, on, frame) for joint in wanted]
        drawn = _solve_samples(part, draws, cost, exponent, contacts, affine, report)
        solved = namespace(drawn[0]).isfinite(drawn[0]).all(axis=2)
        failed[keep] = plain((~solved).sum(axis=0))
        for values, band in zip(drawn, bands, strict=True):
            band[:, keep] = plain(_percentiles(values, solved, levels))
    provenance = {"uncertainty": {name: _plain(spread) for name, spread in uncertainty.items()}, "seed": seed}
    activation, force, flat = bands
    reaction = flat.reshape(levels.size, frames, len(wanted), len(REACTION))
    return UncertaintyBands(
        nominal.to("cpu"), levels, activation, force, samples, failed, provenance, tuple(wanted), reaction
    )


def _solve_samples(
    problem: RedundancyProblem, draws: Draws, cost: str, exponent: float, contacts: tuple[Contact, ...],
    affine: list[Affine], report: Callable[[int], None],
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Activation, muscle force (S, T, M) and reactions (S, T, 7 J) of all samples."""
    place, width = Device.at(problem.max_force), len(problem.geometry.pair_muscle)
    together = max(1, (STACK if place.name is None else place.together(width)) // len(problem))
    if problem.reactions is not None:  # samples need what their cost has, and no more
        pressed = problem.reactions.select(list(dict.fromkeys(one.joint for one in contacts)))
        problem = replace(problem, reactions=pressed if contacts else None)
    parts = []
    for first in range(0, draws.samples, together):
        keep = slice(first, min(first + together, draws.samples))
        subjects = draws.subjects(problem, keep)
        solution = solve_static(subjects, cost, exponent, contact=contacts, on_failure="return")
        shape = (keep.stop - first, len(problem), -1)
        activation, force = solution.activation.reshape(shape), solution.muscle_force.reshape(shape)
        control = solution.reserve_control.reshape((*shape[:2], len(problem.reserves.names)))
        parts.append((activation, force, _reactions(affine, force, control)))
        report(keep.stop)
    xp = namespace(parts[0][0])
    activation, force, reaction = (xp.concat(own) for own in zip(*parts, strict=True))
    return activation, force, reaction


def _reactions(affine: list[Affine], force: Array, control: Array) -> Tensor:
    """(S, T, 7 J) reactions, and the size of their forces, of tendon forces (S, T, M) and controls (S, T, K)."""
    xp, found = namespace(force), []
    forces = xp.concat([force, control], axis=2)
    for joint in affine:
        reaction = joint.constant + xp.einsum("tcu,stu->stc", joint.effect, forces)
        size = xp.sqrt(xp.sum(reaction[:, :, :3] ** 2, axis=2, keepdims=True))
        found += [reaction, size]
    return xp.concat(found, axis=2) if found else force[:, :, :0]


def _percentiles(values: Array, solved: Array, levels: Array) -> Tensor:
    """Percentiles (Q, T, M) of the ``solved`` (S, T) of samples (S, T, M), linear between them; NaN without any."""
    xp = namespace(values)
    ordered = xp.sort(xp.where(solved[..., None], values, xp.nan), axis=0)  # NaN comes last
    count = xp.astype(xp.sum(xp.astype(solved, xp.int64), axis=0), values.dtype)
    found = []
    for level in levels.tolist():
        at = xp.clip(0.01 * level * (count - 1.0), 0.0, None)
        low = xp.floor(at)
        rows = [xp.astype(one, xp.int64) for one in (low, xp.minimum(low + 1.0, xp.clip(count - 1.0, 0.0, None)))]
        ends = [
            xp.take_along_axis(ordered, xp.broadcast_to(row[None, :, None], (1, *values.shape[1:])), axis=0)[0]
            for row in rows
        ]
        between = ends[0] + (at - low)[:, None] * (ends[1] - ends[0])
        found.append(xp.where((count > 0.0)[:, None], between, xp.nan))
    return xp.concat([one[None] for one in found])


def _plain(spread: Spread) -> Any:
    """A spread for provenance: a number, a dict, or the name of a function."""
    if callable(spread):
        return getattr(spread, "__name__", "function")
    return dict(spread) if isinstance(spread, Mapping) else float(spread)
