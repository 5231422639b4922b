"""Dynamic optimization against analysis: known excitations, Pontryagin's conditions, static optimization as its limit.

Nothing here but the muscles' differential equation comes from osimopt: states are integrated, and optimal ones found as
a boundary-value problem, by SciPy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from scipy.integrate import simpson, solve_bvp, solve_ivp

from osimopt import load_problem, solve_dynamic, solve_static
from osimopt.dynamic.mesh import RADAU
from osimopt.muscle.activation import activation_rate
from osimopt.problem.problem import RedundancyProblem

Array = np.ndarray

#: Time constants in s, slow enough for meshes of 30 ms to resolve what they do, and OpenSim's smoothing.
SLOW = (0.1, 0.15)
SMOOTHING = 0.1
#: N·m at activation 1 of the muscle that is used throughout: 1000 N, 0.05 m.
GAIN = 50.0
#: By how much a measured order may fall short: meshes are not infinitely fine.
SHORT = 0.35
#: IPOPT's tolerance here, and how far activations that moments determine are from them then.
FINE, SOLVED = 1e-9, 1e-7
#: IPOPT stops where no variable has more than 1e-6 (scaled) to gain: activations of a flat minimum are that exact.
FLAT = 1e-4


def rate(excitation: Array, activation: Array) -> Array:
    return activation_rate(excitation, activation, *SLOW, SMOOTHING)  # type: ignore[arg-type]


def orders(error: Callable[[float], float], intervals: tuple[float, ...]) -> Array:
    """Orders of convergence between meshes, each half as long as that before."""
    return -np.diff(np.log2([error(interval) for interval in intervals]))


def ends(solution: Any) -> Array:
    """The points of the solution at which intervals meet."""
    return np.searchsorted(solution.time, solution.mesh_edges - 1e-12)


# ------------------------------------------------------------------ one muscle, moments determine everything


@dataclass(frozen=True)
class Known:
    """A muscle whose excitation is known, and the moments it makes; frames go on beyond 0 … 1 s.

    They do because splines end naturally, which is worth 1e-6 near the ends.
    """

    problem: RedundancyProblem
    activation: Callable[[Array], Array]

    @staticmethod
    def excitation(time: Array) -> Array:
        return 0.4 + 0.25 * np.sin(3.0 * np.pi * time) + 0.1 * np.cos(5.0 * np.pi * time)


@pytest.fixture(scope="module")
def known() -> Known:
    """Activation begins at its excitation at 0 s."""
    options: dict[str, Any] = {"method": "DOP853", "rtol": 1e-12, "atol": 1e-13, "max_step": 0.005}
    start = [float(Known.excitation(np.zeros(1))[0])]
    runs = [
        solve_ivp(lambda t, a: rate(Known.excitation(t), a), (0.0, end), start, dense_output=True, **options).sol
        for end in (-0.02, 1.02)
    ]

    def activation(time: Array) -> Array:
        return np.where(time < 0.0, runs[0](time)[0], runs[1](time)[0])

    time = np.linspace(-0.02, 1.02, 417)
    problem = RedundancyProblem.from_arrays([[0.05]], [1000.0], GAIN * activation(time), time=time)
    return Known(problem, activation)


def found(known: Known, transcription: str, interval: float) -> Any:
    return solve_dynamic(
        known.problem,
        "rigid",
        transcription,
        interval,
        tolerance=FINE,
        time_range=(0.0, 1.0),
        time_constants=SLOW,
        initial_activation="equal",
    )


@pytest.mark.parametrize(
    ("transcription", "interval", "near"),
    [("trapezoidal", 0.01, 2e-3), ("hermite-simpson", 0.01, 3e-4), (RADAU, 0.02, 2e-4), (f"{RADAU}-5", 0.05, 2e-5)],
)
def test_the_excitation_behind_a_moment_is_found(
    known: Known, transcription: str, interval: float, near: float
) -> None:
    solution = found(known, transcription, interval)
    assert solution.success
    assert solution.activation[:, 0] == pytest.approx(known.activation(solution.time), abs=SOLVED)
    assert solution.excitation[:, 0] == pytest.approx(known.excitation(solution.time), abs=near)
    assert np.abs(solution.moment_residual).max() < GAIN * SOLVED


@pytest.mark.parametrize(
    ("transcription", "order"),
    [("trapezoidal", 2), ("hermite-simpson", 2), (f"{RADAU}-1", 1), (f"{RADAU}-2", 2), (RADAU, 3)],
)
def test_order_of_excitations_that_moments_determine(known: Known, transcription: str, order: int) -> None:
    """Activations given, the equations are of index 2: excitations come as rates of them, one order per point."""

    def error(interval: float) -> float:
        solution = found(known, transcription, interval)
        at = ends(solution)
        return float(np.abs(solution.excitation[at, 0] - known.excitation(solution.time[at])).max())

    measured = orders(error, (0.04, 0.02, 0.01))
    assert (measured > order - SHORT).all(), measured


def test_objective_is_the_integral_of_the_known_excitation(known: Known) -> None:
    fine = np.linspace(0.0, 1.0, 2001)
    expected = simpson(known.excitation(fine) ** 2, x=fine)
    solution = found(known, RADAU, 0.02)
    assert solution.total_objective == pytest.approx(expected, abs=1e-7)
    assert solution.integrals["muscles"] == pytest.approx(expected, abs=1e-7)
    assert solution.provenance["objective"]["total"] == solution.total_objective


# ------------------------------------------------------- one muscle and a reserve: Pontryagin's conditions

RESERVE, DURATION = 25.0, 0.6


def wanted(time: Array) -> Array:
    """Moment in N·m, too fast for the muscle alone."""
    return 22.0 + 8.0 * np.sin(3.0 * np.pi * time + 0.5)


def derivatives(excitation: Array, activation: Array) -> tuple[Array, Array]:
    """∂f/∂e and ∂f/∂a by complex steps."""
    step = 1e-30
    by_excitation = np.imag(rate(excitation + 1j * step, activation + 0j)) / step
    return by_excitation, np.imag(rate(excitation + 0j, activation + 1j * step)) / step


def stationary(activation: Array, costate: Array) -> Array:
    """The e that minimises e² + λ f(e, a): 2 e + λ ∂f/∂e = 0, by iteration (∂f/∂e hardly depends on e)."""
    excitation = np.zeros_like(activation)
    for _ in range(20):
        excitation = -0.5 * costate * derivatives(excitation, activation)[0]
    return excitation


@dataclass(frozen=True)
class Optimal:
    """Activation and excitation of least ∫ e² + u² dt with u the reserve, and that integral."""

    activation: Callable[[Array], Array]
    excitation: Callable[[Array], Array]
    objective: float
    problem: RedundancyProblem


@pytest.fixture(scope="module")
def optimal() -> Optimal:
    """a' = f, λ' = -∂H/∂a, λ = 0 at both ends, where activation is free."""

    def conditions(time: Array, states: Array) -> Array:
        activation, costate = states
        excitation = stationary(activation, costate)
        control = (wanted(time) - GAIN * activation) / RESERVE
        slope = 2.0 * control * GAIN / RESERVE - costate * derivatives(excitation, activation)[1]
        return np.array([rate(excitation, activation), slope])

    time = np.linspace(0.0, DURATION, 601)
    start = np.stack([np.full_like(time, 0.35), np.full_like(time, -0.01)])
    answer = solve_bvp(
        conditions, lambda first, last: np.array([first[1], last[1]]), time, start, tol=1e-9, max_nodes=10_000
    )
    assert answer.status == 0
    fine = np.linspace(0.0, DURATION, 4001)
    activation, excitation = answer.sol(fine)[0], stationary(*answer.sol(fine))
    spent = excitation**2 + ((wanted(fine) - GAIN * activation) / RESERVE) ** 2
    frames = np.linspace(-0.1, DURATION + 0.1, 401)
    problem = RedundancyProblem.from_arrays(
        [[0.05]], [1000.0], wanted(frames), time=frames, bounds=(-0.2, 1.0), reserves=RESERVE
    )
    objective = float(simpson(spent, x=fine))
    return Optimal(lambda t: answer.sol(t)[0], lambda t: stationary(*answer.sol(t)), objective, problem)


def solved(optimal: Optimal, transcription: str, interval: float) -> Any:
    return solve_dynamic(
        optimal.problem,
        "rigid",
        transcription,
        interval,
        tolerance=FINE,
        time_range=(0.0, DURATION),
        time_constants=SLOW,
        initial_activation="free",
    )


def test_optimal_excitations_are_those_of_pontryagins_conditions(optimal: Optimal) -> None:
    solution = solved(optimal, RADAU, 0.01)
    inside = (solution.time > 0.05) & (solution.time < DURATION - 0.05)  # λ = 0 at the ends is met in the limit
    assert solution.activation[:, 0] == pytest.approx(optimal.activation(solution.time), abs=1e-5)
    expected = optimal.excitation(solution.time)[inside]
    assert solution.excitation[inside, 0] == pytest.approx(expected, abs=1e-4)
    assert 0.01 < expected.min() < expected.max() < 0.99  # no bound takes part
    assert solution.total_objective == pytest.approx(optimal.objective, rel=1e-7)
    control = (wanted(solution.time) - GAIN * solution.activation[:, 0]) / RESERVE
    assert solution.reserve_control[:, 0] == pytest.approx(control, abs=1e-7)


@pytest.mark.parametrize(
    ("transcription", "order"),
    [("trapezoidal", 2), ("hermite-simpson", 4), (f"{RADAU}-1", 1), (f"{RADAU}-2", 3), (RADAU, 5)],
)
def test_order_of_convergence_to_the_optimum(optimal: Optimal, transcription: str, order: int) -> None:
    """Activations where intervals meet, and the objective: orders of the schemes' quadratures, 2 K - 1 with Radau."""
    errors = []
    for interval in (0.03, 0.015, 0.0075):
        solution = solved(optimal, transcription, interval)
        at = ends(solution)
        off = np.abs(solution.activation[at, 0] - optimal.activation(solution.time[at])).max()
        errors.append([off, abs(solution.total_objective - optimal.objective)])
    measured = -np.diff(np.log2(errors), axis=0)
    assert (measured > order - SHORT).all(), measured
    assert (measured < order + 1.0).all(), measured  # more would mean that something else is measured


