"""Rigid tendons beside elastic ones, by name or by the model's own switch."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HERE, run_script

from osimopt import InputError, load_problem, solve_dynamic, solve_static, use_degroote_muscles
from osimopt.batch import study
from osimopt.dynamic.mesh import Mesh, scheme
from osimopt.files.storage import read_table
from osimopt.muscle.tendons import compliant, read_tendon, tendon_text
from osimopt.problem.problem import RedundancyProblem

#: Biceps and brachialis on elastic tendons, triceps on rigid ones.
MIXED: dict[str, Any] = {"TRI*": "rigid", "*": "compliant"}
SOLVE: dict[str, Any] = {"mesh_interval": 0.04, "tolerance": 1e-8}


@pytest.fixture(scope="module")
def problem(arm: Any) -> RedundancyProblem:
    read = load_problem(arm.model, arm.motion, time_range=(0.3, 0.6), reserves=1.0)
    return replace(use_degroote_muscles(read, fiber_damping=0.01), source=None)


@pytest.fixture(scope="module")
def mixed(problem: RedundancyProblem) -> Any:
    return solve_dynamic(problem, MIXED, **SOLVE)


def rigid_of(problem: RedundancyProblem) -> np.ndarray:
    return np.array([name.startswith("TRI") for name in problem.muscles])


# ------------------------------------------------------------------------------------------------ names

NAMES = ("soleus_r", "soleus_l", "vasti_r")


def test_the_first_pattern_that_matches_counts() -> None:
    assert compliant("compliant", NAMES).tolist() == [True] * 3
    assert compliant("rigid", NAMES).tolist() == [False] * 3
    assert compliant({"soleus_l": "rigid", "sol*": "compliant", "*": "rigid"}, NAMES).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("tendon", "words"),
    [
        ({"soleus*": "compliant"}, "a tendon for every muscle, got none for vasti_r"),
        ({"*": "rigid", "soleus*": "compliant"}, r"each choose a muscle, got no muscle for soleus\*"),
        ({"sole": "rigid", "*": "compliant"}, "got no muscle for sole"),
        ({"*": "elastic"}, "to rigid or compliant, got {'\\*': 'elastic'}"),
        ({}, "got {}"),
        ("elastic", "tendon among rigid, compliant, or a mapping to these, got 'elastic'"),
        (None, "got None"),
    ],
)
def test_wrong_tendons(tendon: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        compliant(tendon, NAMES)


@pytest.mark.parametrize("tendon", ["rigid", "compliant", {"soleus*": "compliant", "*": "rigid"}])
def test_words_for_the_command_line(tendon: Any) -> None:
    assert read_tendon(tendon_text(tendon)) == tendon


def test_studies_take_a_mapping() -> None:
    assert study.Dynamic(name="one", method="dynamic", tendon=MIXED).tendon == MIXED
    assert study.Static(name="one", method="static", tendon=MIXED).tendon == MIXED


# -------------------------------------------------------------------------------------------- solutions


@pytest.mark.parametrize("word", ["rigid", "compliant"])
@pytest.mark.slow
def test_one_word_for_all_is_the_word(problem: RedundancyProblem, word: Any) -> None:
    one, other = (solve_dynamic(problem, tendon, **SOLVE) for tendon in (word, {"*": word}))
    np.testing.assert_array_equal(one.muscle_force, other.muscle_force)
    np.testing.assert_array_equal(one.excitation, other.excitation)


@pytest.mark.slow
def test_stiff_tendons_are_rigid_ones(problem: RedundancyProblem) -> None:
    """All tendons elastic, those of the triceps ever stiffer, and no price on rates of forces."""
    rigid, parameters = rigid_of(problem), problem.parameters
    assert parameters is not None
    name = "tendon_strain_at_one_norm_force"
    free = {**SOLVE, "derivative_penalty": 0.0}
    mixed, apart = solve_dynamic(problem, MIXED, **free), []
    for softness in (1.0, 0.02, 0.005):
        strain = np.where(rigid, softness, 1.0) * parameters.properties[name]
        twin = replace(parameters, properties={**parameters.properties, name: strain})
        solution = solve_dynamic(replace(problem, parameters=twin), "compliant", **free)
        apart.append(np.abs(mixed.activation - solution.activation).max())
    assert apart[0] > 2.0 * apart[1] > 4.0 * apart[2]
    assert apart[2] < 0.01


def test_forces_are_those_of_each_tendon(problem: RedundancyProblem, mixed: Any) -> None:
    """Rigid: as the problem at the points has them; elastic: those of forward integration."""
    assert mixed.success
    rigid = rigid_of(problem)
    assert mixed.provenance["solver"]["tendon"] == "TRI*=rigid,*=compliant"
    assert mixed.provenance["solver"]["rigid_tendons"] == list(np.array(problem.muscles)[rigid])
    at = problem.resample(mixed.time)
    force = at.max_force * mixed.activation + at.passive_force
    np.testing.assert_allclose(mixed.muscle_force[:, rigid], force[:, rigid], rtol=1e-12)
    assert np.abs(mixed.muscle_force - force)[:, ~rigid].max() > 1.0
    assert np.isnan(mixed.tendon_force_rate[:, rigid]).all()
    assert np.isfinite(mixed.tendon_force_rate[:, ~rigid]).all()
    assert mixed.check.force_error.max() < 0.02
    assert np.isfinite(mixed.normalized_fiber_length).all()


def test_the_model_decides_by_its_switch(problem: RedundancyProblem, mixed: Any) -> None:
    flags = {name: True for name in problem.muscles if name.startswith("TRI")}
    with pytest.warns(UserWarning, match="Tendons are rigid where muscles ignore_tendon_compliance: TRIlong, TRIlat"):
        solution = solve_dynamic(problem, "compliant", muscles={"ignore_tendon_compliance": flags}, **SOLVE)
    np.testing.assert_allclose(solution.excitation, mixed.excitation, atol=1e-9)
    assert solution.provenance["muscles"] == {"ignore_tendon_compliance": flags}


@pytest.mark.slow
def test_a_guess_with_other_tendons(problem: RedundancyProblem, mixed: Any) -> None:
    other = solve_dynamic(problem, "compliant", **SOLVE)
    for guess in (other, mixed):
        again = solve_dynamic(problem, MIXED, initial_guess=guess, **SOLVE)
        np.testing.assert_allclose(again.activation, mixed.activation, atol=1e-5)


@pytest.mark.slow
def test_costs_of_force_are_those_of_each_tendon(problem: RedundancyProblem) -> None:
    """The tendon's where it is elastic, active force where it is rigid."""
    solution = solve_dynamic(problem, MIXED, cost="sum_force_squared", mesh_interval=0.05)
    active = solution.activation * problem.resample(solution.time).max_force
    force = np.where(rigid_of(problem), active, solution.muscle_force)
    quadrature = Mesh(scheme("hermite-simpson"), solution.mesh_edges).quadrature
    assert solution.integrals["muscles"] == pytest.approx(quadrature @ np.sum(force**2, axis=1), rel=1e-4)


