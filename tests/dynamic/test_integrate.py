"""Forward integration of what dynamic optimization found, against manufactured motions and one-by-one integration."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.interpolate import make_interp_spline
from scipy.optimize import root

from osimopt.dynamic import integrate as integration
from osimopt.dynamic.integrate import ForwardCheck, check_solution, integrate
from osimopt.dynamic.mesh import Mesh, Refinement, scheme
from osimopt.dynamic.nodes import Nodes, Unknowns
from osimopt.dynamic.solve import solve_dynamic
from osimopt.muscle import contraction, degroote
from osimopt.muscle.activation import activation_rate, excitation_for
from osimopt.muscle.contraction import Fiber, FiberState, tendon_force_rate
from osimopt.problem.arrays import MuscleParameters
from osimopt.problem.problem import RedundancyProblem

Array = NDArray[np.float64]

#: An ordinary muscle, a short stiff tendon without damping, a damped one whose passive force is ignored, a pennate one,
#: a long tendon.
NAMES = ("ordinary", "short", "damped", "pennate", "long")
FIBER = Fiber(
    optimal=np.array([0.1, 0.15, 0.08, 0.06, 0.05]),
    slack=np.array([0.2, 0.015, 0.1, 0.12, 0.3]),
    height=np.array([0.1, 0.15, 0.08, 0.06, 0.05]) * np.sin([0.1, 0.0, 0.2, 0.5, 0.3]),
    fastest=10.0 * np.array([0.1, 0.15, 0.08, 0.06, 0.05]),
    active_force_width_scale=np.array([1.0, 1.2, 1.5, 1.0, 1.5]),
    passive_fiber_strain_at_one_norm_force=np.array([0.6, 0.6, 0.6, 0.7, 0.5]),
    passive_share=np.array([1.0, 1.0, 0.0, 1.0, 0.0]),
    tendon_strain_at_one_norm_force=np.array([0.049, 0.049, 0.1, 0.04, 0.049]),
    damping=np.array([0.01, 0.0, 0.1, 0.01, 0.01]),
)
STRENGTH = np.array([1000.0, 500.0, 800.0, 3000.0, 1500.0])
DYNAMICS = np.array([[0.015, 0.01, 0.015, 0.03, 0.015], [0.06, 0.04, 0.06, 0.05, 0.06], [0.1, 10.0, 0.1, 0.1, 1.0]])
#: Slow enough that the order shows on meshes that are still short.
SLOW = np.array([[0.4] * 5, [0.6] * 5, [1.0] * 5])
#: Integration at 1e-5 and pieces that meet to 1e-5, over a second; forces are of order 1.
INTEGRATION = 3e-5


def muscles() -> MuscleParameters:
    count = len(NAMES)
    return MuscleParameters(
        NAMES, ("DeGrooteFregly2016Muscle",) * count, STRENGTH, FIBER.optimal, FIBER.slack,
        np.arcsin(FIBER.height / FIBER.optimal), np.full(count, 10.0), np.full(count, 0.01), np.ones(count),
    )  # fmt: skip


def nodes_of(mesh: Mesh, length: Array | None, speed: Array | None, dynamics: Array = DYNAMICS) -> Nodes:
    """Five muscles about two joints; with rigid tendons where there are no lengths."""
    count = len(mesh.time)
    arm = np.array([[0.05, 0.03, 0.0, -0.02, 0.0], [0.0, 0.0, 0.04, 0.01, -0.05]])
    strength = STRENGTH * np.linspace(1.0, 0.8, count)[:, None]
    problem = RedundancyProblem.from_arrays(
        arm, strength, np.zeros((count, 2)), passive_force=0.01 * STRENGTH, time=mesh.time, muscles=NAMES
    )
    geometry = replace(problem.geometry, length=length, lengthening_speed=speed)
    problem = replace(problem, geometry=geometry, parameters=muscles())
    return Nodes(mesh, problem, dynamics, None if length is None else FIBER)


def unknowns_of(activation: Array, excitation: Array, force: Array) -> Unknowns:
    none = np.zeros((len(activation), 0))
    return Unknowns(activation, excitation, force, np.zeros_like(force), none, np.zeros(0))


def wave(time: Array, middle: float, swing: float, hertz: float = 1.0) -> tuple[Array, Array]:
    """Values and rates of five muscles, each with its phase."""
    phase = 2.0 * np.pi * hertz * time[:, None] + np.arange(5.0)
    return middle + swing * np.sin(phase), 2.0 * np.pi * hertz * swing * np.cos(phase)


def lengths(time: Array) -> tuple[Array, Array]:
    """Muscle-tendon lengths and speeds with which fibres stay near optimal."""
    share, rate = wave(time, 1.0, 0.1)
    return FIBER.slack * 1.02 + FIBER.optimal * share, FIBER.optimal * rate


def manufactured(mesh: Mesh) -> tuple[Nodes, Unknowns]:
    """Tendon forces and lengths are chosen; activations follow from the fibres, and excitations from those."""
    dense = np.linspace(mesh.time[0] - 0.02, mesh.time[-1] + 0.02, 2001)
    length, speed = lengths(dense)
    force, force_rate = wave(dense, 0.3, 0.05, 2.0)
    state = contraction.fiber_state(length, speed, force, force_rate, FIBER)
    pull = force / state.cosine - contraction.passive_multiplier(state, FIBER)
    activation = make_interp_spline(dense, pull / contraction.active_multiplier(state, FIBER), k=7)
    at = activation(mesh.time)
    excitation = excitation_for(activation.derivative()(mesh.time), at, *DYNAMICS)
    return nodes_of(mesh, *lengths(mesh.time)), unknowns_of(at, excitation, wave(mesh.time, 0.3, 0.05, 2.0)[0])


def test_tendon_force_rate_leaves_no_imbalance() -> None:
    random = np.random.default_rng(0)
    shape = (500, 5)
    activation, velocity = random.uniform(0.01, 1.0, shape), random.uniform(-1.0, 1.0, shape)
    along = FIBER.optimal * random.uniform(0.5, 1.4, shape)
    fiber = np.hypot(along, FIBER.height)
    state = FiberState(fiber / FIBER.optimal, velocity, along / fiber)
    active, passive = contraction.active_multiplier(state, FIBER), contraction.passive_multiplier(state, FIBER)
    force = (activation * active + passive) * state.cosine
    taut = force > -0.15
    length = along + FIBER.slack * degroote.tendon_length(np.where(taut, force, 0.0), FIBER[7])
    speed = FIBER.optimal * random.uniform(-5.0, 5.0, shape)
    with np.errstate(invalid="ignore"):
        rate = tendon_force_rate(activation, force, length, speed, FIBER)
        found = contraction.fiber_state(length, speed, force, rate, FIBER)
        missed = contraction.imbalance(activation, force, found, FIBER)
    assert taut.mean() > 0.9
    assert np.abs(missed[taut]).max() < 1e-10
    np.testing.assert_allclose(found.velocity[taut], velocity[taut], atol=1e-9)


def test_tendon_force_rate_stays_finite_far_from_any_equilibrium() -> None:
    grid = np.meshgrid([1e-4, 1.0], [-0.19, 0.0, 1.0, 5.0], [-0.5, 0.0, 1.0, 3.0], [-100.0, 100.0], indexing="ij")
    activation, force, reach, speed = (axis.ravel()[:, None] for axis in grid)
    with np.errstate(under="ignore"):
        rate = tendon_force_rate(activation, force, FIBER.slack + reach * FIBER.optimal, speed, FIBER)
    assert np.isfinite(rate).all()


def test_damped_velocity_over_many_decades() -> None:
    random = np.random.default_rng(1)
    active, damping = 10.0 ** random.uniform(-8.0, 0.5, 20000), 10.0 ** random.uniform(-10.0, 1.0, 20000)
    damping[::5] = 0.0
    velocity = random.choice([-1.0, 1.0], 20000) * 10.0 ** random.uniform(-6.0, 3.0, 20000)
    load = active * degroote.force_velocity(velocity) + damping * velocity
    found = degroote.damped_force_velocity_inverse(active, damping, load)
    np.testing.assert_allclose(found, velocity, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "interval", "close"),
    [("hermite-simpson", 0.005, 1e-4), ("legendre-gauss-radau-4", 0.02, 3e-5), ("trapezoidal", 0.002, 1e-3)],
)
def test_a_manufactured_motion_is_recovered(name: str, interval: float, close: float) -> None:
    mesh = Mesh.uniform(scheme(name), 0.1, 0.6, interval)
    nodes, unknowns = manufactured(mesh)
    assert unknowns.activation.min() > 0.01
    whole, ends = integrate(nodes, unknowns)
    assert np.abs(whole[..., 0] - unknowns.activation).max() < close
    assert np.abs(whole[..., 1] - unknowns.force).max() < close
    assert np.abs(ends[..., 1] - unknowns.force[mesh.points[:, -1]]).max() < close
    check = check_solution(nodes, unknowns)
    assert check.findings() == []
    assert check.interval_error.max() < close
    np.testing.assert_allclose(check.muscle_force, STRENGTH * unknowns.force, atol=close * STRENGTH.max())


def one_by_one(nodes: Nodes, unknowns: Unknowns, start: Array) -> Array:
    """States (N, M, S) of every muscle for itself, interval after interval, by another method and finely."""
    mesh, geometry = nodes.mesh, nodes.problem.geometry
    inputs = np.hstack([geometry.length, geometry.lengthening_speed])  # type: ignore[list-item]
    spline = make_interp_spline(mesh.time, inputs, k=5, bc_type=([(3, np.zeros(10)), (4, np.zeros(10))],) * 2)
    result = np.empty((len(mesh.time), *start.shape))
    for muscle in range(5):
        fiber, state = Fiber(*(values[muscle] for values in FIBER)), start[muscle]
        for points in mesh.points:
            edge, duration = mesh.time[points[0]], mesh.time[points[-1]] - mesh.time[points[0]]
            controls = np.polynomial.Polynomial.fit(
                mesh.scheme.collocation, unknowns.excitation[points[mesh.scheme.collocated], muscle],
                len(mesh.scheme.collocation) - 1, domain=[0.0, 1.0],
            )  # fmt: skip

            def rate(time: float, now: Array) -> Array:
                excitation = float(controls((time - edge) / duration))  # noqa: B023
                length, speed = spline(time)[[muscle, muscle + 5]]  # noqa: B023
                change = activation_rate(excitation, now[0], *DYNAMICS[:, muscle])  # noqa: B023
                return np.array([change, tendon_force_rate(now[0], now[1], length, speed, fiber)])  # noqa: B023

            found = solve_ivp(
                rate, (edge, mesh.time[points[-1]]), state, "Radau", mesh.time[points], rtol=1e-7, atol=1e-8
            )
            result[points, muscle] = found.y.T
            state = found.y[:, -1]
    return result


@pytest.mark.parametrize("name", ["hermite-simpson", "legendre-gauss-radau-2"])
@pytest.mark.slow
def test_pieces_that_meet_are_one_integration(name: str) -> None:
    """Excitations jump and bend, and the solution's own states are far from any; the whole must not care."""
    mesh = Mesh.uniform(scheme(name), 0.0, 0.12, 0.03)
    nodes = nodes_of(mesh, *lengths(mesh.time))
    random = np.random.default_rng(2)
    count = len(mesh.time)
    wrong = unknowns_of(
        np.full((count, 5), 0.3), random.uniform(0.05, 0.9, (count, 5)), random.uniform(0.2, 0.3, (count, 5))
    )
    start = np.stack([wrong.activation[0], wrong.force[0]], axis=1)
    expected = one_by_one(nodes, wrong, start)
    whole, ends = integrate(nodes, wrong)
    assert np.abs(whole - expected).max() < INTEGRATION
    assert np.abs(ends[0] - expected[mesh.points[0, -1]]).max() < INTEGRATION
    assert np.abs(ends[1] - expected[mesh.points[1, -1]]).max() > 0.01


