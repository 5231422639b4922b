"""From a problem at the points of a mesh to programs, one for each independent part such as a leg."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy import sparse

from ..muscle.contraction import FADES
from ..problem.arrays import Array, Index
from ..problem.problem import RedundancyProblem
from .contact import moment_scale
from .emg import EmgTracking
from .nodes import IndependentPart, Layout, Nodes, Unknowns, strength
from .objective import Conditions
from .program import Builder, Program
from .synergies import add_synergies, bound_synergies, first_synergies, free_muscles, links
from .terms import add_cost, add_start_cost, cost_scale

#: Upper bound of the normalised tendon force, and bound of its rate in 1/s, as in OpenSim Moco.
LARGEST_FORCE, LARGEST_RATE = 5.0, 1000.0
#: Allowed negative normalised force of a fibre that fades, where its damping sets no bound: as a tendon becomes slack,
#: transcriptions can give its force alternating signs. With 0 a walk whose gastrocnemii become slack had no solution in
#: 300 iterations, with this it has one in 20.
SLACKENING = 0.02
#: Difference of scaled equations at both ends of a periodic motion up to which one repeats the other.
SAME = 1e-9


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
    factor = cost_scale(nodes, conditions, guess)
    add_cost(builder, layout, nodes, conditions, factor)
    if conditions.pays:
        add_start_cost(builder, layout, nodes, conditions, factor)
    _add_ends(builder, layout, nodes, conditions)
    held = conditions.initial_activation != "equal" and nodes.mesh.scheme.collocated[0] != 0 and not conditions.given
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
    """Unknowns that keep the values of the guess: those of a first point that is given, and of EMG scales."""
    at = [each[0] for _, each, _ in layout.blocks()] + [layout.synergy[0]] if conditions.given else []
    return np.concatenate([*at, layout.scale if conditions.given_scale else layout.scale[:0]])


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
    rows = builder.add_difference(at[:, 1:], at[:, :1])
    return rows, nodes.mesh.durations[:, None, None, None] * nodes.mesh.scheme.integrals[:, :, None]


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


def _add_ends(builder: Builder, layout: Layout, nodes: Nodes, conditions: Conditions) -> None:
    """Conditions at the first and the last point."""
    if conditions.given:
        return
    start_is_control = nodes.mesh.scheme.collocated[0] == 0
    if conditions.initial_activation == "equal":
        builder.add_difference(layout.activation[0], layout.excitation[0])
    elif not start_is_control:
        builder.add_difference(layout.excitation[0], layout.excitation[1])
    if conditions.periodic:
        muscles = layout.part.muscles
        other = np.searchsorted(muscles, np.array(conditions.follower(nodes.problem), dtype=int)[muscles])
        builder.add_difference(layout.activation[0], layout.activation[-1, other])
        in_tendon = np.searchsorted(layout.elastic, other[layout.elastic])  # both are of one kind
        builder.add_difference(layout.force[0], layout.force[-1, in_tendon])
        if start_is_control and conditions.initial_activation != "equal":
            free = free_muscles(conditions.synergies, nodes.problem)[muscles]  # synergies give the others
            builder.add_difference(layout.excitation[0, free], layout.excitation[-1, other[free]])


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
