"""A model, a trial and a solution compared with independent results of OpenSim; a difference is an error.

``worker.selfcheck`` and ``worker.derivatives`` make the comparisons. Once per model (its result kept by the hash of its
files): random postures, rates and accelerations, in which the model's arrays are compared, too (``array_check``). Of
what OpenSim computes in a trial: three frames; after solving, three frames, whose forces are put back into OpenSim.
What arrays compute is checked by arrays: ``exact_check``. Results are plain data for ``provenance["self_check"]``.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelError, explain, some
from ..files.packages import version
from ..files.storage import write_atomically
from ..muscle.forces import rigid_tendon_gain, supported
from ..problem.arrays import Array, Index, Kinematics
from ..solution.solution import RedundancySolution
from .array_check import compare_arrays
from .arrays import extract
from .cache import keep_in, model_folder
from .completion import follow
from .exact import ExactPaths
from .judgement import LIMITS, judged
from .mechanics import FORMAT
from .messages import Claims, Difference, Mask, ModelKey, Pairs, Wanted
from .model import Model

#: Postures of the check of a model, those of them in which lengths are compared with moment arms (which is slow), and
#: the spread of rates (rad/s, m/s) and accelerations.
POSTURES, SLOPES, RATE, ACCELERATION = 50, 10, 1.0, 10.0
#: Frames of the checks of a trial and of a solution, and muscles that are compared in each frame of a trial.
FRAMES, MUSCLES = 3, 2
#: rad or m; ranges are cut to this, and to less for joints with gimbal lock.
WIDEST, UPRIGHT = np.pi, 1.2
#: How often a posture in which loops do not close is brought closer to the model's default.
HALVINGS = 10
#: m; largest difference of a moment arm and −∂l/∂q that is not reported.
INCONSISTENT = 1e-3
#: Generalized forces (T,) by coordinate at times (T,) s that muscles (N) and actuators of the model (controls), (T,) by
#: name, leave missing on coordinates that a part of the body leaves out.
Missing = Callable[[Array, Mapping[str, Array], Mapping[str, Array]], Mapping[str, Array]]
#: Results by the hash of the model, for the life of the process.
_known: dict[str, dict[str, Any]] = {}


def check_model(model: Model, n_jobs: int, folder: str | os.PathLike[str] | None) -> dict[str, Any]:
    """Check a model once: by hash, in this process and in the folder of descriptions (:func:`.cache.model_folder`).

    OpenSim is compared with itself, and arrays with OpenSim (``"arrays"``, :func:`.array_check.compare_arrays`); what
    these find is no error yet.

    Raises
    ------
    ModelError
        Two ways of computing by OpenSim differ by more than rounding.
    """
    name, place = _hash(model.key, POSTURES, SLOPES), model_folder(folder)
    kept = None if place is None else place / f"self_check-{name}.json"
    recalled = None if kept is None else _recall(kept, name)
    if name not in _known:
        _known[name] = recalled or _check_model(replace(model, attach=None), n_jobs)
    if kept is not None and recalled is None:
        keep_in(kept.parent, lambda: write_atomically(kept, json.dumps(_sealed(_known[name], name))))
    return _known[name]


def check_trial(
    model: Model, motion: Kinematics, claims: Claims, n_jobs: int = 1, acting: Sequence[int] | None = None
) -> dict[str, Any]:
    """Check the arrays (T, …) of the frames of a motion, of the muscles ``acting`` or of all.

    In each frame two muscles are compared, and those whose moment arms differed in the random postures of the model.

    Raises
    ------
    ModelError
        The extracted arrays differ from OpenSim's single calls.
    """
    names = model.description.muscles.names
    among = range(len(names)) if acting is None else acting
    stride = -(-len(among) // MUSCLES)
    suspects = {
        names.index(name) for name in _known.get(_hash(model.key, POSTURES, SLOPES), {}).get("moment_arms_off_mm", {})
    }
    calls = []
    for frame in range(len(motion.time)):
        muscles = tuple(sorted({*among[frame % stride :: stride], *suspects.intersection(among)}))
        row = slice(frame, frame + 1)
        calls.append((motion.frames(row), claims.frames(row), muscles))
    return {"times_s": motion.time.tolist(), **judged(_compare(model, calls, n_jobs), model, motion.time)}


def check_solution(
    solution: RedundancySolution,
    among: Mask,
    model_for: Callable[[Kinematics], Model],
    fitted: tuple[str, ...],
    missing: Sequence[Missing] = (),
    exact: ExactPaths | None = None,
) -> dict[str, Any]:
    """Put the forces of up to three solved frames ``among`` (T,) all back into OpenSim; see ``worker.selfcheck``.

    Muscles and the model's own actuators act as themselves, those with ``exact`` paths as forces on bodies. Reserves
    that were added, and other muscles whose moment arms are not OpenSim's (``fitted``), act as generalized forces; so
    does what is ``missing`` on left-out coordinates.
    Returns plain data: the differences, or why nothing was checked.

    Raises
    ------
    ModelError
        The forces do not give the motion's accelerations.
    """
    rows = checked_rows(solution, among)
    if isinstance(rows, dict):
        return rows
    problem = solution.problem
    assert problem.kinematics is not None
    motion = problem.kinematics.frames(rows)
    model = model_for(motion)
    by_opensim = np.array([name not in fitted for name in problem.muscles])
    everyone = model.description.muscles.names
    force = np.asarray(solution.muscle_force)[rows]
    muscle = np.zeros((len(rows), len(everyone)))
    muscle[:, [everyone.index(name) for name in problem.muscles]] = np.where(by_opensim, force, 0.0)
    actuator = np.zeros((len(rows), len(model.description.actuators)))
    applied = np.zeros((len(rows), len(model.description.coordinates)))
    columns = [model.description.coordinate_names.index(name) for name in problem.coordinates]
    names, reserves = [actuator.name for actuator in model.description.actuators], problem.reserves.frames(rows)
    controls = {}
    for index, name in enumerate(reserves.names):
        control = np.asarray(solution.reserve_control)[rows, index]
        if reserves.origin[index] == "model":
            actuator[:, names.index(name)] = control * reserves.optimal_force[index]
            controls[name] = control
        else:
            applied[:, columns] += reserves.effect[:, :, index] * control[:, None]
    tensions, wrenches = dict(zip(everyone, muscle.T, strict=True)), dict[str, Array]()
    if exact is not None:
        by_bodies = np.isin(problem.muscles, exact.still)
        by_opensim = by_opensim | by_bodies
        pulled = {problem.muscles[index]: force[:, index] for index in np.flatnonzero(by_bodies)}
        wrenches, tensions = exact.wrenches(motion.value, pulled), {**tensions, **pulled}
    if fitted:
        arms = problem.geometry.frames(rows).moment_arm
        applied[:, columns] += np.einsum("tdm,tm->td", arms, np.where(by_opensim, 0.0, force))
    for of in missing:
        for name, value in of(motion.time, tensions, controls).items():
            applied[:, model.description.coordinate_names.index(name)] += value
    differences = model.run("selfcheck:check_forces", motion, muscle, actuator, applied, wrenches)
    missed = np.abs(np.asarray(solution.moment_residual)[rows]).max(initial=0.0)
    share = float(missed / np.abs(problem.generalized_force[rows]).max(initial=1.0))
    return {"times_s": motion.time.tolist(), **judged(differences, model, motion.time, share)}


def checked_rows(solution: RedundancySolution, among: Mask) -> Index | dict[str, Any]:
    """Rows of up to three solved frames ``among`` (T,) all, or why none is checked."""
    if solution.problem.kinematics is None:
        return {"not_checked": "the problem has no motion"}
    rows = np.flatnonzero(solution.solved & among)
    return rows[spread(len(rows))] if rows.size else {"not_checked": "no frame was solved"}


def spread(frames: int) -> Index:
    """Rows of up to three frames, spread over all of them."""
    return np.unique(np.linspace(0, frames - 1, FRAMES + 2).round().astype(np.intp)[1:-1])


def _compare(model: Model, calls: Sequence[tuple[Any, ...]], n_jobs: int) -> list[Difference]:
    """Differences in consecutive parts (motion, claims, muscles) of a motion; frames are those of the whole."""
    found, first = [], 0
    for (motion, *_), part in zip(calls, model.run_many("selfcheck:check_frames", calls, n_jobs), strict=True):
        found += [replace(difference, frame=first + difference.frame) for difference in part]
        first += len(motion.time)
    return found


def _check_model(model: Model, n_jobs: int) -> dict[str, Any]:
    motion = _random_motion(model, n_jobs)
    everyone = tuple(range(len(model.description.muscles.names)))
    pairs: Pairs = model.run("geometry:find_pairs", motion.value, everyone)
    arrays = extract(model, motion, pairs, Wanted(everyone, True, False), n_jobs).arrays
    arms, gains = arrays["moment_arms"], _gains(model, arrays)
    claims, calls = Claims(pairs, arms, gains, arrays["generalized_force"]), []
    size = -(-POSTURES // max(2, n_jobs))
    for number, first in enumerate(range(0, POSTURES, size)):
        part = slice(first, first + size)  # computeMomentArm is the slow call: every other muscle, in turn
        calls.append((motion.frames(part), claims.frames(part), everyone[number % 2 :: 2]))
    differences = _compare(model, calls, n_jobs)
    few = slice(0, SLOPES)
    _refuse_derivatives(model, motion.value[few])
    slopes: dict[str, float] = model.run("selfcheck:check_slopes", motion.value[few], pairs, arms[few])
    arms_off = _worst_arms(differences)
    others = [one for one in differences if one.kind != "moment arms" or one.where not in arms_off]
    return {
        "postures": POSTURES,
        **judged(others, model, motion.time),
        "moment_arms_off_mm": arms_off,
        "length_slopes_off_mm": _worst_slopes(slopes),
        "arrays": compare_arrays(model, motion, arrays, n_jobs),
    }


def _gains(model: Model, arrays: Mapping[str, Array]) -> Array:
    """Maximum forces (S, M) in N at OpenSim's own lengths and speeds; NaN for muscles whose curves are not known."""
    muscles, gain = model.description.muscles, np.full(arrays["length"].shape, np.nan)
    own = np.flatnonzero(supported(muscles))
    length, speed = (arrays[name][:, own] for name in ("length", "lengthening_speed"))
    gain[:, own] = rigid_tendon_gain(muscles.select(own), length, speed, "opensim")
    return gain