def collocated(mesh: Mesh, excitation: Array, start: Array) -> Array:
    """Activations (N, M) that meet a scheme's equations, interval after interval."""
    activation = np.empty((len(mesh.time), len(start)))
    activation[0] = start
    for points, duration in zip(mesh.points, mesh.durations, strict=True):
        first = activation[points[0]]

        def missed(
            flat: Array, first: Array = first, points: NDArray[np.intp] = points, duration: float = duration
        ) -> Array:
            own = np.vstack([first, flat.reshape(-1, len(start))])
            at = mesh.scheme.collocated
            rates = activation_rate(excitation[points[at]], own[at], *SLOW)
            return np.asarray(own[1:] - first - duration * mesh.scheme.integrals @ rates).ravel()

        found = root(missed, np.tile(first, len(points) - 1), tol=1e-14)
        activation[points[1:]] = found.x.reshape(-1, len(start))
    return activation


@pytest.mark.parametrize(
    ("name", "interval"), [("trapezoidal", 0.02), ("hermite-simpson", 0.05), ("legendre-gauss-radau-2", 0.05)]
)
def test_local_error_falls_with_the_order_of_the_scheme(
    name: str, interval: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integration, "RELATIVE", 1e-11)
    monkeypatch.setattr(integration, "ABSOLUTE", 1e-12)
    errors = []
    for halved in (interval, interval / 2.0):
        mesh = Mesh.uniform(scheme(name), 0.0, 0.4, halved)
        excitation = wave(mesh.time, 0.5, 0.3)[0]
        activation = collocated(mesh, excitation, np.full(5, 0.4))
        unknowns = unknowns_of(activation, excitation, np.zeros_like(activation))
        errors.append(check_solution(nodes_of(mesh, None, None, SLOW), unknowns).interval_error.max())
    order = np.log2(errors[0] / errors[1])
    assert abs(order - (mesh.scheme.order + 1)) < 0.35