def test_a_follower_has_the_same_tendon(problem: RedundancyProblem) -> None:
    exchanged = {"TRIlat": "BRA", "BRA": "TRIlat"}
    with pytest.raises(InputError, match="tendons of one kind, got rigid and elastic: TRIlat and BRA, BRA and TRIlat"):
        solve_dynamic(problem, MIXED, periodic=exchanged)


@pytest.mark.slow
def test_periodic_states(problem: RedundancyProblem) -> None:
    exchanged = {"TRIlat": "TRIlong", "TRIlong": "TRIlat", "BRA": "BIClong", "BIClong": "BRA"}
    with pytest.warns(UserWarning, match="does not end as it begins"):
        solution = solve_dynamic(problem, MIXED, periodic=exchanged, mesh_interval=0.05)
    follower = [problem.muscles.index(exchanged.get(name, name)) for name in problem.muscles]
    np.testing.assert_allclose(solution.activation[0], solution.activation[-1, follower], atol=1e-6)
    share = solution.muscle_force / problem.parameters.max_isometric_force
    elastic = ~rigid_of(problem)
    np.testing.assert_allclose(share[0, elastic], share[-1, np.array(follower)[elastic]], atol=1e-5)


def test_static_optimization(problem: RedundancyProblem) -> None:
    rigid = rigid_of(problem)
    solution, soft = (solve_static(problem, tendon=tendon) for tendon in (MIXED, "compliant"))
    np.testing.assert_allclose(solution.moment_residual, 0.0, atol=1e-7)
    force = problem.max_force * solution.activation + problem.passive_force
    np.testing.assert_allclose(solution.muscle_force[:, rigid], force[:, rigid], rtol=1e-9, atol=1e-9)
    assert np.abs(solution.muscle_force - force)[:, ~rigid].max() > 1.0
    assert np.abs(solution.activation - soft.activation).max() > 1e-4
    for word in ("rigid", "compliant"):
        one, other = (solve_static(problem, tendon=tendon) for tendon in (word, {"*": word}))
        np.testing.assert_array_equal(one.activation, other.activation)
    assert solve_static(problem, tendon={"*": "rigid"}).provenance["solver"]["tendon"] == "rigid"
    with pytest.raises(InputError, match="cost 'activation_power' or 'min_max'"):
        solve_static(problem, tendon=MIXED, cost="sum_force")


