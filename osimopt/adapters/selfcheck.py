"""A model, a trial and a solution, asked of OpenSim a second way; what differs is refused.

What is compared, and how, is in ``worker.selfcheck``. Once per model (its result kept by the hash of its files): random
postures, rates and accelerations. Once per trial: three frames. After solving: three frames, whose forces go back into
OpenSim. Results are plain data for ``provenance["self_check"]``.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import isolation
from ..errors import InputError, ModelError, explain, some
from ..files.storage import sha256
from ..problem.arrays import Kinematics
from .arrays import extract
from .completion import follow
from .messages import Claims, Difference, ModelKey, Pairs, Wanted
from .model import Model

Array = NDArray[np.float64]
WORKER = "osimopt.adapters.worker.selfcheck:"

#: Postures of the check of a model, those of them in which lengths are compared with moment arms (which is slow), and
#: the spread of rates (rad/s, m/s) and accelerations.
POSTURES, SLOPES, RATE, ACCELERATION = 50, 10, 1.0, 10.0
#: Frames of the checks of a trial and of a solution, and muscles that are compared in each frame of a trial.
FRAMES, MUSCLES = 3, 2
#: rad or m; beyond this a range is not believed, and angles of joints with gimbal lock are kept from it.
WIDEST, UPRIGHT = np.pi, 1.2
#: m; a moment arm and −∂l/∂q may differ by this much before the muscle's length is named.
INCONSISTENT = 1e-3
#: By kind of difference: how much is rounding, its unit, and what is compared. For maximum forces it is more: OpenSim
#: inverts Thelen's force-velocity curve by Newton's method to 1e-6 in speed, where the closed form is used here, and
#: the curve rises there by 2 + 2/Af, 10 for Af = 0.25.
LIMITS = {
    "coordinates": (1e-9, "rad or m", "coordinates that read back as they were set"),
    "rates": (1e-8, "of the largest rate", "speeds whose rates are those of the motion"),
    "moment arms": (1e-6, "m", "moment arms as computeMomentArm has them"),
    "maximum forces": (3e-5, "of max_isometric_force", "forces as calcInextensibleTendonActiveFiberForce has them"),
    "inverse dynamics": (1e-6, "of the largest moment", "moments that forward dynamics turns into the accelerations"),
    "accelerations": (1e-6, "of the largest moment", "forces that give the motion's accelerations in OpenSim"),
}
#: Results by the hash of the model, for the life of the process.
_known: dict[str, dict[str, Any]] = {}


def check_model(model: Model, time: float, n_jobs: int, folder: str | os.PathLike[str] | None) -> dict[str, Any]:
    """Check a model once: by hash, in this process and in ``folder`` where there is one.

    ``time`` (s) is one at which its loads are known.

    Raises
    ------
    ModelError
        Two ways of asking OpenSim differ by more than rounding.
    """
    name = _hash(model.key)
    if name not in _known:
        kept = None if folder is None else Path(folder) / f"self_check-{name}.json"
        found = None if kept is None else _recall(kept)
        if found is None:
            found = _check_model(model, time, n_jobs)
            if kept is not None:
                _keep(found, kept)
        _known[name] = found
    return _known[name]


def check_trial(model: Model, motion: Kinematics, claims: Claims, n_jobs: int = 1) -> dict[str, Any]:
    """Check the arrays (T, …) of the frames of a motion.

    In each frame two muscles are compared, and those whose moment arms differed in the random postures of the model.

    Raises
    ------
    ModelError
        What was extracted is not what OpenSim's single calls give.
    """
    names = model.description.muscles.names
    stride = -(-len(names) // MUSCLES)
    suspects = {names.index(name) for name in _known.get(_hash(model.key), {}).get("moment_arms_off_mm", {})}
    calls = []
    for frame in range(len(motion.time)):
        muscles = tuple(sorted({*range(frame % stride, len(names), stride), *suspects}))
        row = slice(frame, frame + 1)
        calls.append((model.key, motion.frames(row), claims.frames(row), muscles))
    return {"times_s": motion.time.tolist(), **_judged(_compare(model, calls, n_jobs), model, motion.time)}


def _compare(model: Model, calls: Sequence[tuple[Any, ...]], n_jobs: int) -> list[Difference]:
    """Differences in consecutive parts (key, motion, claims, muscles) of a motion; frames are those of the whole."""
    found, first = [], 0
    results = isolation.run_many("opensim", WORKER + "check_frames", calls, subject=model.path, n_jobs=n_jobs)
    for (_, motion, *_), own in zip(calls, results, strict=True):
        found += [replace(difference, frame=first + difference.frame) for difference in own]
        first += len(motion.time)
    return found


def check_forces(
    model: Model, motion: Kinematics, muscle: Array, actuator: Array, applied: Array, missed: float
) -> dict[str, Any]:
    """Put the forces of a solution back into OpenSim: see ``worker.selfcheck.check_forces``.

    ``missed`` is what the solution itself says that its moments miss, as a share of the largest.

    Raises
    ------
    ModelError
        The forces do not give the motion's accelerations.
    """
    differences = isolation.run(
        "opensim", WORKER + "check_forces", model.key, motion, muscle, actuator, applied, subject=model.path
    )
    return {"times_s": motion.time.tolist(), **_judged(differences, model, motion.time, missed)}


def spread(frames: int) -> NDArray[np.intp]:
    """Rows of up to three frames, spread over all of them."""
    return np.unique(np.linspace(0, frames - 1, FRAMES + 2).round().astype(np.intp)[1:-1])


def _check_model(model: Model, time: float, n_jobs: int) -> dict[str, Any]:
    motion = _random_motion(model, time, n_jobs)
    everyone = tuple(range(len(model.description.muscles.names)))
    found = "osimopt.adapters.worker.geometry:find_pairs"
    pairs: Pairs = isolation.run("opensim", found, model.key, motion.value, everyone, subject=model.path)
    arrays = extract(model, motion, pairs, Wanted(everyone, True, False), n_jobs, None)
    if arrays.geometry is None:
        return {"not_checked": "no muscles"}
    arms, moments = arrays.geometry.moment_arms, np.asarray(arrays.generalized_force)
    claims, calls = Claims(pairs, arms, None, moments), []
    size = -(-POSTURES // max(2, n_jobs))
    for number, first in enumerate(range(0, POSTURES, size)):
        part = slice(first, first + size)  # computeMomentArm is the slow call: every other muscle, in turn
        calls.append((model.key, motion.frames(part), claims.frames(part), everyone[number % 2 :: 2]))
    differences = _compare(model, calls, n_jobs)
    few = slice(0, SLOPES)
    _refuse_derivatives(model, motion.value[few])
    slopes = isolation.run(
        "opensim", WORKER + "check_slopes", model.key, motion.value[few], pairs, arms[few], subject=model.path
    )
    arms_off = _worst(own for own in differences if own.kind == "moment arms")
    others = [own for own in differences if own.kind != "moment arms" or own.where not in arms_off]
    return {
        "postures": POSTURES,
        **_judged(others, model, motion.time),
        "moment_arms_off_mm": arms_off,
        "length_slopes_off_mm": {
            name: round(1e3 * size, 1) for name, size in sorted(slopes.items()) if size > INCONSISTENT
        },
    }


def _worst(differences: Iterable[Difference]) -> dict[str, float]:
    """Muscles whose moment arms differ anywhere by more than rounding, in mm.

    In random postures, where a path may find no solution, they refuse no model; they are asked in every trial.
    """
    worst: dict[str, float] = {}
    for own in differences:
        if not own.size <= LIMITS["moment arms"][0]:
            worst[own.where] = max(worst.get(own.where, 0.0), round(1e3 * own.size, 3))
    return worst


def _refuse_derivatives(model: Model, value: Array) -> None:
    """Refuse functions and joints whose derivatives contradict their values: OpenSim's own dynamics are wrong there."""
    functions, joints = isolation.run("opensim", WORKER + "check_derivatives", model.key, value, subject=model.path)
    if wrong := [*functions, *joints]:
        fix = (
            "OpenSim's speeds and forces are wrong with them: replace a function by a spline or a PolynomialFunction, "
            "a joint by a CustomJoint."
        )
        expected = "functions and joints that move as their derivatives say"
        raise ModelError(explain(expected, some(wrong), fix, model.path))


