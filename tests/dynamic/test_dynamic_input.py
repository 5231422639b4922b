"""Wrong input of dynamic optimization: *expected – got – do this*, before anything is solved."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from typing import Any

import dynamic_cases
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
from osimopt.dynamic.mesh import Mesh, scheme
from osimopt.dynamic.objective import Conditions, dynamic_cost
from osimopt.dynamic.prepare import warn_of_coarse_mesh, warn_of_open_ends
from osimopt.problem.problem import RedundancyProblem


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
    assert re.search(r"expected .+, got .+\. .+[.?]$", said, re.DOTALL), said
    return said


ENVELOPE = pd.DataFrame({"BIC": [0.1, 0.2, 0.3]}, index=[0.0, 0.5, 1.0])
EMG = EmgTracking(ENVELOPE, {"biceps": "BIC"})

#: Options, and what the message must hold: what is wrong, with its number or name, and what is expected.
WRONG: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "interval longer than the motion": ({"mesh_interval": 2.0}, ("mesh_interval up to the motion's 1 s", "2 s")),
    "negative interval": ({"mesh_interval": -0.02}, ("mesh_interval as a finite number above 0 s", "-0.02")),
    "no interval": ({"mesh_interval": 0.0}, ("mesh_interval as a finite number above 0 s", "0.0")),
    "NaN interval": ({"mesh_interval": float("nan")}, ("mesh_interval as a finite number above 0 s", "nan")),
    "interval in words": ({"mesh_interval": "20 ms"}, ("mesh_interval as a finite number above 0 s", "'20 ms'")),
    "time after the data": ({"time_range": (0.5, 1.5)}, ("time_range within 0 to 1 s", "0.5 to 1.5 s")),
    "time before the data": ({"time_range": (-0.5, 0.5)}, ("time_range within 0 to 1 s", "-0.5 to 0.5 s")),
    "time in reverse": ({"time_range": (0.8, 0.2)}, ("a first time before the last", "0.8 to 0.2 s")),
    "NaN time": ({"time_range": (float("nan"), 1)}, ("first and last time in s", "nan")),
    "three times": ({"time_range": (0.1, 0.2, 0.3)}, ("first and last time in s", "0.3")),
    "time as a number": ({"time_range": 0.5}, ("first and last time in s", "0.5")),
    "time in words": ({"time_range": ("a", "b")}, ("first and last time in s", "'b'")),
    "time in digits": ({"time_range": ("0.1", "0.5")}, ("first and last time in s", "'0.5'")),
    "time without order": ({"time_range": {0.1, 0.5}}, ("first and last time in s",)),
    "open time": ({"time_range": (None, 0.5)}, ("first and last time in s", "None")),
    "one time": ({"time_range": (0.5,)}, ("time_range", "(0.5,)")),
    "interval as a switch": ({"mesh_interval": True}, ("mesh_interval as a finite number above 0 s", "True")),
    "intervals": ({"mesh_interval": [0.02]}, ("mesh_interval as a finite number above 0 s", "[0.02]")),
    "transcription": ({"transcription": "simpson"}, ("'hermite-simpson'", "'simpson'")),
    "tendon": ({"tendon": "stiff"}, ("tendon among rigid, compliant", "'stiff'")),
    "solver": ({"solver": "snopt"}, ("solver among auto, ipopt", "'snopt'")),
    "on_failure": ({"on_failure": "ignore"}, ("on_failure among raise, return", "'ignore'")),
    "cost": ({"cost": "effort"}, ("excitation_power", "'effort'")),
    "exponent": ({"exponent": 0.5}, ("exponent as a finite number ≥ 1", "0.5")),
    "exponent of another cost": ({"cost": "min_max", "exponent": 3}, ("no exponent for cost='min_max'", "3")),
    "tolerance": ({"tolerance": 0.0}, ("tolerance as a finite number above 0 and below 0.01", "0.0")),
    "NaN tolerance": ({"tolerance": float("nan")}, ("tolerance as a finite number above 0 and below 0.01", "nan")),
    "cost of a number": ({"cost": 2}, ("cost among excitation_power", "got 2")),
    "exponent in words": ({"exponent": "2"}, ("exponent as a finite number ≥ 1", "'2'")),
    "exponent as a switch": ({"exponent": True}, ("exponent as a finite number ≥ 1", "True")),
    "exponents": (
        {"cost": "sum_force", "exponent": np.array([2.0, 3.0])},
        ("exponent as a finite number ≥ 1", "array([2., 3.])"),
    ),
    "tendons": ({"tendon": np.array(["rigid", "rigid"])}, ("tendon among rigid, compliant", "array(")),
    "tolerance in words": ({"tolerance": "fine"}, ("tolerance as a finite number above 0 and below 0.01", "'fine'")),
    "weight in words": ({"weights": {"biceps": "much"}}, ("weights as numbers", "'much'")),
    "weights in words": ({"weights": ["a", "b", "c"]}, ("weights as numbers", "['a', 'b', 'c']")),
    "weight of nothing": ({"weights": {"biceps": None}}, ("weights as numbers", "None")),
    "weight": ({"weights": {"biceps": -1.0}}, ("positive weights", "biceps")),
    "weight of nobody": (
        {"weights": {"soleus": 1.0}},
        ("weights of muscles among biceps, brachialis, triceps", "soleus"),
    ),
    "number of weights": ({"weights": [1.0, 2.0]}, ("weights", "(2,)")),
    "guess in words": ({"initial_guess": "zeros"}, ("'static' or 'midpoint'", "'zeros'")),
    "guess of too few points": ({"initial_guess": np.zeros((10, 3))}, ("(51, 3) or (3,)", "(10, 3)")),
    "guess of too many muscles": ({"initial_guess": np.zeros(4)}, ("(51, 3) or (3,)", "(4,)")),
    "guess with NaN": ({"initial_guess": [0.1, np.nan, 0.1]}, ("finite initial_guess", "NaN")),
    "guess of another kind": ({"initial_guess": {"biceps": 0.1}}, ("activations as initial_guess", "biceps")),
    "no guess": ({"initial_guess": None}, ("'static' or 'midpoint'", "None")),
    "guess of one number": ({"initial_guess": 0.5}, ("(51, 3) or (3,)", "shape ()")),
    "initial activation": ({"initial_activation": 0.5}, ("initial_activation among paid, equal, free", "0.5")),
    **{
        f"penalty of {value!r}": ({"derivative_penalty": value}, ("derivative_penalty as a finite number ≥ 0", shown))
        for value, shown in ((-1.0, "-1.0"), (float("nan"), "nan"), (float("inf"), "inf"), ("a", "'a'"), (None, "None"))
    },
    "penalty of rigid tendons": ({"derivative_penalty": 0.1}, ("no derivative_penalty with tendon='rigid'", "0.1")),
    **{
        f"time constants {value!r}": ({"time_constants": value}, ("two positive finite numbers in s", repr(value)))
        for value in (
            *(
                (0.0, 0.06),
                (0.015,),
                (0.015, float("nan")),
                (float("inf"), 0.06),
                (-1.0, 0.06),
                ("fast", "slow"),
                0.015,
            ),
            *({0.015: 0.06}, (0.015, 0.06, 0.1)),
        )
    },
    **{
        f"periodic {value!r}": ({"periodic": value}, ("periodic as True, False, or a mapping", repr(value)))
        for value in ("yes", {}, None, 1, ["biceps"], {"biceps": ["triceps"]}, {1: 2})
    },
    "periodic muscle": ({"periodic": {"biceps": "soleus"}}, ("periodic muscles among biceps", "soleus")),
    "two muscles onto one": ({"periodic": {"biceps": "triceps"}}, ("onto every muscle", "got triceps twice")),
    **{
        f"muscles {value!r}": ({"muscles": value}, ("use_degroote_muscles by name", "fiber_damping", repr(value)))
        for value in ({"typo": 1}, 3, "elastic", [("fiber_damping", 0.1)], {1: 2})
    },
    **{
        f"emg {type(value).__name__}": ({"emg": value}, ("osimopt.EmgTracking", "got"))
        for value in (3, "SOL", {"biceps": "BIC"}, ENVELOPE)
    },
    "elastic tendons from arrays": ({"tendon": "compliant"}, ("a problem from a model", "arrays", "'rigid'")),
    "muscles from arrays": ({"muscles": {"fiber_damping": 0.1}}, ("without parameters", "load_problem")),
    "EMG of nobody": ({"emg": EmgTracking(ENVELOPE, {"soleus": "BIC"})}, ("biceps, brachialis, triceps", "soleus")),
    "EMG too short": (
        {"emg": EmgTracking(ENVELOPE.iloc[:2], {"biceps": "BIC"})},
        ("EMG from 0 to 1 s", "0 to 0.5 s", "time range"),
    ),
    "iterations": ({"max_iterations": -1}, ("max_iterations", "-1")),
    "iterations in words": ({"max_iterations": "many"}, ("max_iterations", "'many'")),
    "iterations as a switch": ({"max_iterations": True}, ("max_iterations", "True")),
    "half an iteration": ({"max_iterations": 1.5}, ("max_iterations", "1.5")),
    "refinements": ({"max_refinements": -1}, ("max_refinements", "-1")),
    "refinements as a switch": ({"max_refinements": False}, ("max_refinements", "False")),
    "mesh tolerance": ({"mesh_tolerance": -1e-3}, ("mesh_tolerance", "-0.001")),
    "mesh tolerance as a switch": ({"mesh_tolerance": True}, ("mesh_tolerance", "True")),
    "infinite mesh tolerance": ({"mesh_tolerance": float("inf")}, ("mesh_tolerance as a finite number", "inf")),
    "jobs": ({"n_jobs": 0}, ("jobs of at least 1", "0")),
    "jobs in words": ({"n_jobs": "all"}, ("jobs of at least 1", "'all'")),
    "progress": ({"progress": True}, ("progress as a function", "True")),
}


@pytest.mark.usefixtures("unsolved")
@pytest.mark.parametrize("name", WRONG)
def test_wrong_options(name: str) -> None:
    options, words = WRONG[name]
    said = refused(**options)
    for word in words:
        assert word in said, said


@pytest.mark.usefixtures("unsolved")
@pytest.mark.parametrize("problem", ["walk.osim", None, {}])
def test_what_is_no_problem(problem: Any) -> None:
    with pytest.raises(InputError, match=r"expected problem as a RedundancyProblem, got .*load_problem"):
        solve_dynamic(problem)


def test_a_penalty_that_asks_nothing_of_rigid_tendons_is_none() -> None:
    assert solved(derivative_penalty=0.0, n_jobs=np.int64(1), periodic=np.False_).success


@pytest.mark.usefixtures("unsolved")
def test_one_frame() -> None:
    said = refused(elbow().frames(slice(3, 4)))
    assert "Dynamic optimization needs at least two times" in said
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
    "channel": ({"muscles": {"biceps": "TIB"}}, ("channels of the envelope", "TIB", "BIC")),
    "order": ({"envelope": ENVELOPE.iloc[::-1]}, ("increasing time", "decrease")),
    "no scale": ({"scale": (0.0, 1.0)}, ("0 < lower", "(0.0, 1.0)")),
    "scale in reverse": ({"scale": (2.0, 1.0)}, ("lower ≤ upper", "(2.0, 1.0)")),
    "negative bounds": ({"bounds": (-0.1, 0.1)}, ("bounds", "(-0.1, 0.1)")),
    "negative weight": ({"weight": -1.0}, ("weight of EMG tracking ≥ 0", "-1.0")),
    "infinite weight": ({"weight": float("inf")}, ("weight of EMG tracking", "inf")),
    "NaN scale": ({"scale": (float("nan"), 1.0)}, ("0 < lower", "nan")),
    "scale in words": ({"scale": ("half", "twice")}, ("scale of EMG as two numbers", "'half'")),
    "no scale at all": ({"scale": None}, ("scale of EMG as two numbers", "None")),
    "one bound": ({"bounds": 0.1}, ("bounds of EMG as two numbers", "0.1")),
    "bounds in words": ({"bounds": ("a", "b")}, ("bounds of EMG as two numbers", "'a'")),
    "weight in words": ({"weight": "much"}, ("weight of EMG tracking ≥ 0", "'much'")),
    "nothing": ({"envelope": {}}, ("as a DataFrame", "dict {}")),
    "array": ({"envelope": ENVELOPE.to_numpy()}, ("as a DataFrame", "ndarray")),
    "series": ({"envelope": ENVELOPE["BIC"]}, ("as a DataFrame", "Series")),
    "words": ({"envelope": ENVELOPE.astype(str) + " mV"}, ("envelopes as numbers", "BIC: ")),
    "switches": ({"envelope": ENVELOPE > 0.1}, ("envelopes as numbers", "BIC: bool")),
    "no rows": ({"envelope": ENVELOPE.iloc[:0]}, ("index of the EMG as numbers", "got 0 values of type")),
    "durations": (
        {"envelope": ENVELOPE.set_index(pd.to_timedelta([0.0, 0.5, 1.0], unit="s"))},
        ("time in s", "timedelta64", "total_seconds"),
    ),
    "dates": ({"envelope": ENVELOPE.set_index(pd.to_datetime([0, 1, 2], unit="s"))}, ("time in s", "datetime64")),
    "time in words": ({"envelope": ENVELOPE.set_index(pd.Index(["a", "b", "c"]))}, ("time in s", "'a'")),
    "time with NaN": ({"envelope": ENVELOPE.set_index(pd.Index([0.0, np.nan, 1.0]))}, ("finite time", "NaN")),
    "twice": ({"envelope": pd.concat([ENVELOPE, ENVELOPE], axis=1)}, ("one column per channel", "BIC twice")),
    "nobody": ({"muscles": {}}, ("tracked muscles as a mapping", "got {}")),
    "list": ({"muscles": ["BIC"]}, ("tracked muscles as a mapping", "['BIC']")),
    "several channels": ({"muscles": {"biceps": ["BIC"]}}, ("tracked muscles as a mapping", "['BIC']")),
    "NaN bounds": ({"bounds": (float("nan"), 0.1)}, ("bounds", "nan")),
}


@pytest.mark.parametrize("name", WRONG_EMG)
def test_wrong_emg(name: str) -> None:
    options, words = WRONG_EMG[name]
    with pytest.raises(InputError) as caught:
        EmgTracking(**({"envelope": ENVELOPE, "muscles": {"biceps": "BIC"}} | options))
    for word in ("expected", "got", *words):
        assert word in str(caught.value)


LONG = pd.DataFrame({"BIC": [0.2, 0.4, 1.0, 0.4, 0.2]}, index=[0.0, 0.25, 0.5, 0.75, 1.0])


@pytest.mark.usefixtures("unsolved")
@pytest.mark.parametrize(
    ("time", "value", "words"),
    [
        (0.25, -0.06, ("EMG envelopes ≥ 0 in the interval", "-0.06", "BIC at 0.25 s")),
        (0.75, float("nan"), ("finite EMG in the interval", "NaN", "BIC at 0.75 s")),
    ],
    ids=["negative", "gap"],
)
def test_emg_that_is_wrong_where_it_is_needed(time: float, value: float, words: tuple[str, ...]) -> None:
    envelope = LONG.copy()
    envelope.loc[time] = value
    said = refused(emg=EmgTracking(envelope, {"biceps": "BIC"}))
    for word in words:
        assert word in said, said


@pytest.mark.usefixtures("unsolved")
@pytest.mark.parametrize(("outside", "inside", "word"), [(np.inf, -0.3, "-0.3"), (np.nan, np.nan, "NaN")])
def test_emg_outside_does_not_excuse_that_inside(outside: float, inside: float, word: str) -> None:
    envelope = LONG.copy()
    envelope.loc[:] = inside
    envelope.loc[[0.0, 1.0]] = outside
    assert word in refused(emg=EmgTracking(envelope, {"biceps": "BIC"}), time_range=(0.3, 0.7))


@pytest.mark.parametrize("value", [-3.0, float("nan"), float("inf")])
def test_emg_outside_the_interval_does_not_matter(value: float) -> None:
    envelope = LONG.copy()
    envelope.loc[[0.0, 1.0]] = value
    within = {"time_range": (0.3, 0.7), "mesh_interval": 0.1}
    wrong, right = (solved(emg=EmgTracking(one, {"biceps": "BIC"}, weight=10.0), **within) for one in (envelope, LONG))
    assert wrong.excitation.tobytes() == right.excitation.tobytes()


def test_an_undershoot_counts_as_zero_with_a_warning() -> None:
    envelope = LONG.copy()
    envelope.loc[0.25] = -0.04
    with pytest.warns(UserWarning, match="BIC down to -0.04 count as 0: a filter's undershoot, 4.0% of its maximum"):
        found = solved(emg=EmgTracking(envelope, {"biceps": "BIC"}, weight=10.0), mesh_interval=0.1)
    envelope.loc[0.25] = 0.0
    zero = solved(emg=EmgTracking(envelope, {"biceps": "BIC"}, weight=10.0), mesh_interval=0.1)
    assert found.excitation.tobytes() == zero.excitation.tobytes()


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
def test_a_fibre_beyond_its_curves(degroote: RedundancyProblem) -> None:
    said = refused(stretched(degroote, "BIClong", 0.5), tendon="compliant")
    assert "fibres up to 1.8 optimal lengths" in said
    assert re.search(r"BIClong \d\.\d\d at 0\.\d+ s", said)
    assert "ignore_passive_fiber_force" in said
    assert "TRIlat" not in said


@pytest.mark.parametrize("tendon", ["rigid", "compliant"])
def test_a_fibre_beyond_its_curves_without_passive_force_is_warned_of(degroote: RedundancyProblem, tendon: Any) -> None:
    """As the refusal advises; the damping of a rigid tendon's fibre is no elastic force."""
    long = use_degroote_muscles(stretched(degroote, "BIClong", 0.5), fiber_damping=0.01)
    assert "ignore_passive_fiber_force" in refused(long, tendon=tendon)
    advised = {"ignore_passive_fiber_force": {"BIClong": True}}
    assert use_degroote_muscles(long, **advised).passive_force[:, degroote.muscles.index("BIClong")].any()
    with pytest.warns(UserWarning, match=r"beyond 1\.8 optimal lengths.*BIClong \d"):
        solution = solve_dynamic(long, tendon, muscles=advised, mesh_interval=0.05)
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


