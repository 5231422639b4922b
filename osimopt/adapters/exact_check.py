"""Exact paths and dynamics checked in frames of a trial, and the forces of its solution put back: by arrays alone.

Each is compared with what another way of computing gives (:mod:`.exact_bench`). Where differences of places are not
accurate enough, as near a knot of a spline or where a path is short, they are taken again over smaller steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..problem.arrays import Array, Index, MuscleGeometry
from .exact_bench import Bench, set_up
from .judgement import LIMITS, judged
from .messages import Difference
from .model import Model

#: Central differences of velocities, those ahead and those behind: a spline may have a knot to one side.
SIDES = (0, 1, 2)


def check_paths(bench: Bench, model: Model, geometry: MuscleGeometry, muscles: Sequence[int]) -> dict[str, Any]:
    """Compare a geometry in the frames of a bench with lengths in displaced postures; returns the differences.

    ``muscles`` are those of the geometry that are compared, with an exact path.

    Raises
    ------
    ModelError
        Moment arms or lengthening speeds that are no slopes of lengths; lengths of straight paths that are not the
        distances of their points; dependent coordinates that constraints do not hold.
    """
    columns = np.array([bench.paths.muscles.index(geometry.muscles[muscle]) for muscle in muscles], dtype=np.intp)
    off = _path_differences(bench, geometry, muscles, columns)
    if any(_exceeds(kind, sizes) for kind, sizes in off.items()):
        closer = _path_differences(_closer(bench), geometry, muscles, columns)
        off = {kind: np.minimum(sizes, closer[kind]) for kind, sizes in off.items()}
    own = [geometry.muscles[muscle] for muscle in muscles]
    found = {kind: (own, sizes) for kind, sizes in off.items()}
    apart = _dependents(bench)
    if any(_exceeds(kind, sizes) for kind, (_, sizes) in apart.items()):
        nearer = _dependents(_closer(bench))
        apart = {kind: (names, np.minimum(sizes, nearer[kind][1])) for kind, (names, sizes) in apart.items()}
    return _judged(model, bench, {**found, **apart})


def check_dynamics(bench: Bench, model: Model, force: Array) -> dict[str, Any]:
    """Compare generalized forces (T, D) about the free coordinates with the work that the motion needs.

    Raises
    ------
    ModelError
        They differ by more than rounding.
    """

    def missed(bench: Bench) -> Array:
        return np.asarray(bench.needed - np.einsum("ktd,td->kt", bench.direction, force))

    return _check_work(bench, model, "equations of motion", missed, np.abs(force).max(axis=1, initial=1.0))


def check_forces(
    bench: Bench, model: Model, tension: Array, outputs: Mapping[str, Array], applied: Array, largest: Array
) -> dict[str, Any]:
    """Compare the work of muscles and actuators with what the motion needs, as a share of the ``largest`` (T,) force.

    Tensions (T, M) pull at the points of exact paths, ``outputs`` are controls (T,) of the model's own actuators by
    name, ``applied`` (T, D) all other generalized forces about the free coordinates, less what is known to be missed.

    Raises
    ------
    ModelError
        The forces do not give the motion's accelerations.
    """

    def missed(bench: Bench) -> Array:
        others = np.einsum("ktd,td->kt", bench.direction, applied)
        return np.asarray(bench.needed - bench.pulled(tension) - bench.actuated(outputs) - others)

    return _check_work(bench, model, "accelerations", missed, np.maximum(largest, 1.0))


def _path_differences(
    bench: Bench, geometry: MuscleGeometry, muscles: Sequence[int], columns: Index
) -> dict[str, Array]:
    """Differences (T, M) by kind."""
    frames, own = bench.displaced.frames, list(muscles)
    slopes = bench.displaced.slopes(bench.length, sides=3)[:, columns]  # (3, M, K + 1, T)
    arms = np.einsum("tdm,ktd->mkt", geometry.moment_arm[:, :, own], bench.direction)
    speed = np.asarray(geometry.lengthening_speed)[:, own].T
    off = np.abs(slopes - np.concatenate([-arms, speed[:, None]], axis=1)).min(axis=0)
    fastest = np.maximum(np.abs(bench.motion.speed).max(axis=1, initial=0.0), 1.0)
    straight = np.zeros_like(bench.length[:, :frames])
    for one in bench.solved:
        apart = -np.einsum("cjmt,cjmt->mt", *(np.nan_to_num(part[..., :frames]) for part in (one.pull, one.place)))
        touched = one.touched[..., :frames].any(axis=0)
        straight[one.bundle.rows] = np.where(touched, np.nan, apart)
    known = np.asarray(geometry.length)[:, own].T
    apart = np.where(np.isnan(straight[columns]), 0.0, np.abs(known - straight[columns]))
    return {
        "slopes of lengths": off[:, :-1].max(axis=1).T,
        "lengthening speeds": (off[:, -1] / fastest).T,
        "straight lengths": apart.T,
    }


def _dependents(bench: Bench) -> dict[str, tuple[Sequence[str], Array]]:
    """By how much constraints are missed, and what the rates of dependent coordinates change that by."""
    multibody = bench.paths.multibody
    names = [coupler.name for coupler in multibody.couplers]
    names += [f"constraint {row}" for row in range(len(bench.errors) - len(names))]
    if not names:
        return {}
    fastest = np.maximum(np.abs(bench.motion.speed).max(axis=1, initial=0.0), 1.0)
    change = np.abs(bench.displaced.slopes(bench.errors, sides=3)).min(axis=0)
    change[:, -1] /= fastest
    off = np.maximum(np.abs(bench.errors[:, : bench.displaced.frames]), change.max(axis=1))
    return {"dependent coordinates": (names, off.T)}


def _check_work(
    bench: Bench, model: Model, kind: str, missed: Callable[[Bench], Array], largest: Array
) -> dict[str, Any]:
    """Judge what work (K, T) is missed by; where it is too much, find the coordinate."""
    off = np.abs(missed(bench)).max(axis=0) / largest
    if not _exceeds(kind, off):
        return _judged(model, bench, {kind: ([""], off[:, None])})
    frames, free = len(largest), bench.free
    each = np.broadcast_to(np.eye(len(free))[:, None], (len(free), frames, len(free)))
    whole = set_up(bench.paths, bench.dynamics, bench.motion, free, each, closer=True)
    nearer = [np.abs(missed(_closer(bench, side))).max(axis=0) / largest for side in SIDES]
    off = np.min([off, *nearer], axis=0)
    by_coordinate = np.abs(missed(whole))  # (D, T)
    names = [bench.motion.coordinates[index] for index in free]
    sizes = np.where(by_coordinate >= by_coordinate.max(axis=0), off, 0.0)
    return _judged(model, bench, {kind: (names, sizes.T)})


def _closer(bench: Bench, side: int = 0) -> Bench:
    """The same with smaller steps, in time to both sides, ahead or behind."""
    return set_up(bench.paths, bench.dynamics, bench.motion, bench.free, bench.direction, True, side)


def _exceeds(kind: str, sizes: Array) -> bool:
    return bool((sizes > LIMITS[kind][0]).any())


def _judged(model: Model, bench: Bench, off: Mapping[str, tuple[Sequence[str], Array]]) -> dict[str, Any]:
    """Judge the largest difference (T, n) of each frame, of things of some names, by kind."""
    time, differences = bench.motion.time, list[Difference]()
    for kind, (names, sizes) in off.items():
        known = np.where(np.isnan(sizes), -np.inf, sizes)
        worst = known.argmax(axis=1) if len(names) else []
        for frame, place in enumerate(worst):
            differences.append(Difference(kind, float(sizes[frame, place]), names[place], frame))
    return {"times_s": time.tolist(), **judged(differences, model, time)}