def settled(mesh: Mesh) -> tuple[Nodes, Unknowns]:
    """A rigid problem whose activations are those of forward integration."""
    nodes = nodes_of(mesh, None, None)
    excitation = wave(mesh.time, 0.5, 0.3)[0]
    start = np.broadcast_to(np.full(5, 0.4), excitation.shape)
    unknowns = unknowns_of(start, excitation, np.zeros_like(excitation))
    return nodes, replace(unknowns, activation=integrate(nodes, unknowns)[0][..., 0])


@pytest.mark.parametrize("name", ["trapezoidal", "hermite-simpson", "legendre-gauss-radau"])
def test_rigid_tendons(name: str) -> None:
    nodes, unknowns = settled(Mesh.uniform(scheme(name), 0.0, 0.4, 0.04))
    check = check_solution(nodes, unknowns)
    assert check.findings() == []
    assert check.activation_error.max() < INTEGRATION
    expected = nodes.problem.max_force * unknowns.activation + nodes.problem.passive_force
    np.testing.assert_allclose(check.muscle_force, expected, atol=INTEGRATION * STRENGTH.max())


def test_what_departs_is_measured() -> None:
    """One muscle's activation is moved at one point that ends an interval: by how much is known in every unit."""
    nodes, unknowns = settled(Mesh.uniform(scheme("hermite-simpson"), 0.0, 0.4, 0.04))
    moved = unknowns.activation.copy()
    moved[8, 3] -= 0.02
    check = check_solution(nodes, replace(unknowns, activation=moved))
    by = 0.02 * nodes.problem.max_force[8, 3]
    peak = (nodes.problem.max_force * moved + nodes.problem.passive_force)[:, 3].max()
    close = {"rel": 2e-2}  # of the integration's 3e-5 to 0.02
    assert check.activation_error[3] == pytest.approx(0.02, **close)
    assert check.force_error[3] == pytest.approx(by / peak, **close)
    np.testing.assert_allclose(check.moment_error, [0.02 * by, 0.01 * by], rtol=close["rel"])
    assert check.interval_error[3] == pytest.approx(0.02, **close)
    assert 0.0 < check.interval_error[4] < 0.02
    assert np.delete(check.interval_error, [3, 4]).max() < INTEGRATION
    first, second = check.findings()
    assert "activations of 1 of 5 muscles by more than 0.01: pennate 0.02." in first
    assert f"shares of their peaks, of 1 of 5 muscles by more than 1.0%: pennate {by / peak:.1%}." in second
    assert "mesh_tolerance=5e-03" in first
    assert "shorten mesh_interval" in second
    assert json.loads(json.dumps(check.summary()))["activation_error"] == {
        "largest": check.activation_error[3], "at": "pennate",
    }  # fmt: skip