# ------------------------------------------------------------------------- several muscles about one joint


def pair(strength: tuple[float, float], moment: Callable[[Array], Array], **options: Any) -> Any:
    """Two muscles of 5 cm moment arm and 1 s, solved periodically unless told otherwise."""
    time = np.linspace(-0.05, 1.05, 221)
    problem = RedundancyProblem.from_arrays([[0.05, 0.05]], list(strength), moment(time), time=time)
    given: dict[str, Any] = {"tolerance": 1e-8, "periodic": True, "initial_activation": "free", "mesh_interval": 0.05}
    return solve_dynamic(problem, "rigid", time_range=(0.0, 1.0), **(given | options))


def swing(time: Array) -> Array:
    return 30.0 + 20.0 * np.sin(2.0 * np.pi * time)


def test_equal_muscles_share_equally() -> None:
    solution = pair((1000.0, 1000.0), swing, periodic=False)
    assert np.ptp(solution.activation[:, 0]) > 0.3
    assert solution.activation[:, 0] == pytest.approx(solution.activation[:, 1], abs=FLAT)
    assert solution.excitation[:, 0] == pytest.approx(solution.excitation[:, 1], abs=FLAT)


@pytest.mark.parametrize("transcription", ["trapezoidal", "hermite-simpson", RADAU])
@pytest.mark.parametrize(("exponent", "ratio"), [(2.0, 2.0), (3.0, np.sqrt(2.0))])
def test_a_constant_moment_is_shared_as_in_static_optimization(
    transcription: str, exponent: float, ratio: float
) -> None:
    """In a steady state a = e, and p e^(p-1) is proportional to strength: that of 2000 N has 2^(1/(p-1)) times as much.

    Periodic, because at an end excitations are worth less: activation outlives them.
    """
    solution = pair((1000.0, 2000.0), lambda t: np.full_like(t, 60.0), transcription=transcription, exponent=exponent)
    static = solve_static(solution.problem, exponent=exponent)
    weak = 60.0 / (50.0 + 100.0 * ratio)
    assert static.activation[0] == pytest.approx([weak, ratio * weak], rel=1e-6)
    assert solution.activation == pytest.approx(static.activation, abs=FLAT)
    assert solution.excitation == pytest.approx(static.activation, abs=FLAT)


