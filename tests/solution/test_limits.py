"""Limits of checks and findings, each at the value where the verdict turns."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from types import SimpleNamespace
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
import pytest

from osimopt import InputError, RedundancyProblem, Status, solve_static
from osimopt.analysis.bands import UncertaintyBands
from osimopt.dynamic.diagnosis import missing_moments
from osimopt.dynamic.integrate import check_solution
from osimopt.dynamic.objective import Conditions
from osimopt.dynamic.prepare import check_fibers, warn_of_coarse_mesh, warn_of_open_ends
from osimopt.dynamic.solution import DynamicSolution, solution_of
from osimopt.dynamic.tasks import Solver
from osimopt.emg.compare import _covered
from osimopt.problem.arrays import acts
from osimopt.problem.resampling import _left_out, _missed
from osimopt.solution.checks import Evidence
from osimopt.solution.findings import Finding, merged
from osimopt.solution.slack import Shorter
from osimopt.solution.status import judge
from osimopt.solution.summary import Summary
from osimopt.static.proof import least_missed, prove


def verdict(name: str, moment: float, carried: float = 0.0, **provenance: Any) -> bool | None:
    """Of a coordinate that a muscle serves, with peaks of its generalized force and of what reserves carry."""
    time, solved = np.array([0.0, 1.0]), np.ones(2, dtype=bool)
    peaks = (np.array([[0.0], [peak]]) for peak in (moment, carried))
    checks = Evidence.of(time, solved, ("knee",), np.ones(1, dtype=bool), *peaks, provenance).checks()
    (passes,) = [check.passes for check in checks if check.name == name]
    return passes


@pytest.mark.parametrize(("share", "passes"), [(0.0499, True), (0.0501, False)])
def test_reserves_carry_5_percent_at_most(share: float, passes: bool) -> None:
    assert verdict("largest reserve", 10.0, 10.0 * share) is passes


@pytest.mark.parametrize("share", [0.0499, 0.0501])
def test_a_finding_names_reserves_beyond_5_percent(share: float) -> None:
    summary = Summary.of(solve_static(elbow(10.0).with_reserves(2.0)))
    carried = replace(summary.evidence.carried, size=np.array([10.0 * share]))
    found = replace(summary, evidence=replace(summary.evidence, carried=carried)).entries()
    assert [finding.code for finding in found] == (["reserves"] if share > 0.05 else [])


@pytest.mark.parametrize(
    ("unit", "name", "peak", "passes"),
    [
        ("N", "residual force", 24.9, True),
        ("N", "residual force", 25.1, False),
        ("N·m", "residual moment", 74.9, True),
        ("N·m", "residual moment", 75.1, False),
    ],
)
def test_residuals_are_25_newtons_and_75_newton_metres_at_most(unit: str, name: str, peak: float, passes: bool) -> None:
    assert verdict(name, peak, floating=["knee"], units={"knee": unit}) is passes


@pytest.mark.parametrize(("share", "passes"), [(0.91, True), (0.89, False)])
def test_emg_covers_nine_tenths_of_the_time(share: float, passes: bool) -> None:
    result, emg = (SimpleNamespace(time=np.array([0.0, end])) for end in (1.0, share))
    assert _covered(result, emg).passes is passes  # type: ignore[arg-type]


@pytest.mark.parametrize(("beyond", "status"), [(0.9e-9, Status.SOLVED), (1.1e-9, Status.OUT_OF_BOUNDS)])
def test_a_bound_may_be_passed_by_1e_9(beyond: float, status: Status) -> None:
    for activation in (1.0 + beyond, -beyond):
        x = np.array([[activation, 0.0]])
        *_, checked = judge(elbow(20.0 * round(activation)), x, np.array([Status.SOLVED]), 1e-6, {})
        assert checked.tolist() == [status]


@pytest.mark.parametrize(("missed", "status"), [(0.9e-3, Status.SOLVED), (1.1e-3, Status.RESIDUAL)])
def test_a_small_moment_counts_as_1_newton_metre(missed: float, status: Status) -> None:
    x = np.array([[(0.1 + missed) / 20.0, 0.0]])
    *_, checked = judge(elbow(0.1), x, np.array([Status.SOLVED]), 1e-3, {})
    assert checked.tolist() == [status]


@pytest.mark.parametrize(("below", "codes"), [(0.9e-6, ["at_upper_bound"]), (1.1e-6, [])])
def test_an_activation_within_1e_6_of_its_bound_is_on_it(below: float, codes: list[str]) -> None:
    solution = replace(solve_static(elbow(10.0)), activation=np.array([[1.0 - below, 0.0]]))
    assert [finding.code for finding in Summary.of(solution).entries()] == codes


@pytest.mark.parametrize(("share", "codes"), [(0.9e-4, []), (1.1e-4, ["pushing"])])
def test_a_muscle_pushes_beyond_1e_4_of_its_strength(share: float, codes: list[str]) -> None:
    solution = solve_static(elbow(10.0))
    known = {field.name: getattr(solution, field.name) for field in fields(solution)}
    parameters = SimpleNamespace(max_isometric_force=np.array([1000.0, 700.0]))
    problem = replace(solution.problem, passive_force=np.array([[-1000.0 * share, 0.0]]), parameters=parameters)
    known |= {"problem": problem, "activation": np.zeros((1, 2))}
    dynamic = DynamicSolution(**known, tendon_force_rate=np.zeros((1, 2)))
    assert [finding.code for finding in dynamic.more_findings()] == codes


@pytest.mark.parametrize(("interval", "proposed"), [(1e-4, "2e-05"), (2e-5, "1e-05")])
def test_a_mesh_tolerance_of_1e_5_is_the_least_proposed(interval: float, proposed: str) -> None:
    finding = Finding("forces", largest=interval, names={"soleus": 0.025}, values={"muscles": 1})
    assert f"mesh_tolerance={proposed}," in finding.text


@pytest.mark.parametrize(("peak", "error"), [(10.0, 0.2), (100.0, 0.1)])
def test_the_peak_of_an_idle_muscle_counts_as_5_percent_of_its_strength(
    peak: float, error: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Integration is off by 10 N of a muscle of 1000 N."""
    problem = elbow([0.0, 0.0])
    activation = np.array([[0.0, 0.0], [peak / 1000.0, 0.0]])
    integrated = np.array([[0.0, 0.0], [(peak + 10.0) / 1000.0, 0.0]])[..., None]
    monkeypatch.setattr("osimopt.dynamic.integrate.integrate", lambda *_: (integrated, integrated[1:]))
    nodes = SimpleNamespace(problem=problem, mesh=SimpleNamespace(points=np.array([[0, 1]])), fiber=None)
    check = check_solution(nodes, SimpleNamespace(activation=activation))  # type: ignore[arg-type]
    assert check.force_error[0] == pytest.approx(error)