def test_moments_of_differences_add_up_with_their_signs() -> None:
    nodes, unknowns = settled(Mesh.uniform(scheme("hermite-simpson"), 0.0, 0.4, 0.04))
    moved = unknowns.activation.copy()
    moved[8, [0, 3]] += 0.02
    by = 0.02 * nodes.problem.max_force[8]
    check = check_solution(nodes, replace(unknowns, activation=moved))
    np.testing.assert_allclose(check.moment_error, [abs(0.05 * by[0] - 0.02 * by[3]), 0.01 * by[3]], rtol=2e-2)


def example(activation_error: list[float], force_error: list[float]) -> ForwardCheck:
    zeros, errors = np.zeros((3, 4)), np.array([activation_error, force_error])
    return ForwardCheck(
        tuple("abcd"), ("x",), zeros, zeros, errors[0], errors[1], np.zeros(1), np.array([0.001, 0.004])
    )


def test_findings_name_the_worst_beyond_the_promise_only() -> None:
    assert example([0.0099] * 4, [0.0099] * 4).findings() == []
    assert len(example([0.011, 0.0, 0.0, 0.0], [0.0] * 4).findings()) == 1
    assert len(example([0.0] * 4, [0.0, 0.0, 0.0, 0.011]).findings()) == 1
    (said,) = example([0.02, 0.05, 0.03, 0.04], [0.0] * 4).findings()
    assert "of 4 of 4 muscles by more than 0.01: b 0.05, d 0.04, c 0.03 and 1 more." in said
    assert "mesh_tolerance=4e-04" in said


