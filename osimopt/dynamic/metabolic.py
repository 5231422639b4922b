"""MetabolicCost: metabolic rate as a term of the objective of dynamic optimization."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, check_names, explain, shown
from ..muscle.fibers import isometric_multiplier, rigid_fibers
from ..muscle.metabolic_parameters import ByMuscle, Metabolics, ProbeName
from ..muscle.metabolics import DENSITY, SLOW_TWITCH, SPECIFIC_TENSION, Effort, Smooth, Smoothing, on_elastic_tendon
from ..muscle.muscle_class import ratio
from ..options import is_number
from ..problem.arrays import Array, Index
from ..problem.problem import RedundancyProblem
from ..solution.effort import rate_of
from ..solution.metabolic import mean_over
from .nodes import Layout, Nodes, Unknowns
from .program import Builder

if TYPE_CHECKING:
    from ..solution.solution import RedundancySolution

FORMULA = "w Ė / body mass"


@dataclass(frozen=True)
class MetabolicCost:
    """Metabolic rate of the muscles in the objective: weight · ∫ Σ rate / body mass dt, rates in W, mass in kg.

    The rate is that of :func:`osimopt.metabolic_rate` without the basal rate, which no excitation changes, with
    transitions smoothed as in OpenSim Moco [1]_. It is added to the cost of ``solve_dynamic``.

    Parameters
    ----------
    probe
        ``"bhargava2004"`` or ``"umberger2010"``.
    weight : float, kg/W
        One stride of walking (1.1 s, 80 muscles) has ∫ Σ e² dt = 1.3 s and 5 W/kg: with a weight of 1 most of the
        objective is metabolic, with 10 nearly all of it.
    slow_twitch, specific_tension, density, muscle_mass, body_mass
        As in :func:`osimopt.metabolic_rate`.
    smoothing : mapping
        Fields of ``osimopt.muscle.metabolics.Smoothing`` in place of its defaults. The provenance has the difference
        between smooth and exact rate.
    options : mapping
        Properties of OpenSim's probe by name.

    Raises
    ------
    InputError
        Wrong names or values.

    References
    ----------
    .. [1] Dembia et al. (2020), doi:10.1371/journal.pcbi.1008493 (Bhargava2004SmoothedMuscleMetabolics)

    Examples
    --------
    >>> import osimopt
    >>> from osimopt.datasets import arm26
    >>> problem = osimopt.load_problem(arm26().model, arm26().motion, time_range=(0.2, 0.4))
    >>> effort = osimopt.solve_dynamic(problem, "rigid")
    >>> both = osimopt.solve_dynamic(problem, "rigid", metabolic=osimopt.MetabolicCost(weight=0.1))
    >>> rates = [osimopt.metabolic_rate(one, "bhargava2004").attrs["mean_W_per_kg"] for one in (effort, both)]
    >>> rates[1] < rates[0]
    True
    """

    probe: ProbeName = "bhargava2004"
    weight: float = 1.0
    slow_twitch: ByMuscle = SLOW_TWITCH
    specific_tension: ByMuscle = SPECIFIC_TENSION
    density: float = DENSITY
    muscle_mass: Mapping[str, float] | None = None
    body_mass: float | None = None
    smoothing: Mapping[str, float] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (is_number(self.weight) and isfinite(self.weight) and self.weight > 0.0):
            raise InputError(explain("a finite weight > 0 of MetabolicCost", shown(self.weight), "1 is the default."))
        check_names("smoothing", self.smoothing, Smoothing._fields)
        if bad := [name for name, value in self.smoothing.items() if not (is_number(value) and 0.0 < value < np.inf)]:
            got = f"{bad[0]} {shown(self.smoothing[bad[0]])}"
            raise InputError(
                explain("smoothing of MetabolicCost as positive numbers", got, "Leave it out for the defaults.")
            )
        _ = self.metabolics

    @property
    def metabolics(self) -> Metabolics:
        """The probe, and parameters of muscles."""
        names = ("slow_twitch", "specific_tension", "density", "muscle_mass", "body_mass")
        return Metabolics.of(self.probe, self.options, **{name: getattr(self, name) for name in names})

    @property
    def smooth(self) -> Smooth:
        """The probe with its smoothing."""
        return Smooth(self.metabolics.probe, Smoothing(**self.smoothing))

    def of(self, problem: RedundancyProblem) -> MetabolicCost:
        """The cost with its body mass.

        Raises
        ------
        InputError
            The problem does not have what the rate needs.
        """
        geometry, mass = problem.geometry, self.metabolics.mass_of(problem)
        if problem.parameters is None or geometry.length is None or geometry.lengthening_speed is None:
            got = "a problem without muscle parameters, lengths or speeds"
            raise InputError(explain("a problem read from a model for MetabolicCost", got, "Use osimopt.load_problem."))
        if mass is None:
            fix = "Load the problem with osimopt.load_problem, or give MetabolicCost(body_mass=...) in kg."
            raise InputError(explain("a body mass for MetabolicCost", "a problem without it", fix))
        self.metabolics.tissue(problem.parameters)  # refuses names of other muscles
        return replace(self, body_mass=mass)


def read_metabolic(given: Any) -> MetabolicCost | None:
    """A cost from itself, or from text such as ``bhargava2004`` or ``umberger2010=2``.

    Raises
    ------
    InputError
        Something else.
    """
    if given is None or isinstance(given, MetabolicCost):
        return given
    if not isinstance(given, str):
        fix = "Give for example osimopt.MetabolicCost('bhargava2004', weight=1.0)."
        raise InputError(explain("metabolic as osimopt.MetabolicCost, or text", shown(given), fix))
    probe, _, weight = (part.strip() for part in given.partition("="))
    try:
        number = float(weight) if "=" in given else 1.0
    except ValueError:
        fix = "Write for example bhargava2004=0.1."
        raise InputError(explain("metabolic as probe=weight", shown(given), fix)) from None
    return MetabolicCost(probe, number)  # type: ignore[arg-type]


def metabolic_provenance(cost: MetabolicCost, solution: RedundancySolution) -> dict[str, Any]:
    """What a provenance says: the cost, and the mean rates in W/kg of the probe itself and of the smooth term."""
    probe, mass = cost.metabolics.probe, _mass(cost)
    basal = probe.basal(mass) / mass
    exact = rate_of(solution.muscles_in_motion, cost.metabolics).sum(axis=1) / mass
    smooth = np.asarray(solution.objective_terms["metabolic"]) / cost.weight
    return {
        "probe": cost.probe, "weight": cost.weight, "formula": FORMULA, "body_mass_kg": mass,
        "properties": asdict(probe), "smoothing": cost.smooth.smoothing._asdict(), "basal_W_per_kg": basal,
        "mean_W_per_kg": basal + mean_over(solution.time, exact),
        "smooth_mean_W_per_kg": basal + mean_over(solution.time, smooth),
    }  # fmt: skip


def _mass(cost: MetabolicCost) -> float:
    """Body mass in kg, which ``MetabolicCost.of`` sets."""
    return np.nan if cost.body_mass is None else cost.body_mass


def _rigid(nodes: Nodes) -> tuple[Array, ...]:
    """Normalised length, velocity in m/s, active force per activation, passive force, and isometric multiplier.

    (N, M) each, of fibres on rigid tendons; a fibre whose length is unknown has no force and no velocity.
    """
    problem, geometry = nodes.problem, nodes.problem.geometry
    parameters = problem.parameters
    if parameters is None:
        raise ValueError("no muscle parameters")
    fibers = rigid_fibers(parameters, np.asarray(geometry.length), np.asarray(geometry.lengthening_speed))
    along = (np.asarray(problem.max_force), np.asarray(problem.passive_force))
    forces = (np.nan_to_num(ratio(force + 0.0 * fibers.cosine, fibers.cosine, 0.0)) for force in along)
    length = np.nan_to_num(fibers.length / parameters.optimal_fiber_length)
    return length, np.nan_to_num(fibers.velocity), *forces, isometric_multiplier(parameters, length)


def _effort(nodes: Nodes, unknowns: Unknowns) -> Effort:
    """State (N, M) of all muscles."""
    geometry, parameters = nodes.problem.geometry, nodes.problem.parameters
    activation = unknowns.activation
    length, velocity, active, passive, isometric = _rigid(nodes)
    rigid = Effort(unknowns.excitation, activation, length, velocity, active * activation, passive, isometric)
    if nodes.fiber is None or parameters is None:
        return rigid
    elastic = on_elastic_tendon(
        unknowns.excitation, activation, unknowns.force, unknowns.force_rate, np.asarray(geometry.length),
        np.asarray(geometry.lengthening_speed), nodes.fiber, parameters.max_isometric_force,
    )  # fmt: skip
    return Effort(*(np.where(nodes.elastic, *both) for both in zip(elastic, rigid, strict=True)))


def metabolic_rates(nodes: Nodes, cost: MetabolicCost, unknowns: Unknowns) -> Array:
    """(N, M) smooth rates of the muscles in W/kg of the body."""
    if nodes.problem.parameters is None:
        raise ValueError("no muscle parameters")
    probe, smoothing = cost.smooth
    tissue = cost.metabolics.tissue(nodes.problem.parameters)
    return np.asarray(probe.rate(_effort(nodes, unknowns), tissue, smoothing)) / _mass(cost)


def start_rates(nodes: Nodes, cost: MetabolicCost, unknowns: Unknowns) -> Array:
    """(M,) the same at the first point, with excitations equal to activations and fibres at rest."""
    first, at = nodes.frames(nodes.mesh, slice(0, 1)), unknowns.frames(slice(0, 1))
    geometry = replace(first.problem.geometry, lengthening_speed=np.zeros(at.activation.shape))
    first = replace(first, problem=replace(first.problem, geometry=geometry))
    held = replace(at, excitation=at.activation, force_rate=0.0 * at.force_rate)
    return np.asarray(metabolic_rates(first, cost, held)[0])


def add_metabolic(builder: Builder, layout: Layout, nodes: Nodes, cost: MetabolicCost, weights: Array) -> None:
    """Add weights · rate / body mass at all points; weights (N, 1)."""
    _add(builder, layout, nodes, cost, weights, layout.excitation, slice(None))


def add_start(builder: Builder, layout: Layout, nodes: Nodes, cost: MetabolicCost, weights: Array) -> None:
    """Add weights · ``start_rates``; weights (1, m)."""
    _add(builder, layout, nodes, cost, weights, layout.activation[:1], slice(0, 1))


def _add(
    builder: Builder, layout: Layout, nodes: Nodes, cost: MetabolicCost, weights: Array, excitation: Index, at: slice
) -> None:
    parameters, geometry, part = nodes.problem.parameters, nodes.problem.geometry, layout.part
    if parameters is None:
        raise ValueError("no muscle parameters")
    tissue, moves = cost.metabolics.tissue(parameters), at == slice(None)
    weights = np.broadcast_to(weights / _mass(cost), excitation.shape)
    elastic, own = layout.elastic, layout.in_tendon
    if elastic.size:
        motion = [np.asarray(array)[at, own] for array in (geometry.length, geometry.lengthening_speed)]
        unknowns = [excitation[:, elastic], layout.activation[at, elastic], layout.force[at]]
        unknowns += [layout.force_rate[at]] if moves else []
        data = [motion[0], moves * motion[1], *nodes.fibers(own), *(values[own] for values in tissue)]
        rates = builder.add_group("metabolic_elastic", unknowns, data, probe=cost.smooth)
        builder.add_cost(rates, weights[:, elastic])
    rigid = np.flatnonzero(~nodes.elastic[part.muscles])
    if rigid.size:
        own = part.muscles[rigid]
        length, velocity, *others = (array[at, own] for array in _rigid(nodes))
        data = [length, moves * velocity, *others, *(values[own] for values in tissue)]
        unknowns = [excitation[:, rigid], layout.activation[at, rigid]]
        rates = builder.add_group("metabolic_rigid", unknowns, data, probe=cost.smooth)
        builder.add_cost(rates, weights[:, rigid])
