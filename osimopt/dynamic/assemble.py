"""From a problem at the points of a mesh to a program."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..problem.costs import counted_reserves
from .conditions import Conditions
from .emg import EmgTracking
from .layout import Layout, Part
from .nodes import Nodes, strength
from .program import Builder, Program
from .terms import cost_weights, integrands, start_cost, start_weights
from .unknowns import Unknowns

Array = NDArray[np.float64]
Index = NDArray[np.intp]

#: Normalised tendon force that a tendon may carry, and its rate in 1/s, as OpenSim bounds them in Moco.
LARGEST_FORCE, LARGEST_RATE = 5.0, 1000.0
#: Scaled objective of a guess that is not scaled down further.
COSTLY = 200.0


def assemble(nodes: Nodes, conditions: Conditions, part: Part, guess: Unknowns) -> tuple[Layout, Program]:
    """Build the program of a part of the problem, scaled.

    Moments are divided by the largest of their coordinate, the objective by what one muscle costs at full activation
    in one average point, so that one tolerance fits all.
    """
    largest = conditions.cost.quantity == "largest"
    layout = Layout.of(part, len(nodes.mesh.time), nodes.fiber is not None, largest)
    builder = Builder(layout.size)
    _add_dynamics(builder, layout, nodes, part)
    _add_moments(builder, layout, nodes, part)
    factor = _cost_scale(nodes, conditions, guess)
    _add_cost(builder, layout, nodes, conditions, part, factor)
    if conditions.pays:
        _add_start(builder, layout, nodes, conditions, part, factor)
    _add_ends(builder, layout, nodes, conditions, part)
    if conditions.emg is not None:
        _add_emg(builder, layout, nodes, conditions.emg, part, factor)
    least, most = _bounds(layout, nodes, conditions, part)
    return layout, builder.build(least, most, np.clip(guess.into(layout, part), least, most))


def _add_dynamics(builder: Builder, layout: Layout, nodes: Nodes, part: Part) -> None:
    """Activation dynamics and, with compliant tendons, tendon force whose rate is an unknown of its own."""
    rates = builder.add_group(
        "activation", [layout.excitation, layout.activation], list(nodes.dynamics[:, part.muscles])
    )
    rows, share = _add_collocation(builder, layout.activation, nodes)
    builder.put_nonlinear(rows[:, :, None], rates[nodes.mesh.collocation][:, None], -share)
    if nodes.fiber is None:
        return
    rows, share = _add_collocation(builder, layout.force, nodes)
    builder.put_linear(rows[:, :, None], layout.force_rate[nodes.mesh.collocation][:, None], -share)
    geometry = nodes.problem.geometry
    known = [np.asarray(array)[:, part.muscles] for array in (geometry.length, geometry.lengthening_speed)]
    unknowns = [layout.activation, layout.force, layout.force_rate]
    imbalance = builder.add_group("tendon", unknowns, known + [values[part.muscles] for values in nodes.fiber])
    builder.put_nonlinear(builder.add_rows(imbalance.shape, 0.0), imbalance, 1.0)


def _add_collocation(builder: Builder, states: Index, nodes: Nodes) -> tuple[Index, Array]:
    """Rows x_i - x_0 - … = 0 (n, P - 1, m), and h B (n, P - 1, C, 1) by which rates are to be subtracted."""
    mesh = nodes.mesh
    at = states[mesh.points]
    rows = builder.add_rows(at[:, 1:].shape, 0.0)
    builder.put_linear(rows, at[:, 1:], 1.0)
    builder.put_linear(rows, at[:, :1], -1.0)
    return rows, mesh.durations[:, None, None, None] * mesh.scheme.integrals[:, :, None]


def _add_moments(builder: Builder, layout: Layout, nodes: Nodes, part: Part) -> None:
    """R F + effect u = τ, of the part's coordinates."""
    problem, geometry = nodes.problem, nodes.problem.geometry
    row_of, column_of = _renumber(part.coordinates), _renumber(part.muscles)
    own = np.isin(geometry.pair_coordinate, part.coordinates)
    coordinate, muscle, arms = geometry.pair_coordinate[own], geometry.pair_muscle[own], geometry.moment_arms[:, own]
    target = problem.generalized_force[:, part.coordinates].copy()
    scale = moment_scale(problem.generalized_force)
    if nodes.fiber is None:
        per_unknown, unknowns = problem.max_force[:, muscle], layout.activation
        for pair, passive in enumerate(problem.passive_force.T[muscle]):
            target[:, row_of[coordinate[pair]]] -= arms[:, pair] * passive
    else:
        per_unknown, unknowns = strength(problem)[muscle], layout.force
    rows = builder.add_rows(target.shape, target / scale[part.coordinates])
    columns = unknowns[:, [column_of[m] for m in muscle.tolist()]]
    builder.put_linear(
        rows[:, [row_of[c] for c in coordinate.tolist()]], columns, arms * per_unknown / scale[coordinate]
    )
    effect = problem.reserves.effect[:, part.coordinates][:, :, part.reserves] / scale[part.coordinates, None]
    builder.put_linear(rows[:, :, None], layout.reserve[:, None, :], effect)