@pytest.mark.parametrize(("failed", "found"), [(9, 0), (11, 1)])
def test_a_hundredth_of_the_samples_may_fail(failed: int, found: int) -> None:
    solution = solve_static(elbow(10.0))
    nothing = np.zeros((0, 1, 2))
    bands = UncertaintyBands(solution, np.zeros(0), nothing, nothing, 1000, np.array([failed]))
    assert len(bands.findings()) == found


def test_what_acts_is_above_1e_9_of_the_largest() -> None:
    assert acts(np.array([2.0, 1.8e-9, 2.2e-9])).tolist() == [True, False, True]


@pytest.mark.parametrize(("off", "by"), [(0.9e-6, "model"), (1.1e-6, "spline")])
def test_arrays_within_1e_6_of_their_peak_are_the_models(off: float, by: str) -> None:
    def at(times: np.ndarray) -> RedundancyProblem:
        return steady(times, 500.0 * (1.0 + off))

    problem = replace(steady(np.arange(12.0), 500.0), source=SimpleNamespace(at=at))
    assert problem.resample([0.5, 1.5]).provenance["resampling"]["by"] == by


def test_times_may_pass_the_ends_by_1e_9_s() -> None:
    problem = steady(np.arange(12.0), 500.0)
    assert problem.resample([-0.9e-9, 0.5]).time.tolist() == [0.0, 0.5]
    with pytest.raises(InputError, match="expected increasing times between 0 and 11 s"):
        problem.resample([-1.1e-9, 0.5])