def test_weights_count_as_in_static_optimization() -> None:
    """Weights may be given by name; with w e² the shares are as strength over weight."""
    constant = {"moment": lambda t: np.full_like(t, 60.0)}
    solution = pair((1000.0, 1000.0), weights={"muscle_1": 3.0}, **constant)  # type: ignore[arg-type]
    assert solution.activation == pytest.approx(np.tile([0.9, 0.3], (len(solution.time), 1)), abs=FLAT)


@pytest.mark.parametrize("transcription", ["hermite-simpson", f"{RADAU}-2"])
def test_a_cost_of_activation_gives_static_optimization(transcription: str) -> None:
    """Each instant's best activations are the whole's, where excitations that make them are within bounds."""
    solution = pair(
        (1000.0, 2000.0),
        lambda t: swing(0.5 * t),
        cost="activation_power",
        periodic=False,
        transcription=transcription,
    )
    static = solve_static(solution.problem)
    skip = 1 if transcription.startswith(RADAU) else 0  # Radau's first point has no part in the integral
    assert solution.activation[skip:] == pytest.approx(static.activation[skip:], abs=FLAT)
    assert ((solution.excitation > 0.0) & (solution.excitation < 1.0)).all()


# ----------------------------------------------------------------------------------------------- slow motion


def stretched(problem: RedundancyProblem, factor: float) -> RedundancyProblem:
    """The same forces and moments, at longer times."""
    return replace(problem, time=factor * problem.time, source=None, kinematics=None)