def moment_scale(generalized_force: Array) -> Array:
    """(D,) what moments are measured in: the largest of the coordinate, 1 N·m at least."""
    return np.asarray(np.maximum(1.0, np.abs(generalized_force).max(axis=0)))


def _add_cost(
    builder: Builder, layout: Layout, nodes: Nodes, conditions: Conditions, part: Part, factor: float
) -> None:
    cost = conditions.cost
    quadrature = cost_weights(nodes, conditions)
    muscles, reserves = cost.weights(nodes.problem)
    if cost.quantity == "largest":
        builder.linear_cost[layout.largest[:, 0]] = factor * quadrature
        _add_largest(builder, layout, nodes, part)
    else:
        chosen = {"excitation": layout.excitation, "activation": layout.activation, "force": layout.force}
        powers = builder.add_group("power", [chosen[cost.quantity]], [], cost.exponent)
        builder.add_cost(powers, factor * quadrature[:, None] * muscles[:, part.muscles])
        if part.reserves.size:
            powers = builder.add_group("magnitude", [layout.reserve], [], cost.exponent)
            builder.add_cost(powers, factor * (quadrature * reserves)[:, None])
    if nodes.fiber is not None and conditions.derivative_penalty > 0.0:
        squares = builder.add_group("magnitude", [layout.force_rate], [], 2.0)
        builder.add_cost(squares, factor * conditions.derivative_penalty * quadrature[:, None])


def _add_start(
    builder: Builder, layout: Layout, nodes: Nodes, conditions: Conditions, part: Part, factor: float
) -> None:
    """The price of the activations at the first point."""
    muscles, reserves = start_weights(nodes, conditions)
    if conditions.cost.quantity == "largest":
        builder.linear_cost[layout.largest[0]] += factor * reserves
        return
    powers = builder.add_group("power", [layout.activation[0]], [], conditions.cost.exponent)
    builder.add_cost(powers, factor * muscles[part.muscles])
    if part.reserves.size:
        powers = builder.add_group("magnitude", [layout.reserve[0]], [], conditions.cost.exponent)
        builder.add_cost(powers, factor * reserves)


def _cost_scale(nodes: Nodes, conditions: Conditions, guess: Unknowns) -> float:
    """One over what a muscle costs at full activation in an average point, less where the guess costs very much.

    A walk of two legs costs about 100 then. Where reserves of 1 N·m do most of the work it is 1e5 and more, and the
    solver's barrier would be lost in it: 120 iterations instead of 34 for a model of 18 muscles.
    """
    muscles, _ = conditions.cost.weights(nodes.problem)
    quadrature = nodes.mesh.quadrature
    unit = float(quadrature.mean()) * max(float(muscles.mean()), 1e-12)
    whole = sum(float(quadrature @ values) for values in integrands(nodes, conditions, guess).values())
    whole = (whole + start_cost(nodes, conditions, guess)) / unit
    return min(1.0, COSTLY / max(whole, 1e-12)) / unit