def _random_motion(model: Model, time: float, n_jobs: int) -> Kinematics:
    """Postures within the model's ranges, the same for every model of as many coordinates."""
    random, coordinates = np.random.default_rng(0), model.description.coordinates
    value = np.empty((POSTURES, len(coordinates)))
    for index, c in enumerate(coordinates):
        widest = UPRIGHT if c.turning else WIDEST if c.rotational else 1.0
        low, high = np.clip(c.range, -widest, widest) if c.range[0] < c.range[1] else (c.default, c.default)
        value[:, index] = random.uniform(low, high, POSTURES) if c.kind == "free" else c.default
    moves = np.array([c.kind == "free" for c in coordinates])
    rate, acceleration = (random.normal(0.0, size, value.shape) * moves for size in (RATE, ACCELERATION))
    return follow(model, np.full(POSTURES, time), value, rate, acceleration, n_jobs)


def _judged(differences: Iterable[Difference], model: Model, time: Array, missed: float = 0.0) -> dict[str, Any]:
    """The largest difference of each kind; where one is more than rounding the model is refused."""
    largest: dict[str, Difference] = {}
    unknown: set[str] = set()
    for own in differences:
        if not np.isfinite(own.size):
            unknown.add(own.kind)
        elif own.kind not in largest or own.size > largest[own.kind].size:
            largest[own.kind] = own
    for kind, own in largest.items():
        limit, unit, expected = LIMITS[kind]
        if own.size > limit + missed:
            got = f"a difference of {own.size:.3g} {unit} at '{own.where}', at {time[own.frame]:g} s"
            fix = "The answer would be wrong: please report this model with the motion."
            raise ModelError(explain(f"{expected} (to {limit:g} {unit})", got, fix, model.path))
    found: dict[str, Any] = {"largest_difference": {kind: own.size for kind, own in largest.items()}}
    if missing := sorted(unknown - set(largest)):
        found["not_checked"] = missing
    return found


@lru_cache(maxsize=64)
def _hash(key: ModelKey) -> str:
    """Of what decides the check: the contents of the model's files, what is welded or switched off, versions."""
    content = [
        [sha256(Path(path)) for path in (key.path, *key.force_sets)], key.weld, key.replace_force_set, key.contact,
        key.rigid_tendon, [version(name) for name in ("osimopt", "opensim")],
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


def _recall(path: Path) -> dict[str, Any] | None:
    """What is kept there, if it can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _keep(found: dict[str, Any], path: Path) -> None:
    """Keep a result; it appears whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(found), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        fix = "Choose another place."
        raise InputError(explain("a folder for the cache that can be written", str(error), fix, path.parent)) from error
