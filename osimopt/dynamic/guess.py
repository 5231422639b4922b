"""The solver's starting point from the user's guess."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError, explain
from ..muscle.activation import excitation_for
from ..problem.arrays import Array
from ..solution.solution import RedundancySolution
from ..static.solve import activations_of
from .emg import EmgTracking
from .mesh import SAME, linear
from .nodes import Nodes, Unknowns, strength

#: Lower bound of the normalised tendon force of a guess: at 0 the tendon is slack.
LEAST_FORCE = 1e-3


def first_guess(initial_guess: Any, nodes: Nodes, static: RedundancySolution, emg: EmgTracking | None) -> Unknowns:
    """Values of all unknowns from the user's guess; reserves that it lacks are those of the static solution.

    Other unknowns that the guess lacks follow from its activations. NaN of failed frames are interpolated.

    Raises
    ------
    InputError
        A guess of another shape, with NaN, or of another problem.
    """
    problem, time = nodes.problem, nodes.mesh.time
    activation, control = static.activation, static.reserve_control
    known: dict[str, Array] = {}
    if isinstance(initial_guess, RedundancySolution):
        activation, control, known = _from_solution(initial_guess, nodes)
    elif not isinstance(initial_guess, str):
        activation = activations_of(initial_guess, len(time), len(problem.muscles))
    elif initial_guess == "midpoint":
        activation = np.broadcast_to(0.5 * (problem.lower + problem.upper), activation.shape)
    activation = np.clip(_filled(activation, 0.5 * (problem.lower + problem.upper)), problem.lower, problem.upper)
    if (excitation := known.get("excitation")) is None:
        rate = np.gradient(activation, time, axis=0)
        excitation = np.clip(excitation_for(rate, activation, *nodes.dynamics), problem.lower, problem.upper)
    if nodes.fiber is None:
        force = force_rate = np.zeros_like(activation)
    elif "force" in known:
        force, force_rate = known["force"], known["force_rate"]
    else:
        rigid = problem.max_force * activation + problem.passive_force
        force = np.where(nodes.elastic, np.maximum(rigid / strength(problem), LEAST_FORCE), 0.0)
        force_rate = np.gradient(force, time, axis=0)
    scale = np.zeros(0) if emg is None else np.full(len(emg.channels), np.clip(1.0, *emg.scale))
    return nodes.completed(Unknowns(activation, excitation, force, force_rate, _filled(control, 0.0), scale))


def _from_solution(other: RedundancySolution, nodes: Nodes) -> tuple[Array, Array, dict[str, Array]]:
    problem, time = nodes.problem, nodes.mesh.time
    if other.problem.muscles != problem.muscles or other.problem.reserves.names != problem.reserves.names:
        got = f"{len(other.problem.muscles)} muscles and {len(other.problem.reserves.names)} reserves of other names"
        raise InputError(explain("an initial_guess with the same muscles and reserves", got, "Solve it anew."))
    if time[0] < other.time[0] - SAME or time[-1] > other.time[-1] + SAME:
        got = f"{other.time[0]:g} to {other.time[-1]:g} s"
        raise InputError(explain(f"an initial_guess from {time[0]:g} to {time[-1]:g} s", got, "Solve it anew."))

    def at(values: Array) -> Array:
        return linear(time, other.time, _filled(values, 0.0))

    known = {}
    if (excitation := getattr(other, "excitation", None)) is not None:
        known["excitation"] = at(excitation)
    if nodes.fiber is not None and (rate := getattr(other, "tendon_force_rate", None)) is not None:
        normalised = np.where(nodes.elastic, at(other.muscle_force) / strength(problem), 0.0)
        known |= {"force": normalised, "force_rate": at(np.nan_to_num(rate))}  # NaN of rigid tendons
    return at(other.activation), at(other.reserve_control), known


def _filled(values: Array, default: float | Array) -> Array:
    """Interpolate rows that are NaN linearly; where all are, use the default."""
    known = np.isfinite(values).all(axis=1)
    if known.all():
        return np.array(values)
    if not known.any():
        return np.array(np.broadcast_to(default, values.shape))
    frames = np.arange(len(values))
    return linear(frames, frames[known], values[known])
