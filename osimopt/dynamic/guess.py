"""Where the solver begins."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain
from ..muscle.activation import excitation_for
from ..solution.solution import RedundancySolution
from .emg import EmgTracking
from .nodes import Nodes, strength
from .unknowns import Unknowns

Array = NDArray[np.float64]

#: Normalised tendon force that a guess has at least: at 0 the tendon is slack.
LEAST_FORCE = 1e-3


def first_guess(initial_guess: Any, nodes: Nodes, static: RedundancySolution, emg: EmgTracking | None) -> Unknowns:
    """Values of all unknowns from what the user gave; reserves that are not told come from the static solution.

    Raises
    ------
    InputError
        A guess of another shape, with NaN, or of another problem.
    """
    problem = nodes.problem
    activation, control = static.activation, static.reserve_control
    given: dict[str, Array] = {}
    if isinstance(initial_guess, RedundancySolution):
        activation, control, given = _from_solution(initial_guess, nodes)
    elif isinstance(initial_guess, str):
        if initial_guess == "midpoint":
            activation = np.broadcast_to(0.5 * (problem.lower + problem.upper), activation.shape)
    else:
        activation = _from_array(initial_guess, nodes)
    return _complete(nodes, activation, control, given, emg)


def _from_array(initial_guess: Any, nodes: Nodes) -> Array:
    shape = (len(nodes.mesh.time), len(nodes.problem.muscles))
    try:
        array = np.asarray(initial_guess, dtype=float)
    except (TypeError, ValueError):
        fix = "Give 'static', activations, or an earlier solution."
        raise InputError(explain("activations as initial_guess", repr(initial_guess), fix)) from None
    if array.shape not in (shape, shape[1:]) or not np.isfinite(array).all():
        got = f"shape {array.shape}" if array.shape not in (shape, shape[1:]) else "NaN or infinity"
        fix = f"{shape[0]} are the points of the mesh; an earlier solution may have any times."
        raise InputError(explain(f"finite initial_guess of shape {shape} or {shape[1:]}", got, fix))
    return np.array(np.broadcast_to(array, shape))


def _from_solution(other: RedundancySolution, nodes: Nodes) -> tuple[Array, Array, dict[str, Array]]:
    problem, time = nodes.problem, nodes.mesh.time
    if other.problem.muscles != problem.muscles or other.problem.reserves.names != problem.reserves.names:
        got = f"{len(other.problem.muscles)} muscles and {len(other.problem.reserves.names)} reserves of other names"
        raise InputError(explain("an initial_guess with the same muscles and reserves", got, "Solve it anew."))
    if time[0] < other.time[0] - 1e-9 or time[-1] > other.time[-1] + 1e-9:
        got = f"{other.time[0]:g} to {other.time[-1]:g} s"
        raise InputError(explain(f"an initial_guess from {time[0]:g} to {time[-1]:g} s", got, "Solve it anew."))

    def at(values: Array) -> Array:
        bridged = _filled(values, np.zeros(values.shape[1]))
        columns = [np.interp(time, other.time, column) for column in bridged.T]
        return np.stack(columns, axis=1) if columns else np.zeros((len(time), 0))

    given = {}
    if (excitation := getattr(other, "excitation", None)) is not None:
        given["excitation"] = at(excitation)
    if nodes.fiber is not None and (rate := getattr(other, "tendon_force_rate", None)) is not None:
        given["force"] = at(other.muscle_force) / strength(problem)
        given["force_rate"] = at(rate)
    return at(other.activation), at(other.reserve_control).reshape(len(time), -1), given


def _complete(
    nodes: Nodes, activation: Array, control: Array, given: dict[str, Array], emg: EmgTracking | None
) -> Unknowns:
    """What activations alone do not say; frames that failed hold NaN and are bridged."""
    problem, time = nodes.problem, nodes.mesh.time
    activation = np.clip(_filled(activation, 0.5 * (problem.lower + problem.upper)), problem.lower, problem.upper)
    if (excitation := given.get("excitation")) is None:
        rate = np.gradient(activation, time, axis=0)
        excitation = np.clip(excitation_for(rate, activation, *nodes.dynamics), problem.lower, problem.upper)
    force, force_rate = given.get("force"), given.get("force_rate")
    if nodes.fiber is None:
        force = force_rate = np.zeros_like(activation)
    elif force is None or force_rate is None:
        rigid = problem.max_force * activation + problem.passive_force
        force = np.maximum(rigid / strength(problem), LEAST_FORCE)
        force_rate = np.gradient(force, time, axis=0)
    scale = np.zeros(0) if emg is None else np.full(len(emg.channels), np.clip(1.0, *emg.scale))
    reserves = _filled(control, np.zeros(control.shape[1]))
    return Unknowns(activation, excitation, np.asarray(force), np.asarray(force_rate), reserves, scale)


def _filled(values: Array, otherwise: Array) -> Array:
    """Bridge frames that are NaN linearly; where all are, take another value."""
    filled = np.array(values)
    known = np.isfinite(values).all(axis=1)
    if known.all():
        return filled
    if not known.any():
        return np.array(np.broadcast_to(otherwise, filled.shape))
    frames = np.arange(len(values))
    return np.stack([np.interp(frames, frames[known], column[known]) for column in values.T], axis=1)