def _add_largest(builder: Builder, layout: Layout, nodes: Nodes, part: Part) -> None:
    """Keep w a and the controls of the reserves that count below the largest."""
    rows = builder.add_rows(layout.activation.shape, -np.inf, 0.0)
    builder.put_linear(rows, layout.activation, nodes.problem.weights[part.muscles])
    builder.put_linear(rows, layout.largest, -1.0)
    counted = layout.reserve[:, counted_reserves(nodes.problem)[part.reserves]]
    for sign in (1.0, -1.0):
        rows = builder.add_rows(counted.shape, -np.inf, 0.0)
        builder.put_linear(rows, counted, sign)
        builder.put_linear(rows, layout.largest, -1.0)


def _add_ends(builder: Builder, layout: Layout, nodes: Nodes, conditions: Conditions, part: Part) -> None:
    """Conditions at the first and the last point."""

    def equate(left: Index, right: Index) -> None:
        rows = builder.add_rows(left.shape, 0.0)
        builder.put_linear(rows, left, 1.0)
        builder.put_linear(rows, right, -1.0)

    start_is_control = nodes.mesh.scheme.collocated[0] == 0
    if conditions.initial_activation == "equal":
        equate(layout.activation[0], layout.excitation[0])
    elif not start_is_control:
        equate(layout.excitation[0], layout.excitation[1])
    if conditions.periodic:
        follower = conditions.follower(nodes.problem)
        number = _renumber(part.muscles)
        other = np.array([number[follower[m]] for m in part.muscles.tolist()], dtype=int)
        equate(layout.activation[0], layout.activation[-1, other])
        if nodes.fiber is not None:
            equate(layout.force[0], layout.force[-1, other])
        if start_is_control and conditions.initial_activation != "equal":
            equate(layout.excitation[0], layout.excitation[-1, other])


def _add_emg(builder: Builder, layout: Layout, nodes: Nodes, emg: EmgTracking, part: Part, factor: float) -> None:
    muscles, channels = emg.rows(nodes.problem.muscles)
    own = np.isin(muscles, part.muscles)
    if not own.any():  # a leg without EMG
        return
    column, channel = _renumber(part.muscles), _renumber(part.channels)
    excitation = layout.excitation[:, [column[m] for m in muscles[own].tolist()]]
    scale = np.broadcast_to(layout.scale[[channel[c] for c in channels[own].tolist()]], excitation.shape)
    measured = emg.at(nodes.mesh.time)[:, channels[own]]
    if emg.weight > 0.0:
        squares = builder.add_group("difference", [excitation, scale], [measured])
        builder.add_cost(squares, factor * emg.weight * nodes.mesh.quadrature[:, None])
    if emg.bounds is not None:
        rows = builder.add_rows(excitation.shape, -emg.bounds[0], emg.bounds[1])
        builder.put_linear(rows, excitation, 1.0)
        builder.put_linear(rows, scale, -measured)


def _bounds(layout: Layout, nodes: Nodes, conditions: Conditions, part: Part) -> tuple[Array, Array]:
    problem = nodes.problem
    least, most = np.full(layout.size, -np.inf), np.full(layout.size, np.inf)
    for unknowns in (layout.activation, layout.excitation):
        least[unknowns], most[unknowns] = problem.lower[part.muscles], problem.upper[part.muscles]
    if nodes.fiber is not None:
        # A fibre that makes no force (2.4 optimal lengths) and shortens is in balance only where its damping may push;
        # at 0, where OpenSim bounds it, such a walk has no solution.
        least[layout.force], most[layout.force] = -nodes.fiber.damping[part.muscles], LARGEST_FORCE
    least[layout.force_rate], most[layout.force_rate] = -LARGEST_RATE, LARGEST_RATE
    least[layout.reserve], most[layout.reserve] = (
        bound[part.reserves] for bound in (problem.reserves.lower, problem.reserves.upper)
    )
    least[layout.largest] = 0.0
    if conditions.emg is not None:
        least[layout.scale], most[layout.scale] = conditions.emg.scale
    return least, most


def _renumber(numbers: Index) -> dict[int, int]:
    """Place of each number among the part's."""
    return {int(number): place for place, number in enumerate(numbers.tolist())}