@pytest.mark.parametrize(("bump", "warned"), [(4.0, False), (7.0, True)])
def test_a_mesh_is_coarse_from_5_percent_of_the_peak_on(bump: float, warned: bool) -> None:
    """100 N·m at the points of the mesh, and more between them."""
    time = np.linspace(0.0, 1.0, 101)
    moment = 100.0 + bump * np.sin(10.0 * np.pi * time) ** 2
    problem = RedundancyProblem.from_arrays([0.05], [3000.0], moment, time=time)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_coarse_mesh(problem, Mesh.uniform(scheme("trapezoidal"), 0.0, 1.0, 0.1))
    assert len(caught) == warned


@pytest.mark.parametrize(("drift", "warned"), [(0.6, False), (1.6, True)])
def test_ends_are_open_from_5_percent_of_the_range_on(drift: float, warned: bool) -> None:
    problem = knee(lambda time: 10.0 * np.sin(2.0 * np.pi * time) + drift * time)
    conditions = Conditions(dynamic_cost("excitation_power", 2, "rigid"), periodic=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_open_ends(problem, conditions, Mesh.uniform(scheme("trapezoidal"), 0.0, 1.0, 0.1))
    assert len(caught) == warned


def knee(moment: Any) -> RedundancyProblem:
    time = np.linspace(0.0, 1.0, 51)
    arms = [[0.05, -0.05]]
    return RedundancyProblem.from_arrays(arms, [1000.0] * 2, moment(time), time=time, coordinates=["knee"], reserves=10)


def test_a_motion_that_does_not_end_as_it_begins_is_warned_of() -> None:
    """A ramp, and a quarter of a wave; the whole wave, and one that is 4 % of its range off, are none."""
    ramp, wave = knee(lambda time: 10.0 * time), knee(lambda time: 10.0 * np.sin(2.0 * np.pi * time))
    with pytest.warns(UserWarning, match=r"differ in the moments of knee by 100% \(10 N·m .*whole cycles") as caught:
        solution = solved(ramp, periodic=True)
    assert caught[0].filename == dynamic_cases.__file__
    assert any("does not end as it begins (0 to 1 s)" in line for line in solution.findings())
    with pytest.warns(UserWarning, match=r"\(0 to 0\.25 s\).*knee by 100% \(9.98 N·m"):
        solved(wave, periodic=True, time_range=(0.0, 0.25))
    solved(wave, periodic=True)
    solved(ramp, periodic=False)
    nearly = knee(lambda time: 10.0 * np.sin(2.0 * np.pi * time) + 0.8 * time)
    solved(nearly, periodic=True)


def test_muscles_that_answer_each_other_are_compared_in_length(degroote: RedundancyProblem) -> None:
    """In a motion and its reverse a muscle starts as it ends; with a twin it starts as the twin ends."""
    back = np.concatenate([np.arange(len(degroote)), np.arange(len(degroote) - 1)[::-1]])
    there = RedundancyProblem.frames(degroote, slice(None))
    length = np.asarray(there.geometry.length)[back]
    time = degroote.time[0] + 0.01 * np.arange(len(back))
    cyclic = replace(
        there, time=time, max_force=there.max_force[back], passive_force=there.passive_force[back],
        generalized_force=there.generalized_force[back], source=None, kinematics=None,
        geometry=replace(there.geometry, moment_arms=there.geometry.moment_arms[back], length=length,
                         lengthening_speed=np.asarray(there.geometry.lengthening_speed)[back]),
    )  # fmt: skip
    mesh = Mesh.uniform(scheme("trapezoidal"), time[0], time[-1], 0.02)
    half = Mesh.uniform(scheme("trapezoidal"), time[0], time[len(degroote) - 1], 0.02)
    own = {name: name for name in cyclic.muscles}
    twins = own | {"TRIlat": "BIClong", "BIClong": "TRIlat"}
    cost = dynamic_cost("excitation_power", 2, "rigid")
    warn_of_open_ends(cyclic, Conditions(cost, periodic=own), mesh)
    with pytest.warns(UserWarning, match=r"differ in the lengths of .*BIClong by \d+% \([\d.]+ mm\)") as caught:
        warn_of_open_ends(cyclic, Conditions(cost, periodic=own), half)
    assert "moments" not in str(caught[0].message)
    with pytest.warns(UserWarning, match=r"TRIlat by \d+%") as caught:
        warn_of_open_ends(cyclic, Conditions(cost, periodic=twins), mesh)
    assert "BRA" not in str(caught[0].message)


def test_a_bad_frame_outside_the_interval_does_not_matter(arm: Any) -> None:
    problem = load_problem(arm.model, arm.motion, time_range=(0.0, 0.5))
    length = np.asarray(problem.geometry.length).copy()
    length[-1] = 1.0  # fibres beyond their curves
    bad = replace(problem, geometry=replace(problem.geometry, length=length), source=None)
    passive = replace(bad, passive_force=np.ones(length.shape))
    assert solve_dynamic(passive, "rigid", time_range=(0.0, 0.3)).success
    with pytest.raises(InputError, match=r"fibres up to 1\.8 optimal lengths"):
        solve_dynamic(passive, "rigid")
