"""Wrong input of dynamic optimization: *expected – got – do this*, before anything is solved."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dynamic_cases import elbow, solved

from osimopt import (
    EmgTracking,
    InputError,
    SolverError,
    isolation,
    load_problem,
    solve_dynamic,
    solve_static,
    use_degroote_muscles,
)
from osimopt.problem import RedundancyProblem


@pytest.fixture
def unsolved(monkeypatch: pytest.MonkeyPatch) -> None:
    """No program may be handed to casadi; its process may have been started, as it takes a second to."""
    run_many = isolation.run_many

    def refuse(home: str, *arguments: Any, **options: Any) -> Any:
        assert home != "casadi", "solved before it was checked"
        return run_many(home, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(isolation, "run_many", refuse)


def refused(problem: RedundancyProblem | None = None, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        solved(problem, **options)
    said = str(caught.value)
    assert re.search(r"expected .+, got .+\. .+\.$", said, re.DOTALL), said
    return said


ENVELOPE = pd.DataFrame({"BIC": [0.1, 0.2, 0.3]}, index=[0.0, 0.5, 1.0])
EMG = EmgTracking(ENVELOPE, {"biceps": "BIC"})

#: Options, and what the message must hold: what is wrong, with its number or name, and what is expected.
WRONG: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "interval longer than the motion": ({"mesh_interval": 2.0}, ("mesh_interval up to the motion's 1 s", "2 s")),
    "negative interval": ({"mesh_interval": -0.02}, ("positive mesh_interval", "-0.02")),
    "no interval": ({"mesh_interval": 0.0}, ("positive mesh_interval", "0.0")),
    "NaN interval": ({"mesh_interval": float("nan")}, ("positive mesh_interval", "nan")),
    "interval in words": ({"mesh_interval": "20 ms"}, ("positive mesh_interval", "'20 ms'")),
    "time after the data": ({"time_range": (0.5, 1.5)}, ("time_range within 0 to 1 s", "0.5 to 1.5 s")),
    "time before the data": ({"time_range": (-0.5, 0.5)}, ("time_range within 0 to 1 s", "-0.5 to 0.5 s")),
    "time in reverse": ({"time_range": (0.8, 0.2)}, ("an interval of time that lasts", "0.8 to 0.2 s")),
    "NaN time": ({"time_range": (0.1, float("nan"))}, ("an interval of time that lasts", "nan")),
    "one time": ({"time_range": (0.5,)}, ("time_range", "(0.5,)")),
    "transcription": ({"transcription": "simpson"}, ("'hermite-simpson'", "'simpson'")),
    "tendon": ({"tendon": "stiff"}, ("'rigid', 'compliant'", "'stiff'")),
    "solver": ({"solver": "snopt"}, ("'ipopt', 'fatrop'", "'snopt'")),
    "on_failure": ({"on_failure": "ignore"}, ("'raise', 'return'", "'ignore'")),
    "cost": ({"cost": "effort"}, ("excitation_power", "'effort'")),
    "exponent": ({"exponent": 0.5}, ("exponent ≥ 1", "0.5")),
    "exponent of another cost": ({"cost": "min_max", "exponent": 3}, ("no exponent for cost='min_max'", "3")),
    "tolerance": ({"tolerance": 0.0}, ("a tolerance between 0 and 0.01", "0.0")),
    "NaN tolerance": ({"tolerance": float("nan")}, ("a tolerance between 0 and 0.01", "nan")),
    "weight": ({"weights": {"biceps": -1.0}}, ("positive weights", "biceps")),
    "weight of nobody": ({"weights": {"soleus": 1.0}}, ("weights of biceps, brachialis, triceps", "soleus")),
    "number of weights": ({"weights": [1.0, 2.0]}, ("weights", "(2,)")),
    "guess in words": ({"initial_guess": "zeros"}, ("'static' or 'midpoint'", "'zeros'")),
    "guess of too few points": ({"initial_guess": np.zeros((10, 3))}, ("(51, 3) or (3,)", "(10, 3)")),
    "guess of too many muscles": ({"initial_guess": np.zeros(4)}, ("(51, 3) or (3,)", "(4,)")),
    "guess with NaN": ({"initial_guess": [0.1, np.nan, 0.1]}, ("finite initial_guess", "NaN")),
    "guess of another kind": ({"initial_guess": {"biceps": 0.1}}, ("activations as initial_guess", "biceps")),
    "penalty": ({"derivative_penalty": -1.0}, ("a derivative_penalty ≥ 0", "-1.0")),
    "time constant": ({"time_constants": (0.0, 0.06)}, ("positive activation time constants", "0")),
    "one time constant": ({"time_constants": (0.015,)}, ("time constants", "(0.015,)")),
    "time constants with NaN": ({"time_constants": (0.015, float("nan"))}, ("positive activation time constants",)),
    "periodic muscle": ({"periodic": {"biceps": "soleus"}}, ("periodic muscles among biceps", "soleus")),
    "two muscles onto one": ({"periodic": {"biceps": "triceps"}}, ("onto every muscle", "two muscles onto one")),
    "elastic tendons from arrays": ({"tendon": "compliant"}, ("a problem from a model", "arrays", "'rigid'")),
    "muscles from arrays": ({"muscles": {"fiber_damping": 0.1}}, ("without parameters", "load_problem")),
    "EMG of nobody": ({"emg": EmgTracking(ENVELOPE, {"soleus": "BIC"})}, ("biceps, brachialis, triceps", "soleus")),
    "EMG too short": (
        {"emg": EmgTracking(ENVELOPE.iloc[:2], {"biceps": "BIC"})},
        ("EMG from 0 to 1 s", "0 to 0.5 s", "time_range"),
    ),
    "iterations": ({"max_iterations": -1}, ("max_iterations", "-1")),
    "iterations in words": ({"max_iterations": "many"}, ("max_iterations", "'many'")),
    "refinements": ({"max_refinements": -1}, ("max_refinements", "-1")),
    "mesh tolerance": ({"mesh_tolerance": -1e-3}, ("mesh_tolerance", "-0.001")),
    "jobs": ({"n_jobs": 0}, ("n_jobs", "0")),
}


@pytest.mark.usefixtures("unsolved")
@pytest.mark.parametrize("name", WRONG)
def test_wrong_options(name: str) -> None:
    options, words = WRONG[name]
    said = refused(**options)
    for word in words:
        assert word in said, said


@pytest.mark.usefixtures("unsolved")
def test_one_frame() -> None:
    said = refused(elbow().frames(slice(3, 4)))
    assert "Dynamic optimization needs two times at least" in said
    assert "0.03 to 0.03 s" in said


@pytest.mark.usefixtures("unsolved")
def test_a_guess_of_another_problem() -> None:
    other = RedundancyProblem.from_arrays([0.05, 0.04], [100.0, 100.0], [1.0] * 11, time=np.linspace(0.0, 1.0, 11))
    assert "same muscles" in refused(initial_guess=solve_static(other))
    short = solve_static(elbow().frames(slice(20, 60)))
    said = refused(initial_guess=short)
    assert "from 0 to 1 s" in said
    assert "0.2 to 0.59 s" in said


WRONG_EMG: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "channel": ({"muscles": {"biceps": "TIB"}}, ("channels", "TIB", "BIC")),
    "negative": ({"envelope": ENVELOPE - 0.2}, ("≥ 0", "negative")),
    "gap": ({"envelope": ENVELOPE.where(ENVELOPE < 0.25)}, ("finite", "NaN")),
    "order": ({"envelope": ENVELOPE.iloc[::-1]}, ("increasing time", "decrease")),
    "no scale": ({"scale": (0.0, 1.0)}, ("0 < least", "(0.0, 1.0)")),
    "scale in reverse": ({"scale": (2.0, 1.0)}, ("least ≤ most", "(2.0, 1.0)")),
    "negative bounds": ({"bounds": (-0.1, 0.1)}, ("bounds", "(-0.1, 0.1)")),
    "negative weight": ({"weight": -1.0}, ("weight of EMG tracking ≥ 0", "-1.0")),
    "infinite weight": ({"weight": float("inf")}, ("weight of EMG tracking", "inf")),
    "NaN scale": ({"scale": (float("nan"), 1.0)}, ("least", "nan")),
    "NaN bounds": ({"bounds": (float("nan"), 0.1)}, ("bounds", "nan")),
}


@pytest.mark.parametrize("name", WRONG_EMG)
def test_wrong_emg(name: str) -> None:
    options, words = WRONG_EMG[name]
    with pytest.raises(InputError) as caught:
        EmgTracking(**({"envelope": ENVELOPE, "muscles": {"biceps": "BIC"}} | options))
    for word in ("expected", "got", *words):
        assert word in str(caught.value)


# ------------------------------------------------------------------------------------------------ fibres


@pytest.fixture(scope="module")
def degroote(arm) -> RedundancyProblem:
    problem = load_problem(arm.model, arm.motion, time_range=(0.4, 0.6), reserves=1.0)
    return use_degroote_muscles(problem)


def stretched(problem: RedundancyProblem, muscle: str, factor: float, **properties: float) -> RedundancyProblem:
    """The problem with another tendon of one muscle, and other properties of all."""
    parameters = problem.parameters
    assert parameters is not None
    slack, index = parameters.tendon_slack_length.copy(), problem.muscles.index(muscle)
    slack[index] *= factor
    told = {**parameters.properties, **{name: np.full(len(slack), value) for name, value in properties.items()}}
    return replace(problem, parameters=replace(parameters, tendon_slack_length=slack, properties=told), source=None)


@pytest.mark.usefixtures("unsolved")
@pytest.mark.parametrize("tendon", ["rigid", "compliant"])
def test_a_tendon_longer_than_the_muscle(degroote: RedundancyProblem, tendon: str) -> None:
    said = refused(stretched(degroote, "TRIlat", 3.0), tendon=tendon)
    assert "longer than their tendon_slack_length" in said
    assert re.search(r"TRIlat -\d\.\d\d at 0\.\d+ s", said)
    assert "tendon_slack_length, or leave them out" in said
    assert "BIClong" not in said


@pytest.mark.usefixtures("unsolved")
def test_a_fibre_beyond_its_curves(degroote: RedundancyProblem) -> None:
    said = refused(stretched(degroote, "BIClong", 0.5), tendon="compliant")
    assert "fibres up to 1.8 optimal lengths" in said
    assert re.search(r"BIClong \d\.\d\d at 0\.\d+ s", said)
    assert "ignore_passive_fiber_force" in said
    assert "TRIlat" not in said


def test_a_fibre_beyond_its_curves_without_passive_force_is_warned_of(degroote: RedundancyProblem) -> None:
    problem = stretched(degroote, "BIClong", 0.5, ignore_passive_fiber_force=1.0)
    with pytest.warns(UserWarning, match=r"beyond 1\.8 optimal lengths.*BIClong \d"):
        solution = solve_dynamic(problem, mesh_interval=0.05)
    assert any("BIClong" in finding and "1.8" in finding for finding in solution.findings())


# --------------------------------------------------------------------------------- what cannot be solved


def overloaded() -> RedundancyProblem:
    """Two joints; the elbow's moment is above its muscle's 50 N·m by up to 30 around 0.5 s."""
    time = np.linspace(0.0, 1.0, 101)
    elbow_moment = 20.0 + 60.0 * np.exp(-(((time - 0.5) / 0.1) ** 2))
    moment = np.stack([10.0 + 5.0 * time, elbow_moment], axis=1)
    return RedundancyProblem.from_arrays(
        [[0.05, 0.0], [0.0, 0.05]], [1000.0, 1000.0], moment, time=time, coordinates=("wrist", "elbow")
    )


def test_moments_beyond_the_muscles_are_named() -> None:
    with pytest.raises(SolverError) as caught:
        solved(overloaded())
    said = str(caught.value)
    found = re.search(
        r"elbow by up to (\d+\.?\d*) N·m.* \(at (0\.\d+) s; (\d+) points from (0\.\d+) to (0\.\d+) s\)", said
    )
    assert found, said
    assert float(found[1]) == pytest.approx(30.0, abs=2.0)
    assert float(found[2]) == pytest.approx(0.5, abs=0.03)
    assert 0.3 < float(found[4]) < 0.43  # above 50 N·m from 0.418 s on, which activation approaches slowly
    assert 0.57 < float(found[5]) < 0.65
    assert "wrist" not in said
    assert "reserves='auto'" in said


def test_moments_that_change_faster_than_muscles_can() -> None:
    """Each point alone is within the muscle's strength; from 5 to 45 N·m in a tenth of a second is not."""
    time = np.linspace(0.0, 0.5, 501)
    moment = 25.0 + 20.0 * np.tanh((time - 0.25) / 0.03)
    problem = RedundancyProblem.from_arrays([0.05], [1000.0], moment, time=time, coordinates=["knee"])
    assert solve_static(problem).success
    assert solved(problem, mesh_interval=0.01).success
    with pytest.raises(SolverError, match=r"knee by up to \d+\.?\d* N·m"):
        solved(problem, mesh_interval=0.01, time_constants=(0.3, 0.3))


