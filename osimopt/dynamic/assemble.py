"""From a problem at the points of a mesh to programs, one for each independent part such as a leg."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from ..muscle.contraction import FADES
from ..problem.arrays import Array, Index
from ..problem.costs import counted_reserves
from ..problem.extension import contact_reserves
from ..problem.problem import RedundancyProblem
from .contact import contact_weights, moment_scale
from .emg import EmgTracking
from .metabolic import add_metabolic, add_start
from .nodes import IndependentPart, Layout, Nodes, Unknowns, strength
from .objective import Conditions, cost_weights, integrands, start_cost, start_weights
from .program import Builder, Kind, Program
from .synergies import add_synergies, bound_synergies, first_synergies, free_muscles, links

#: Upper bound of the normalised tendon force, and bound of its rate in 1/s, as in OpenSim Moco.
LARGEST_FORCE, LARGEST_RATE = 5.0, 1000.0
#: Allowed negative normalised force of a fibre that fades, where its damping sets no bound: as a tendon becomes slack,
#: transcriptions can give its force alternating signs. With 0 a walk whose gastrocnemii become slack had no solution in
#: 300 iterations, with this it has one in 20.
SLACKENING = 0.02
#: Difference of scaled equations at both ends of a periodic motion up to which one repeats the other.
SAME = 1e-9
#: Scaled objective of the guess above which the objective is scaled down further, and below which it is scaled up.
COSTLY, CHEAP = 200.0, 10.0
#: Largest factor by which it is scaled up: a motion without moments costs next to nothing.
STRONGEST = 1e6


def split(problem: RedundancyProblem, conditions: Conditions) -> list[IndependentPart]:
    """Connected parts of muscles, coordinates, reserves, EMG channels and synergies, the one with most muscles first.

    Muscles without any moment arm join the first part. Coordinates without muscles form a last part without muscles.
    """
    muscles, coordinates, reserves = len(problem.muscles), len(problem.coordinates), len(problem.reserves.names)
    channels = 0 if conditions.emg is None else len(conditions.emg.channels)
    synergies = 0 if conditions.synergies is None else len(conditions.synergies.names)
    first = np.cumsum([0, muscles, coordinates, reserves, channels, synergies])
    row, column = np.nonzero(problem.reserves.acts)
    joined = [(first[1] + row, first[2] + column)]
    joined.append((problem.geometry.pair_muscle, first[1] + problem.geometry.pair_coordinate))
    if conditions.emg is not None:
        tracked, channel = conditions.emg.rows(problem.muscles)
        joined.append((tracked, first[3] + channel))
    if conditions.synergies is not None:
        excited, synergy = links(conditions.synergies, problem)
        joined.append((excited, first[4] + synergy))
    if conditions.periodic:
        joined.append((np.arange(muscles), np.array(conditions.follower(problem), dtype=int)))
    if conditions.cost.quantity == "largest":
        joined.append((np.zeros(muscles, dtype=int), np.arange(muscles)))
    ends = [np.concatenate(side) for side in zip(*joined, strict=True)]
    graph = sparse.coo_matrix((np.ones(len(ends[0])), tuple(ends)), shape=(first[-1], first[-1]))
    _, label = sparse.csgraph.connected_components(graph, directed=False)
    return _sorted(label, first)


def _sorted(label: Index, first: Index) -> list[IndependentPart]:
    loaded = [number for number in np.unique(label[: first[1]]) if np.any(label[first[1] :] == number)]
    loaded.sort(key=lambda number: -int(np.sum(label[: first[1]] == number)))
    idle = ~np.isin(label, loaded)
    masks = [label == number for number in loaded]
    if masks:
        masks[0][: first[1]] |= idle[: first[1]]
        idle[: first[1]] = False
    if idle[: first[3]].any():
        masks.append(idle)
    return [
        IndependentPart(*(np.flatnonzero(mask[start:stop]) for start, stop in pairwise(first.tolist())))
        for mask in masks
    ]


def assemble(nodes: Nodes, conditions: Conditions, part: IndependentPart, guess: Unknowns) -> tuple[Layout, Program]:
    """Build the scaled program of a part of the problem.

    Moments are divided by the largest of their coordinate, the objective by the cost of one muscle at full activation
    at an average point, so that one tolerance fits all.
    """
    largest = conditions.cost.quantity == "largest"
    layout = Layout.of(part, nodes, largest)
    builder = Builder(layout.size)
    _add_dynamics(builder, layout, nodes)
    _add_moments(builder, layout, nodes, conditions.periodic is True)
    factor = _cost_scale(nodes, conditions, guess)
    _add_cost(builder, layout, nodes, conditions, factor)
    if conditions.pays:
        _add_start(builder, layout, nodes, conditions, factor)
    _add_ends(builder, layout, nodes, conditions)
    held = conditions.initial_activation != "equal" and nodes.mesh.scheme.collocated[0] != 0 and not conditions.given[0]
    add_synergies(builder, layout, nodes.problem, conditions.synergies, held)
    if conditions.emg is not None:
        _add_emg(builder, layout, nodes, conditions.emg, factor)
    least, most = _bounds(layout, nodes, conditions)
    bound_synergies(layout, nodes.problem, conditions.synergies, least, most)
    wanted = first_synergies(layout, nodes.problem, conditions.synergies, guess.into(layout))
    start = np.clip(wanted, least, most)
    given = _given(layout, conditions)
    least[given] = most[given] = start[given] = wanted[given]
    return layout, builder.build(least, most, start)


def _given(layout: Layout, conditions: Conditions) -> Index:
    """Unknowns that keep the values of the guess: those of ends that are given, and of EMG scales."""
    points = [point for point, given in zip((0, -1), conditions.given, strict=True) if given]
    at = [each[points].ravel() for _, each, _ in layout.blocks()]
    scale = layout.scale if conditions.given_scale else layout.scale[:0]
    return np.concatenate([*at, layout.synergy[points].ravel(), scale])


def _add_dynamics(builder: Builder, layout: Layout, nodes: Nodes) -> None:
    """Activation dynamics and, of elastic tendons, their force, whose rate is a separate unknown."""
    muscles, collocation = layout.part.muscles, nodes.mesh.collocation
    rates = builder.add_group("activation", [layout.excitation, layout.activation], list(nodes.dynamics[:, muscles]))
    rows, share = _add_collocation(builder, layout.activation, nodes)
    builder.put_nonlinear(rows[:, :, None], rates[collocation][:, None], -share)
    if not layout.elastic.size:
        return
    rows, share = _add_collocation(builder, layout.force, nodes)
    builder.put_linear(rows[:, :, None], layout.force_rate[collocation][:, None], -share)
    geometry = nodes.problem.geometry
    muscles = layout.in_tendon
    data = [np.asarray(array)[:, muscles] for array in (geometry.length, geometry.lengthening_speed)]
    unknowns = [layout.activation[:, layout.elastic], layout.force, layout.force_rate]
    imbalance = builder.add_group("tendon", unknowns, data + list(nodes.fibers(muscles)))
    builder.put_nonlinear(builder.add_rows(imbalance.shape, 0.0), imbalance, 1.0)


def _add_collocation(builder: Builder, states: Index, nodes: Nodes) -> tuple[Index, Array]:
    """Rows x_i - x_0 - … = 0 (n, P - 1, m), and the factors h B (n, P - 1, C, 1) of the rates to subtract."""
    at = states[nodes.mesh.points]
    rows = _add_difference(builder, at[:, 1:], at[:, :1])
    return rows, nodes.mesh.durations[:, None, None, None] * nodes.mesh.scheme.integrals[:, :, None]


def _add_difference(builder: Builder, left: Index, right: Index, factor: ArrayLike = 1.0, lower: float = 0.0) -> Index:
    """Rows lower ≤ factor · left - right ≤ 0."""
    rows = builder.add_rows(left.shape, lower, 0.0)
    builder.put_linear(rows, left, factor)
    builder.put_linear(rows, right, -1.0)
    return rows


def _add_moments(builder: Builder, layout: Layout, nodes: Nodes, periodic: bool) -> None:
    """R F + effect u = τ of the part's coordinates, and the same of contact forces.

    Where states are ``periodic`` and a coordinate without reserves ends as it begins, its last equation repeats the
    first one: with dependent equations the solver ended at other points than the optimum.
    """
    problem, geometry, part = nodes.balance, nodes.balance.geometry, layout.part
    in_part = np.isin(geometry.pair_coordinate, part.coordinates)
    coordinate, muscle = geometry.pair_coordinate[in_part], geometry.pair_muscle[in_part]
    arms, row = geometry.moment_arms[:, in_part], np.searchsorted(part.coordinates, coordinate)
    target = problem.generalized_force[:, part.coordinates].copy()
    scale = moment_scale(problem)
    elastic = nodes.elastic[muscle]
    for pair in np.flatnonzero(~elastic):
        target[:, row[pair]] -= arms[:, pair] * problem.passive_force[:, muscle[pair]]
    per_unknown = np.where(elastic, strength(problem)[muscle], problem.max_force[:, muscle])
    rows = builder.add_rows(target.shape, target / scale[part.coordinates])
    columns = layout.activation[:, np.searchsorted(part.muscles, muscle)]
    columns[:, elastic] = layout.force[:, np.searchsorted(layout.in_tendon, muscle[elastic])]
    shares = arms * per_unknown / scale[coordinate]
    builder.put_linear(rows[:, row], columns, shares)
    effect = problem.reserves.effect[:, part.coordinates][:, :, part.reserves] / scale[part.coordinates, None]
    builder.put_linear(rows[:, :, None], layout.reserve[:, None, :], effect)
    if periodic:
        differs = np.abs(target[-1] - target[0]) > SAME * scale[part.coordinates]
        np.logical_or.at(differs, row, np.abs(shares[-1] - shares[0]) > SAME)
        builder.leave_out(rows[-1, ~differs & ~effect.any(axis=(0, 2))])


def _cost_scale(nodes: Nodes, conditions: Conditions, guess: Unknowns) -> float:
    """One over the cost of a muscle at full activation at an average point; other costs of a guess are scaled further.

    A walk of two legs then costs about 100. Where reserves of 1 N·m do most of the work the cost is 1e5 and more, which
    the solver's barrier does not resolve: 120 iterations instead of 34 for a model of 18 muscles. With exponent 10 it
    is 1e-3 and less: unless scaled up, objectives were 0.5 to 1.4 % above their optimum within a tolerance of 1e-6.
    """
    muscles, _ = conditions.cost.weights(nodes)
    quadrature = nodes.mesh.quadrature
    unit = float(quadrature.mean()) * max(float(muscles.mean()), 1e-12)
    whole = sum(float(quadrature @ values) for values in integrands(nodes, conditions, guess).values())
    whole = (whole + start_cost(nodes, conditions, guess)) / unit
    least = min(CHEAP / max(whole, 1e-12), STRONGEST)
    return float(np.clip(1.0, least, COSTLY / max(whole, 1e-12))) / unit


def _add_cost(builder: Builder, layout: Layout, nodes: Nodes, conditions: Conditions, factor: float) -> None:
    cost, quadrature, part = conditions.cost, cost_weights(nodes, conditions), layout.part
    muscles, reserves = cost.weights(nodes)
    if cost.quantity == "largest":
        builder.linear_cost[layout.largest[:, 0]] = factor * quadrature
        _add_difference(builder, layout.activation, layout.largest, nodes.problem.weights[part.muscles], -np.inf)
        counts = np.zeros(len(nodes.balance.reserves.names), dtype=bool)
        counts[~contact_reserves(nodes.balance)] = counted_reserves(nodes.problem)
        counted = layout.reserve[:, counts[part.reserves]]
        for sign in (1.0, -1.0):
            _add_difference(builder, counted, layout.largest, sign, -np.inf)
    else:
        weights = factor * quadrature[:, None] * muscles[:, part.muscles]
        if cost.quantity == "force":
            rigid = np.flatnonzero(~nodes.elastic[part.muscles])
            _add_powers(builder, "power", layout.force, weights[:, layout.elastic], cost.exponent)
            _add_powers(builder, "power", layout.activation[:, rigid], weights[:, rigid], cost.exponent)
        else:
            _add_powers(builder, "power", getattr(layout, cost.quantity), weights, cost.exponent)
    _add_controls(builder, layout, nodes, conditions, layout.reserve, factor * (quadrature * reserves)[:, None])
    if (metabolic := conditions.metabolic) is not None and part.muscles.size:
        weights = factor * metabolic.weight * quadrature[:, None]
        add_metabolic(builder, layout, nodes, metabolic, weights)
    each = np.broadcast_to(conditions.derivative_penalty, len(nodes.problem.muscles))[layout.in_tendon]
    if each.any():
        _add_powers(builder, "magnitude", layout.force_rate, factor * quadrature[:, None] * each, 2.0)


def _add_start(builder: Builder, layout: Layout, nodes: Nodes, conditions: Conditions, factor: float) -> None:
    """Cost of the initial point."""
    muscles, reserves = start_weights(nodes, conditions)
    if (metabolic := conditions.metabolic) is not None and layout.part.muscles.size:
        weights = factor * metabolic.weight * nodes.dynamics[1, layout.part.muscles]
        add_start(builder, layout, nodes, metabolic, weights[None])
    exponent = conditions.cost.exponent
    if conditions.cost.quantity == "largest":
        builder.linear_cost[layout.largest[0]] += factor * reserves
    else:
        _add_powers(builder, "power", layout.activation[0], factor * muscles[layout.part.muscles], exponent)
    _add_controls(builder, layout, nodes, conditions, layout.reserve[:1], factor * reserves)
    each = np.broadcast_to(conditions.start_penalty, len(nodes.problem.muscles))[layout.in_tendon]
    if each.any():
        _add_powers(builder, "magnitude", layout.force_rate[0], factor * each, 2.0)


def _add_controls(
    builder: Builder, layout: Layout, nodes: Nodes, conditions: Conditions, reserve: Index, weights: Array | float
) -> None:
    """Cost of reserves, and of contact forces, whose exponent is 2."""
    own = contact_reserves(nodes.balance)
    if conditions.cost.quantity != "largest":
        _add_powers(builder, "magnitude", reserve[:, ~own[layout.part.reserves]], weights, conditions.cost.exponent)
    each = np.zeros(len(own))
    each[own] = contact_weights(conditions.contact)
    pressing = np.flatnonzero(each[layout.part.reserves])
    _add_powers(builder, "magnitude", reserve[:, pressing], weights * each[layout.part.reserves[pressing]], 2.0)


def _add_powers(builder: Builder, kind: Kind, unknowns: Index, weights: ArrayLike, exponent: float) -> None:
    if unknowns.size:
        builder.add_cost(builder.add_group(kind, [unknowns], [], exponent), weights)


def _add_ends(builder: Builder, layout: Layout, nodes: Nodes, conditions: Conditions) -> None:
    """Conditions at the first and the last point."""
    if conditions.given[0]:
        return
    start_is_control = nodes.mesh.scheme.collocated[0] == 0
    if conditions.initial_activation == "equal":
        _add_difference(builder, layout.activation[0], layout.excitation[0])
    elif not start_is_control:
        _add_difference(builder, layout.excitation[0], layout.excitation[1])
    if conditions.periodic:
        muscles = layout.part.muscles
        other = np.searchsorted(muscles, np.array(conditions.follower(nodes.problem), dtype=int)[muscles])
        _add_difference(builder, layout.activation[0], layout.activation[-1, other])
        in_tendon = np.searchsorted(layout.elastic, other[layout.elastic])  # both are of one kind
        _add_difference(builder, layout.force[0], layout.force[-1, in_tendon])
        if start_is_control and conditions.initial_activation != "equal":
            free = free_muscles(conditions.synergies, nodes.problem)[muscles]  # synergies give the others
            _add_difference(builder, layout.excitation[0, free], layout.excitation[-1, other[free]])


def _add_emg(builder: Builder, layout: Layout, nodes: Nodes, emg: EmgTracking, factor: float) -> None:
    muscles, channels = emg.rows(nodes.problem.muscles)
    in_part = np.isin(muscles, layout.part.muscles)
    if not in_part.any():  # a leg without EMG
        return
    muscles, channels = muscles[in_part], channels[in_part]
    excitation = layout.excitation[:, np.searchsorted(layout.part.muscles, muscles)]
    scale = np.broadcast_to(layout.scale[np.searchsorted(layout.part.channels, channels)], excitation.shape)
    measured = emg.at(nodes.mesh.time)[:, channels]
    if emg.weight > 0.0:
        squares = builder.add_group("difference", [excitation, scale], [measured])
        builder.add_cost(squares, factor * emg.weight * nodes.mesh.quadrature[:, None])
    if emg.bounds is not None:
        rows = builder.add_rows(excitation.shape, -emg.bounds[0], emg.bounds[1])
        builder.put_linear(rows, excitation, 1.0)
        builder.put_linear(rows, scale, -measured)


def _bounds(layout: Layout, nodes: Nodes, conditions: Conditions) -> tuple[Array, Array]:
    problem, part = nodes.problem, layout.part
    least, most = np.full(layout.size, -np.inf), np.full(layout.size, np.inf)
    for unknowns in (layout.activation, layout.excitation):
        least[unknowns], most[unknowns] = problem.lower[part.muscles], problem.upper[part.muscles]
    if nodes.fiber is not None:
        muscles = layout.in_tendon
        # A fibre that produces no force (2.4 optimal lengths) and shortens is in equilibrium only where its damping may
        # push; with OpenSim's bound of 0 such a walk has no solution.
        least[layout.force], most[layout.force] = -nodes.fiber.damping[muscles], LARGEST_FORCE
        length, fiber = np.asarray(problem.geometry.length)[:, muscles], nodes.fibers(muscles)
        fades = layout.force[length - fiber.slack < FADES * fiber.optimal]
        least[fades] = np.minimum(least[fades], -SLACKENING)
        if not conditions.periodic:  # otherwise the initial force of a slack tendon would be free
            slack = layout.force[0, length[0] < fiber.slack]
            least[slack] = most[slack] = 0.0
    least[layout.force_rate], most[layout.force_rate] = -LARGEST_RATE, LARGEST_RATE
    reserves = nodes.balance.reserves
    least[layout.reserve], most[layout.reserve] = reserves.lower[part.reserves], reserves.upper[part.reserves]
    least[layout.largest] = 0.0
    if conditions.emg is not None:
        least[layout.scale], most[layout.scale] = conditions.emg.scale
    return least, most