def _worst_slopes(slopes: dict[str, float]) -> dict[str, float]:
    """Muscles whose moment arms differ from the slope of their length by more than INCONSISTENT, in mm."""
    return {name: round(1e3 * size, 1) for name, size in sorted(slopes.items()) if size > INCONSISTENT}


def _worst_arms(differences: Iterable[Difference]) -> dict[str, float]:
    """Muscles whose moment arms differ anywhere by more than rounding, in mm.

    In random postures, where a path may find no solution, they are no error; they are compared in every trial.
    """
    worst: dict[str, float] = {}
    for one in differences:
        if one.kind == "moment arms" and not one.size <= LIMITS["moment arms"][0]:
            worst[one.where] = max(worst.get(one.where, 0.0), round(1e3 * one.size, 3))
    return worst


def _refuse_derivatives(model: Model, value: Array) -> None:
    """Refuse functions and joints whose derivatives contradict their values: OpenSim's own dynamics are wrong there."""
    functions, joints = model.run("derivatives:check_derivatives", value)
    if wrong := [*functions, *joints]:
        fix = (
            "OpenSim's speeds and forces are wrong with them: replace a function by a spline or a PolynomialFunction, "
            "a joint by a CustomJoint."
        )
        expected = "functions and joints whose derivatives fit their values"
        raise ModelError(explain(expected, some(wrong), fix, model.path))