def test_failed_integration_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes, unknowns = settled(Mesh.uniform(scheme("hermite-simpson"), 0.0, 0.4, 0.04))
    monkeypatch.setattr(integration, "MOST_EVALUATIONS", 10)
    check = check_solution(nodes, unknowns)
    (said,) = check.findings()
    assert said.startswith("Forward integration of the excitations failed")
    assert np.isnan(check.activation_error).all()
    assert np.isnan(check.interval_error).all()
    finer = Refinement(1e-3, 1).finer(nodes.mesh, check.interval_error)
    assert finer is not None
    assert len(finer) > len(nodes.mesh)
    assert check.summary()["force_error_share_of_peak"] == {"largest": None, "at": None}


def test_starts_that_do_not_meet_are_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes, unknowns = settled(Mesh.uniform(scheme("hermite-simpson"), 0.0, 0.4, 0.04))
    monkeypatch.setattr(integration, "MOST_CALLS", 9)
    rough = replace(unknowns, activation=np.full_like(unknowns.activation, 0.4))
    assert "differs" in check_solution(nodes, rough).findings()[0]
    monkeypatch.setattr(integration, "_sensitivity", np.zeros_like)
    assert check_solution(nodes, unknowns).findings() == []
    (said,) = check_solution(nodes, rough).findings()
    assert "failed" in said


def test_a_refined_mesh_ends_within_its_tolerance() -> None:
    """And what acts beside no muscle, which is not solved for, is right on every mesh."""
    time = np.linspace(0.0, 0.6, 241)
    moment = np.stack([20.0 + 15.0 * np.sin(9.0 * time), 30.0 * np.cos(20.0 * time)], axis=1)
    problem = RedundancyProblem.from_arrays(
        [[0.05], [0.0]], [1000.0], moment, time=time, reserves={"coordinate_1": 1.0}
    )
    solution = solve_dynamic(problem, tendon="rigid", mesh_interval=0.1, mesh_tolerance=5e-4)
    rounds = solution.provenance["rounds"]
    assert solution.success
    assert rounds[0]["integration_error"] > 5e-4
    assert rounds[-1]["integration_error"] <= 5e-4
    assert rounds[-1]["intervals"] > rounds[0]["intervals"]
    np.testing.assert_allclose(solution.reserve_force[:, 0], 30.0 * np.cos(20.0 * solution.time), atol=1e-4)
    again = solve_dynamic(problem, tendon="rigid", mesh_interval=0.02, initial_guess=solution)
    np.testing.assert_allclose(again.reserve_force[:, 0], 30.0 * np.cos(20.0 * again.time), atol=1e-4)


def test_a_single_interval() -> None:
    mesh = Mesh.uniform(scheme("trapezoidal"), 0.1, 0.12, 0.02)
    nodes, unknowns = manufactured(mesh)
    check = check_solution(nodes, unknowns)
    assert check.interval_error.shape == (1,)
    assert check.findings() == []