def test_a_reserve_makes_it_feasible() -> None:
    solution = solved(overloaded().with_reserves(1.0))
    assert solution.success
    assert np.abs(solution.reserve_force[:, 1]).max() == pytest.approx(30.0, abs=2.0)


def test_a_mesh_that_is_coarse_for_the_motion_is_warned_of() -> None:
    time = np.linspace(0.0, 1.0, 201)
    moment = np.stack([10.0 + 10.0 * np.sin(40.0 * time), np.full_like(time, 5.0)], axis=1)
    problem = RedundancyProblem.from_arrays(
        [[0.05, 0.0], [0.0, 0.05]], [1000.0] * 2, moment, time=time, coordinates=("ankle", "knee"), reserves=10.0
    )
    with pytest.warns(
        UserWarning, match=r"mesh is coarse for this motion.*moment of ankle.*by up to \d.*mesh_interval"
    ):
        coarse = solved(problem, mesh_interval=0.2)
    assert any("mesh is coarse" in finding for finding in coarse.findings())
    assert not any("mesh is coarse" in finding for finding in solved(problem, mesh_interval=0.02).findings())


def test_a_bad_frame_outside_the_interval_does_not_matter(arm: Any) -> None:
    problem = load_problem(arm.model, arm.motion, time_range=(0.0, 0.5))
    length = np.asarray(problem.geometry.length).copy()
    length[-1] = 0.0  # shorter than any tendon
    bad = replace(problem, geometry=replace(problem.geometry, length=length), source=None)
    assert solve_dynamic(bad, "rigid", time_range=(0.0, 0.3)).success
    with pytest.raises(InputError, match="longer than their tendon_slack_length"):
        solve_dynamic(bad, "rigid")


def test_tendons_that_the_model_makes_rigid_are_refused(arm: Any) -> None:
    problem = load_problem(arm.model, arm.motion, time_range=(0.0, 0.2))
    with pytest.raises(InputError, match=r"ignore_tendon_compliance.*tendon='rigid'"):
        solve_dynamic(problem, muscles={"ignore_tendon_compliance": True})