def _random_motion(model: Model, n_jobs: int) -> Kinematics:
    """Postures within the model's ranges, at times in a second, the same for every model of as many coordinates."""
    random, coordinates = np.random.default_rng(0), model.description.coordinates
    value = np.empty((POSTURES, len(coordinates)))
    for index, c in enumerate(coordinates):
        widest = UPRIGHT if c.turning else WIDEST if c.rotational else 1.0
        low, high = np.clip(c.range, -widest, widest) if c.range[0] < c.range[1] else (c.default, c.default)
        value[:, index] = random.uniform(low, high, POSTURES) if c.kind == "free" else c.default
    value = _closed(model, value)
    moves = np.array([c.kind == "free" for c in coordinates])
    rate, acceleration = (random.normal(0.0, size, value.shape) * moves for size in (RATE, ACCELERATION))
    return follow(model, np.linspace(0.0, 1.0, POSTURES), value, rate, acceleration, n_jobs)


def _closed(model: Model, value: Array) -> Array:
    """Postures (S, N) brought closer to the model's default until all loops of bodies close in them."""
    default = np.array([coordinate.default for coordinate in model.description.coordinates])
    for _ in range(HALVINGS if model.description.loops else 0):
        closes = model.run("kinematics:feasible", value)
        if closes.all():
            break
        value = np.where(closes[:, None], value, 0.5 * (value + default))
    return value


@lru_cache(maxsize=64)
def _hash(key: ModelKey, *postures: int) -> str:
    """Hash of all that the check depends on: contents of the model's files, welds, forces switched off, versions."""
    content = [
        key.stamps, key.weld, key.replace_force_set, key.contact,
        key.rigid_tendon, [version(name) for name in ("osimopt", "opensim")], FORMAT, postures,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


def _sealed(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A result, and a digest of it and of what was checked."""
    return {"sha256": hashlib.sha256((name + json.dumps(found)).encode()).hexdigest(), "found": found}


def _recall(path: Path, name: str) -> dict[str, Any] | None:
    """The result kept in a file, if it can be read and is as it was written, of the model of this hash."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        found: dict[str, Any] = kept["found"]
        return found if kept == _sealed(found, name) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