def test_slow_motion_approaches_static_optimization() -> None:
    """Excitation is above activation by τ da/dt, which halves with twice the time; activations differ by its square."""
    time = np.linspace(0.0, 1.0, 201)
    moment = 40.0 + 25.0 * np.sin(2.0 * np.pi * time) ** 3
    problem = RedundancyProblem.from_arrays([[0.05, 0.04, 0.03]], [800.0, 1200.0, 600.0], moment, time=time)
    off = []
    for factor in (2.0, 4.0, 8.0):
        solution = solve_dynamic(
            stretched(problem, factor), "rigid", mesh_interval=0.02 * factor, tolerance=1e-8, periodic=True
        )
        static = solve_static(solution.problem)
        lead = np.abs(solution.excitation - solution.activation).max()
        off.append([np.abs(solution.activation - static.activation).max(), lead])
    falls = np.log2(np.array(off)[:-1] / np.array(off)[1:])
    assert (falls[:, 0] > 2.0 - SHORT).all(), falls
    assert falls[:, 1] == pytest.approx(1.0, abs=SHORT)


def test_slow_motion_of_an_arm_approaches_static_optimization(arm) -> None:
    """Periodic, as an end is never slow: activation outlives the excitation, so that the first and last are other."""
    problem = load_problem(arm.model, arm.motion, reserves=1.0)
    off = []
    for factor in (1.0, 4.0, 16.0):
        solution = solve_dynamic(stretched(problem, factor), "rigid", mesh_interval=0.02 * factor, periodic=True)
        static = solve_static(solution.problem)
        off.append(np.abs(solution.activation - static.activation).mean())
    assert off[0] > 2.0 * off[1] > 2.5 * off[2]
    assert off[2] < 2e-5