@pytest.mark.parametrize(("time", "missed"), [(21.5, 1.0), (19.5, 0.0)])
def test_errors_of_4_frames_around_the_requested_times_count(time: float, missed: float) -> None:
    """Frame 25 alone is not zero; the spline through every second frame leaves it out."""
    value = np.zeros((40, 1))
    value[25] = 1.0
    assert _missed(np.arange(40.0), value, np.array([time]), 2) == pytest.approx(missed)


@pytest.mark.parametrize(("share", "warned"), [(0.0099, False), (0.0101, True)])
def test_a_spline_off_by_a_hundredth_of_the_peak_is_warned_of(
    share: float, warned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def left_out(time: np.ndarray, value: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return (np.full(value.shape[1:], share * np.abs(value).max()),) * 2

    monkeypatch.setattr("osimopt.problem.resampling._left_out", left_out)
    warnings = steady(np.arange(12.0), 500.0).resample([0.5, 1.5]).provenance["warnings"]
    assert any("off by about" in text for text in warnings) is warned


@pytest.mark.parametrize(("gain", "probable"), [(63.0, 1.0 / 63.0), (65.0, 1.0 / 64.0)])
def test_a_spline_through_all_frames_is_64_times_better_at_most(
    gain: float, probable: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {2: np.ones(1), 4: np.full(1, gain)}
    monkeypatch.setattr("osimopt.problem.resampling._missed", lambda time, value, times, step: sizes[step])
    assert _left_out(np.arange(24.0), np.zeros((24, 1)), np.array([1.5]))[1][0] == pytest.approx(probable)


@pytest.mark.parametrize(("moved", "warned"), [(0.049, False), (0.051, True)])
@pytest.mark.parametrize("size", [1.0, 10.0])
def test_ends_of_a_cycle_differ_by_5_percent_at_most(size: float, moved: float, warned: bool) -> None:
    """Of the range of moments and lengths, 1 N·m and 1 mm at least."""
    time, shape = np.linspace(0.0, 1.0, 5), np.array([0.0, size, 0.0, 0.0, moved * size])
    shape[1] = size if size > 1.0 else 0.0
    problem = RedundancyProblem.from_arrays([0.05], [500.0], shape, time=time, muscles=["vasti"])
    problem = replace(problem, geometry=replace(problem.geometry, length=1e-3 * shape[:, None]))
    conditions = SimpleNamespace(periodic=True, follower=lambda _: np.arange(1))
    with catch_warnings(record=True) as caught:
        simplefilter("always")
        warn_of_open_ends(problem, conditions, SimpleNamespace(time=time))  # type: ignore[arg-type]
    text = "".join(str(one.message) for one in caught)
    assert ("the moments of coordinate_0 by 5%" in text) is warned
    assert ("the lengths of vasti by 5%" in text) is warned


@pytest.mark.parametrize(("share", "warned"), [(0.049, 0), (0.051, 1)])
def test_moments_between_points_are_straight_to_5_percent(share: float, warned: int) -> None:
    time, moment = np.linspace(0.0, 1.0, 9), np.full(9, 10.0)
    moment[4] -= 10.0 * share
    problem = RedundancyProblem.from_arrays([0.05], [500.0], moment, time=time)
    with catch_warnings(record=True) as caught:
        simplefilter("always")
        warn_of_coarse_mesh(problem, SimpleNamespace(time=time[[0, -1]]))  # type: ignore[arg-type]
    assert len(caught) == warned


@pytest.mark.parametrize(("share", "feasible"), [(0.9e-9, True), (1.1e-9, False)])
def test_a_proof_allows_an_error_of_1e_9(share: float, feasible: bool) -> None:
    """Of the largest moment, 1 N·m at least, and of the bounds."""
    for moment, x in ((10.0, 0.5 + 0.5 * share), (0.1, 0.005 + 0.05 * share), (20.0, 1.0 + share)):
        proof = prove(elbow(moment), 2.0, np.ones((1, 2)), np.array([[x, 0.0]]), np.zeros((1, 1)))
        assert proof.feasible.tolist() == [feasible]


@pytest.mark.parametrize(("moment", "gap"), [(10.0, 1e-6 * 0.5 * 100.0 / 1184.0), (0.0, 1e-18)])
def test_a_gap_of_1e_6_of_the_cost_is_certified(moment: float, gap: float) -> None:
    """Or of the cost of an activation of 1e-9; activations are moved from the optimum without a change of moment."""
    arm = np.array([20.0, 28.0])
    best, along = moment * arm / (arm @ arm), np.array([28.0, -20.0]) / np.sqrt(arm @ arm)
    problem = replace(elbow(moment), lower=np.full(2, -1.0))
    for share, certified in ((0.9, True), (1.1, False)):
        x = best + np.sqrt(2.0 * share * gap) * along
        proof = prove(problem, 2.0, np.ones((1, 2)), x[None], np.full((1, 1), moment / (arm @ arm)))
        assert (proof.feasible.tolist(), proof.certified.tolist()) == ([True], [certified])


def test_an_unbounded_control_makes_a_million_times_the_moments_at_most() -> None:
    one, far = np.ones(1), np.full(1, np.inf)
    assert least_missed(np.ones((1, 1)), one, -far, far, one) == pytest.approx(1.0 - 1e6)


@pytest.mark.parametrize(("share", "status"), [(0.9e-9, Status.SOLVED), (1.1e-9, Status.INFEASIBLE)])
@pytest.mark.parametrize("solver", ["newton", "slsqp"])
def test_moments_beyond_reach_by_1e_9_are_infeasible(solver: Any, share: float, status: Status) -> None:
    """Beyond full activation, and on a coordinate without muscles."""
    problems = [
        elbow(48.0 * (1.0 + share)),
        RedundancyProblem.from_arrays([[0.02, 0.04], [0.0, 0.0]], [1000.0, 700.0], [[10.0, 10.0 * share]]),
    ]
    found = [solve_static(problem, solver=solver, on_failure="return").status[0] for problem in problems]
    assert found == [status, status]


@pytest.mark.parametrize(("share", "found"), [(0.99e-3, 1), (1.01e-3, 0)])
def test_a_muscle_shorter_than_its_tendon_has_no_force_up_to_a_thousandth(share: float, found: int) -> None:
    """One with more, as with gain="isometric", is no finding."""
    problem = steady(np.array([1.0, 2.0, 4.0]), 500.0 * share)
    parameters = SimpleNamespace(max_isometric_force=np.array([500.0]), tendon_slack_length=np.array([0.2]))
    length = np.array([[0.21], [0.195], [0.1997]])
    problem = replace(problem, parameters=parameters, geometry=replace(problem.geometry, length=length))
    described = Shorter.of(problem).described(problem.muscles, 3)
    assert len(described) == found
    assert all(text == "muscle_0 (2 frames from 2 to 4 s, by up to 5 mm)" for text in described)


@pytest.mark.parametrize(("length", "warned"), [(1.79, 0), (1.81, 1)])
def test_fibres_of_1_8_optimal_lengths_are_the_longest(
    length: float, warned: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = steady(np.arange(3.0), 500.0)
    parameters = SimpleNamespace(optimal_fiber_length=np.ones(1), tendon_slack_length=np.zeros(1), properties={})
    problem = replace(
        problem, parameters=parameters, geometry=replace(problem.geometry, length=np.full((3, 1), length))
    )
    monkeypatch.setattr("osimopt.dynamic.prepare.unlimited_fiber", lambda parameters, length: (length, None))
    with catch_warnings(record=True) as caught:
        simplefilter("always")
        check_fibers(problem, np.zeros(1, dtype=bool), SimpleNamespace(time=problem.time))  # type: ignore[arg-type]
    assert len(caught) == warned


@pytest.mark.parametrize(("missed", "status"), [(0.99e-4, Status.SOLVED), (1.01e-4, Status.RESIDUAL)])
def test_moments_of_a_dynamic_solution_hold_to_100_tolerances(
    missed: float, status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("osimopt.dynamic.solution.integrands", lambda *_: {"muscles": np.zeros(1)})
    monkeypatch.setattr("osimopt.dynamic.objective.integrands", lambda *_: {"muscles": np.zeros(1)})
    mesh, problem = SimpleNamespace(quadrature=np.ones(1), edges=None), elbow(10.0)
    nodes = SimpleNamespace(problem=problem, balance=problem, fiber=None, mesh=mesh, completed=lambda same: same)
    activation = np.array([[0.5 * (1.0 + missed), 0.0]])
    unknowns = SimpleNamespace(
        activation=activation, reserve=np.zeros((1, 0)), excitation=activation, scale=np.zeros(0)
    )
    conditions = SimpleNamespace(pays=False, emg=None, contact=(), synergies=None)
    solution = solution_of(nodes, conditions, unknowns, True, 1e-6, 10, {})  # type: ignore[arg-type]
    assert solution.status.tolist() == [status]


@pytest.mark.parametrize(("share", "found"), [(0.0099, False), (0.0101, True)])
def test_moments_are_missing_beyond_a_hundredth_of_their_peak(
    share: float, found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reserves of a thousandth of the peak carry them at a control of 10."""
    monkeypatch.setattr("osimopt.dynamic.diagnosis.first_guess", lambda *_: None)
    unknowns = SimpleNamespace(reserve=np.array([[1000.0 * share]]))
    monkeypatch.setattr(Solver, "solve", lambda *_: [SimpleNamespace(failure=None, unknowns=unknowns)])
    text = missing_moments(Solver(1e-6, 100), Conditions(None), Points(elbow(10.0)))  # type: ignore[arg-type]
    assert (text is not None) is found


@dataclass
class Points:
    problem: RedundancyProblem
    extension: RedundancyProblem | None = None
    fiber: None = None

    def bare(self) -> Points:
        return self


def steady(time: np.ndarray, force: float) -> RedundancyProblem:
    return RedundancyProblem.from_arrays([0.05], [force], np.full((len(time), 1), 10.0), time=time)


def test_findings_of_pieces_are_merged_by_code() -> None:
    """Counts are added, sizes are those of the larger, one text stays one finding."""
    first = [Finding("slack_tendons", names={"soleus": 2}), Finding("note", values={"text": "Check the clocks."})]
    later = [Finding("note", values={"text": "Check the clocks."}), Finding("slack_tendons", names={"soleus": 3})]
    assert [finding.text for finding in merged(first + later)] == [
        "With a slack tendon (frames): soleus (5); their fibres are too short or shorten too fast.",
        "Check the clocks.",
    ]
    departs = [
        Finding("forces", largest=error / 10.0, names={name: error}, values={"muscles": 6})
        for name, error in (("soleus", 0.02), ("vasti", 0.05), ("soleus", 0.03))
    ]
    (finding,) = merged(departs)
    assert (finding.names, finding.largest) == ({"soleus": 0.03, "vasti": 0.05}, 0.005)
    assert "2 of 6 muscles by more than 1.0%: vasti 5.0%, soleus 3.0%." in finding.text
    assert "mesh_tolerance=5e-04" in finding.text


def elbow(moment: float | list[float]) -> RedundancyProblem:
    """Two flexors, of 20 and 28 N·m at full activation."""
    return RedundancyProblem.from_arrays([0.02, 0.04], [1000.0, 700.0], moment, coordinates=["elbow"])