@pytest.mark.slow
def test_dynamic_surrogates_are_of_elastic_tendons(problem: RedundancyProblem) -> None:
    parameters_of = pytest.importorskip("osimopt.surrogate.strides").parameters_of
    assert parameters_of(problem) is problem.parameters
    flagged = use_degroote_muscles(problem, ignore_tendon_compliance={"TRIlat": True})
    with pytest.raises(InputError, match=r"elastic tendons .*, got muscles that ignore_tendon_compliance: TRIlat"):
        parameters_of(flagged)


@pytest.mark.slow
def test_on_the_command_line(call: Any, arm: Any, tmp_path: Path) -> None:
    words = ("--method", "dynamic", "--time-range", 0.3, 0.4, "--reserves", 1, "--tendon", "TRI*=rigid,*=compliant")
    words += ("--active-width", 1.3)
    done = call("solve", arm.model, arm.motion, *words, "--out", tmp_path / "out")
    assert done.code == 0, done.err
    written = json.loads((tmp_path / "out" / "solution.json").read_text())["solver"]
    assert written["tendon"] == "TRI*=rigid,*=compliant"
    assert written["rigid_tendons"] == ["TRIlong", "TRIlat", "TRImed"]
    done = call("solve", arm.model, arm.motion, "--tendon", "TRI*=stiff", "--out", tmp_path / "other")
    assert done.code == 2
    assert "from names to rigid or compliant, got {'TRI*': 'stiff'}" in done.err


@pytest.mark.slow
def test_moco_inverse_agrees(arm: Any, tmp_path: Path) -> None:
    """OpenSim's own program and muscles on the same mesh, to the tolerance of its solver."""
    triceps, out = ("TRIlong", "TRIlat", "TRImed"), tmp_path / "moco.sto"
    run_script(HERE / "moco_oracle.py", arm.model, arm.motion, 0.2, 0.6, 0.04, out, *triceps, cwd=tmp_path)
    theirs = read_table(out)
    problem = load_problem(arm.model, arm.motion, time_range=(0.2, 0.6), reserves=1.0, geometry="opensim")
    muscles = {"fiber_damping": 0.01, "ignore_tendon_compliance": dict.fromkeys(triceps, True)}
    with pytest.warns(UserWarning, match="Tendons are rigid"):
        solution = solve_dynamic(
            problem, muscles=muscles, initial_activation="equal", mesh_interval=0.04, derivative_penalty=0.01
        )
    excitation = theirs[[f"/forceset/{name}" for name in problem.muscles]].to_numpy()
    np.testing.assert_allclose(theirs.index, solution.time, atol=1e-9)
    assert np.abs(solution.excitation - excitation).max() < 1e-4
    objective = float(re.search(r"^objective=(\S+)", out.read_text(), re.MULTILINE)[1])  # type: ignore[index]
    assert solution.total_objective == pytest.approx(objective, rel=1e-5)
