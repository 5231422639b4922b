"""Quantities that are computed on demand: against OpenSim's MuscleAnalysis, energy, closed forms; and names."""

from __future__ import annotations

import doctest
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import HERE, TwoLeg, run_script
from limb_cases import limb, parameters

import osimopt
from osimopt import (
    ConfigError,
    InputError,
    RedundancyProblem,
    RedundancySolution,
    read_table,
    solve_dynamic,
    solve_static,
)
from osimopt.batch.jobs import jobs_of
from osimopt.batch.study import read_study
from osimopt.datasets import Example
from osimopt.files.storage import write_table
from osimopt.muscle import degroote
from osimopt.muscle.fibers import fibers_under
from osimopt.solution.folder import write_pieces
from osimopt.solution.quantities import DERIVED
from osimopt.solution.summary import carried

#: Of a muscle's largest value; OpenSim's Newton steps for the velocity of damped fibres end at 1e-10 of the force.
AGREES = 1e-6
#: The same of the walk by AnalyzeTool, which assembles coupled knees to 1e-8 m of muscle length: 0.004 N of 1100 N.
ASSEMBLED = 3e-4
#: Of a muscle's largest tendon force or power, for small differences of large ones: OpenSim's velocities err by 2e-8.
SMALL = 1e-7
#: Of the largest power: sums of six muscles.
ENERGY = 1e-9
POWERS = ("fiber_active_power", "fiber_passive_power", "tendon_power")
OWN = ("activation", "muscle_force", "reserve_force")


def values(solution: RedundancySolution, name: str) -> np.ndarray:
    return solution.to_dataframe(name).to_numpy(dtype=float, copy=True)


def theirs(folder: Path, model: Path, solution: RedundancySolution, *words: str) -> dict[str, np.ndarray]:
    """Outputs of OpenSim's muscles in the states of a solution; with ``--tool`` the files of its MuscleAnalysis."""
    problem, motion = solution.problem, solution.problem.kinematics
    assert motion is not None
    states = {
        "time": solution.time, "coordinates": motion.coordinates, "value": motion.value, "speed": motion.speed,
        "muscles": problem.muscles, "activation": solution.activation, "fiber_length": values(solution, "fiber_length"),
        **tendon_states(solution),
    }  # fmt: skip
    np.savez(folder / "states.npz", **states)
    script = HERE / "muscle_analysis_oracle.py"
    run_script(script, model, folder / "states.npz", folder / "theirs.npz", *words, cwd=folder)
    with np.load(folder / "theirs.npz") as found:
        return dict(found)


def tendon_states(solution: RedundancySolution) -> dict[str, np.ndarray]:
    """Normalised tendon force of De Groote muscles, and its rate, by which OpenSim's implicit tendons move."""
    p = solution.problem.parameters
    assert p is not None
    own = np.array(p.classes) == degroote.DEGROOTE.name
    rate = np.zeros(solution.activation.shape)
    if own.any():
        fibers, slack = solution.muscles_in_motion.fibers, p.tendon_slack_length
        stretch = (values(solution, "tendon_length") / slack)[:, own]
        speed = (values(solution, "muscle_tendon_velocity") - fibers.speed_along)[:, own]
        strain = p.properties["tendon_strain_at_one_norm_force"][own]
        rate[:, own] = degroote.tendon_force_length_slope(stretch, strain) * speed / slack[own]
    return {"normalized_tendon_force": solution.muscle_force / p.max_isometric_force, "rate": rate}


def compare(
    solution: RedundancySolution, found: dict[str, np.ndarray], keep: Any = np.s_[:], agrees: float = AGREES
) -> None:
    """Every quantity of some muscles, but those to leave; NaN of ours, where a fibre is not known, is left too."""
    force = np.abs(solution.muscle_force).max(axis=0)
    power = np.abs(values(solution, "muscle_power")).max(axis=0)
    for name in found:
        ours, own = values(solution, name)[:, keep], found[name][:, keep]
        known = np.isfinite(ours) & np.isfinite(own)
        assert known.mean() > 0.9, name
        size = np.abs(own).max(axis=0, initial=0.0, where=known)
        off = np.abs(ours - own).max(axis=0, initial=0.0, where=known)
        least = power if name.endswith("power") else force if "force" in name else 0.0 * force
        assert (off <= agrees * size + SMALL * least[keep]).all(), f"{name}: {off / np.maximum(size, 1e-300)}"


def adds_up(solution: RedundancySolution) -> None:
    """Active and passive force along the tendon are the tendon force, fibres and tendons have the whole power."""
    parts = ("active_fiber_force_along_tendon", "passive_fiber_force_along_tendon")
    total = sum(values(solution, name) for name in parts)
    known = np.isfinite(total)
    size = np.abs(solution.muscle_force[known]).max()
    np.testing.assert_allclose(total[known], solution.muscle_force[known], rtol=0, atol=1e-14 * size)
    np.testing.assert_array_equal(values(solution, "tendon_force"), solution.muscle_force)
    inside = sum(values(solution, name) for name in POWERS)
    power = values(solution, "muscle_power")
    np.testing.assert_allclose(inside[known], power[known], rtol=0, atol=1e-12 * np.nanmax(np.abs(power)))


def balance(solution: RedundancySolution, but: tuple[str, ...] = ()) -> None:
    """−F·l̇ of the muscles and the reserves' power are the joints': a tension along −∂l/∂q does no other work.

    ``but`` are muscles whose lengths OpenSim gets wrong: of those the power is −F·(−R q̇).
    """
    problem, motion = solution.problem, solution.problem.kinematics
    assert motion is not None
    rates = motion.speed[:, [motion.coordinates.index(name) for name in problem.coordinates]]
    power, wrong = values(solution, "muscle_power"), np.isin(problem.muscles, but)
    power[:, wrong] = (solution.muscle_force * np.einsum("tdm,td->tm", problem.moment_arm, rates))[:, wrong]
    done = power.sum(axis=1) + (carried(problem, solution.reserve_control) * rates).sum(axis=1)
    joints = values(solution, "joint_power").sum(axis=1)
    missed = (solution.moment_residual * rates).sum(axis=1)
    np.testing.assert_allclose(done - missed, joints, rtol=0, atol=ENERGY * np.abs(joints).max())


@pytest.fixture(scope="module")
def flexion(arm: Example) -> RedundancyProblem:
    return osimopt.load_problem(arm.model, arm.motion, time_range=(0.0, 0.9), geometry="opensim")  # the judge's paths


# ------------------------------------------------------------------------------------------- against OpenSim


def test_static_equilibria_are_those_of_muscle_analysis(
    arm: Example, flexion: RedundancyProblem, tmp_path: Path
) -> None:
    solution = solve_static(flexion, tendon="compliant")
    found = theirs(tmp_path, Path(arm.model), solution, "--tool")
    assert len(found) == len(DERIVED) - 4, "all but velocity of the unit, work, joint power and metabolic rate"
    compare(solution, found)
    adds_up(solution)
    balance(solution)


def test_mixed_tendons_have_the_fibers_of_either(flexion: RedundancyProblem) -> None:
    """Static: rigid tendons as in the rigid solution; dynamic: one part of the muscles as rigid, one as elastic."""
    mixed = {"BIC*": "compliant", "*": "rigid"}
    elastic = np.array([name.startswith("BIC") for name in flexion.muscles])
    solution, rigid = solve_static(flexion, tendon=mixed), solve_static(flexion)
    assert solution.elastic.tolist() == elastic.tolist()
    adds_up(solution)
    lengths = values(solution, "fiber_length") - values(rigid, "fiber_length")
    assert np.abs(lengths[:, ~elastic]).max() == 0.0
    assert np.abs(lengths[:, elastic]).min() > 1e-6
    dynamic = solve_dynamic(flexion, tendon=mixed, mesh_interval=0.05)
    assert dynamic.elastic.tolist() == elastic.tolist()
    adds_up(dynamic)
    slack = dynamic.problem.parameters.tendon_slack_length
    stretched = values(dynamic, "tendon_length") - slack
    assert np.abs(stretched[:, ~elastic]).max() < 1e-12
    assert np.abs(stretched[:, elastic]).min() > 1e-6


@pytest.fixture(scope="module")
def sliding(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Muscles of all classes with odd parameters along one slider, near their optimal lengths."""
    folder = tmp_path_factory.mktemp("sliding")
    run_script(HERE / "muscle_analysis_oracle.py", folder, cwd=folder)
    time = np.linspace(0.0, 4.0, 81)
    length = 0.33 - 0.03 * np.cos(0.5 * np.pi * time)
    write_table(pd.DataFrame({"length": length}, pd.Index(time, name="time")), folder / "motion.mot", in_degrees=False)
    return folder


def pulling(folder: Path, model: str, **options: Any) -> RedundancyProblem:
    """The muscles of a model pull with half of their strength."""
    problem = osimopt.load_problem(folder / model, folder / "motion.mot", reserves=None, geometry="opensim", **options)
    assert problem.parameters is not None
    moment = -(0.3 + 0.2 * np.sin(3.0 * problem.time)) * problem.parameters.max_isometric_force.sum()
    return replace(problem, generalized_force=moment[:, None]).with_reserves(100.0)


def activated(problem: RedundancyProblem) -> RedundancySolution:
    """A solution with activations drawn at random: on rigid tendons its quantities follow from them."""
    solution = solve_static(problem, on_failure="return", tolerance=1e-6)
    drawn = np.random.default_rng(8).uniform(0.02, 1.0, solution.activation.shape)
    return replace(solution, activation=drawn)


@pytest.mark.slow
def test_rigid_tendons_of_every_class_are_those_of_opensim(sliding: Path, tmp_path: Path) -> None:
    """The solution's passive force is OpenSim's without damping. Thelen's muscle has no rigid tendon there."""
    solution = activated(pulling(sliding, "rigid.osim", gain="corrected", passive_force=True))
    found = theirs(tmp_path, sliding / "rigid.osim", solution)
    p, velocity = solution.problem.parameters, values(solution, "normalized_fiber_velocity")
    assert p is not None
    damping = p.max_isometric_force * np.nan_to_num(p.properties["fiber_damping"]) * velocity
    along = damping * np.cos(values(solution, "pennation_angle"))
    for name in ("fiber_force", "passive_fiber_force"):
        found[name] = found[name] - damping
    for name in ("tendon_force", "passive_fiber_force_along_tendon"):
        found[name] = found[name] - along
    found["fiber_active_power"] += damping * values(solution, "fiber_velocity")
    found["muscle_power"] += along * values(solution, "muscle_tendon_velocity")
    of_thelen = np.array(p.classes) == "Thelen2003Muscle"
    compare(solution, found, ~of_thelen)
    lengths = ("fiber_length", "tendon_length", "pennation_angle", "passive_fiber_force")
    compare(solution, {name: found[name] for name in lengths}, of_thelen)
    adds_up(solution)


@pytest.mark.slow
def test_rigid_tendons_of_millard_and_degroote_by_muscle_analysis(sliding: Path, tmp_path: Path) -> None:
    """De Groote's, once converted, with their damping."""
    model = sliding / "Millard2012EquilibriumMuscle.osim"
    undamped = [f"Millard2012EquilibriumMuscle_{index}" for index in (4, 5)]
    solution = activated(pulling(sliding, model.name, gain="corrected", passive_force=True))
    keep = np.isin(solution.problem.muscles, undamped)
    compare(solution, theirs(tmp_path, model, solution, "--tool"), keep)
    problem = pulling(sliding, "DeGrooteFregly2016Muscle.osim")
    own = activated(osimopt.use_degroote_muscles(problem, ignore_tendon_compliance=True))
    rigid = activated(pulling(sliding, "rigid.osim"))
    same = np.isin(rigid.problem.muscles, own.problem.muscles)
    rigid.activation[:, same] = own.activation
    found = theirs(tmp_path, sliding / "rigid.osim", rigid, "--tool")
    compare(own, {name: array[:, same] for name, array in found.items()})
    adds_up(own)


@pytest.mark.slow
def test_equilibria_of_every_class_are_those_of_opensim(sliding: Path, tmp_path: Path) -> None:
    """At OpenSim's calls; AnalyzeTool cannot set the rate of force of De Groote's implicit tendons."""
    solution = solve_static(pulling(sliding, "muscles.osim"), tendon="compliant")
    compare(solution, theirs(tmp_path, sliding / "muscles.osim", solution))
    adds_up(solution)
    slack = np.isnan(values(solution, "fiber_velocity"))
    assert slack.any(), "a De Groote fibre would push"
    assert (solution.muscle_force[slack] == 0.0).all()
    slack_length = np.broadcast_to(solution.problem.parameters.tendon_slack_length, slack.shape)
    np.testing.assert_allclose(values(solution, "tendon_length")[slack], slack_length[slack], rtol=1e-12)


@pytest.mark.slow
def test_dynamic_fibers_are_those_of_opensim(sliding: Path, tmp_path: Path) -> None:
    model = sliding / "DeGrooteFregly2016Muscle.osim"
    solution = solve_dynamic(pulling(sliding, model.name), mesh_interval=0.1)
    compare(solution, theirs(tmp_path, model, solution))
    adds_up(solution)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_walk_by_muscle_analysis(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "walk_18muscles"
    model = folder / "subject_walk_armless_18musc.osim"
    given = {"external_loads": folder / "external_loads.xml", "time_range": (0.5, 0.8), "lowpass_hz": 6.0}
    problem = osimopt.load_problem(model, folder / "coordinates.mot", **given, geometry="opensim")  # the judge's paths
    solution = solve_static(problem, tendon="compliant", on_failure="return")
    assert solution.success, solution.findings()
    compare(solution, theirs(tmp_path, model, solution))
    found = theirs(tmp_path, model, solution, "--tool")
    del found["tendon_power"]  # a small difference of its velocities
    compare(solution, found, agrees=ASSEMBLED)
    adds_up(solution)
    balance(solution, ("gasmed_r", "gasmed_l"))


# ------------------------------------------------------------------------------------------- energy and closed forms


@pytest.mark.parametrize("passive", [False, True])
def test_rigid_tendons_balance_energy(arm: Example, passive: bool) -> None:
    problem = osimopt.load_problem(arm.model, arm.motion, time_range=(0.2, 0.6), passive_force=passive)
    solution = solve_static(problem)
    adds_up(solution)
    balance(solution)
    assert (values(solution, "passive_fiber_force").any()) == passive
    assert not values(solution, "tendon_power").any()


def test_dynamic_solutions_balance_energy() -> None:
    for tendon in ("rigid", "compliant"):
        solution = solve_dynamic(limb(31), tendon=tendon, mesh_interval=0.1)
        adds_up(solution)
        shown = values(solution, "normalized_fiber_length")
        np.testing.assert_array_equal(shown, solution.normalized_fiber_length)
        optimal = parameters().optimal_fiber_length
        np.testing.assert_allclose(values(solution, "fiber_length"), shown * optimal, rtol=1e-14)
        speed = values(solution, "normalized_fiber_velocity") * optimal * 10.0
        np.testing.assert_allclose(values(solution, "fiber_velocity"), speed, rtol=1e-12, atol=1e-15)


@pytest.mark.slow
def test_two_legs_balance_energy(two_leg: TwoLeg) -> None:
    balance(solve_static(osimopt.load_problem(two_leg.model, two_leg.motion, two_leg.loads, time_range=(0.2, 0.5))))


def test_work_is_the_integral_of_power(flexion: RedundancyProblem) -> None:
    solution = solve_static(flexion)
    power, work = (values(solution, name) for name in ("muscle_power", "muscle_work"))
    assert (work[0] == 0.0).all()
    integral = np.trapezoid(power, solution.time, axis=0)
    np.testing.assert_allclose(work[-1], integral, rtol=1e-12)
    lost = replace(solution, activation=np.where(np.arange(len(work))[:, None] == 70, np.nan, solution.activation))
    np.testing.assert_array_equal(values(lost, "muscle_work")[:70], work[:70])
    assert np.isnan(values(lost, "muscle_work")[70:]).all()


def test_failed_frames_are_nan_where_the_solution_counts(flexion: RedundancyProblem) -> None:
    solution = solve_static(flexion)
    lost = replace(solution, activation=np.where(np.arange(len(flexion))[:, None] == 3, np.nan, solution.activation))
    for name in DERIVED:
        known = np.isfinite(values(lost, name)[3])
        assert (
            known.all()
            if name in ("muscle_tendon_length", "muscle_tendon_velocity", "joint_power")
            else not (known.any())
        ), name


def test_a_fiber_that_points_backwards() -> None:
    """Where the muscle-tendon unit is shorter than its stretched tendon, cos α is below zero."""
    p = parameters()
    height = p.optimal_fiber_length * np.sin(p.pennation_angle)
    for along in (-0.02, 0.02):
        stretch = degroote.tendon_length(0.4, 0.049)
        length = np.broadcast_to(p.tendon_slack_length * stretch + along, (3, 5))
        fiber = np.hypot(along, height) / p.optimal_fiber_length
        shape = np.broadcast_to(fiber, (3, 5))
        found = fibers_under(p, length, 0.4 * p.max_isometric_force + 0.0 * length, shape, 0.1 * shape)
        np.testing.assert_allclose(found.cosine * found.length, np.full((3, 5), along), rtol=1e-12)


def test_fibers_stay_at_the_shortest_length_that_opensim_lets_them_have(flexion: RedundancyProblem) -> None:
    """They do not move there, and the tendon takes up the whole speed."""
    p = flexion.parameters
    assert p is not None
    assert flexion.geometry.length is not None
    short = np.minimum(flexion.geometry.length, 0.9 * p.tendon_slack_length)
    solution = solve_static(replace(flexion, geometry=replace(flexion.geometry, length=short)))
    least = values(solution, "fiber_length")
    np.testing.assert_array_equal(least, np.broadcast_to(least[0], least.shape))
    assert (least > 0.0).any(axis=0).tolist() == (p.pennation_angle > 0.0).tolist()
    assert all(not np.isinf(values(solution, name)).any() for name in DERIVED)
    assert not values(solution, "fiber_velocity").any()
    power = values(solution, "tendon_power")
    np.testing.assert_allclose(power, values(solution, "muscle_power"), rtol=1e-12)


# ------------------------------------------------------------------------------------------- how to ask


def of_arrays(frames: int = 3) -> RedundancySolution:
    time = np.arange(float(frames))
    return solve_static(RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], 5.0 + time, time=time))


def test_the_docstring_lists_every_quantity_with_its_unit() -> None:
    text = RedundancySolution.to_dataframe.__doc__ or ""
    for name, own in DERIVED.items():
        assert f"    {name} " in text
        assert own.unit in text.split(f"    {name} ")[1].split("\n")[0]


def test_the_example_of_the_docstring() -> None:
    (example,) = doctest.DocTestFinder(recurse=False).find(RedundancySolution.to_dataframe, globs={})
    assert not doctest.DocTestRunner().run(example).failed


def test_columns_are_muscles_or_coordinates(flexion: RedundancyProblem) -> None:
    solution = solve_static(flexion)
    for name in DERIVED:
        table = solution.to_dataframe(name)
        assert tuple(table) == (flexion.coordinates if name == "joint_power" else flexion.muscles)
        assert table.index.name == "time"


def test_what_a_solution_cannot_have_is_refused(tmp_path: Path) -> None:
    solution = of_arrays()
    with pytest.raises(InputError, match=r"got fiber_lenght. Did you mean fiber_length\?"):
        solution.to_dataframe("fiber_lenght")
    with pytest.raises(InputError, match=r"from a model for 'fiber_length', got a problem without muscle lengths"):
        solution.to_dataframe("fiber_length")
    with pytest.raises(InputError, match=r"from a model for 'joint_power', got a problem without kinematics"):
        solution.write(tmp_path / "result", outputs=("tendon_force", "joint_power"))
    with pytest.raises(InputError, match=r"expected outputs as names of quantities, or 'all', got \(1,\)"):
        solution.write(tmp_path / "result", outputs=(1,))  # type: ignore[arg-type]
    bare = replace(limb(3), parameters=None)
    with pytest.raises(InputError, match=r"got a problem without muscle parameters"):
        solve_static(bare).to_dataframe("fiber_length")
    assert not any(tmp_path.iterdir())
    folder = solution.write(tmp_path / "result", outputs="all")
    assert {path.stem for path in folder.glob("*.sto")} == {*OWN, "generalized_force", "tendon_force"}


def test_outputs_are_files_of_their_names(flexion: RedundancyProblem, tmp_path: Path) -> None:
    solution = solve_static(flexion.frames(slice(0, 5)))
    folder = solution.write(tmp_path / "result", outputs=("fiber_length", "activation"))
    table = read_table(folder / "fiber_length.sto")
    np.testing.assert_allclose(table.to_numpy(), values(solution, "fiber_length"), rtol=1e-12)
    assert json.loads((folder / "solution.json").read_text())["outputs"] == {"fiber_length": "m"}
    solution.write(folder, outputs=("all", "fiber_length"), overwrite=True)
    assert {path.stem for path in folder.glob("*.sto")} >= {*OWN, *DERIVED}
    solution.write(folder, overwrite=True)
    assert not (folder / "fiber_length.sto").exists()
    with pytest.raises(InputError, match="expected outputs among all, muscle_tendon_length"):
        solution.write(folder, outputs="fiber_length, power", overwrite=True)


def test_work_of_pieces_is_that_of_the_whole(flexion: RedundancyProblem, tmp_path: Path) -> None:
    whole = solve_static(flexion)
    parts = [slice(0, 40), slice(40, 41), slice(41, None)]
    pieces = [solve_static(flexion.frames(part)) for part in parts]
    write_pieces(pieces, len(flexion), tmp_path / "result", outputs="muscle_power,muscle_work")
    for name in ("muscle_power", "muscle_work"):
        table = read_table(tmp_path / "result" / f"{name}.sto").to_numpy()
        own = values(whole, name)
        np.testing.assert_allclose(table, own, rtol=0, atol=1e-5 * np.abs(own).max())
        assert np.abs(table[-1]).min() > 0.0


def test_wrong_outputs_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    for method, name in (("static", "excitation"), ("dynamic", "length")):
        with pytest.raises(InputError, match=f"got {name}"):
            osimopt.solve_to_folder(tmp_path / "out", "no.osim", "no.mot", outputs=name, solve={"method": method})


@pytest.mark.slow
def test_every_way_writes_them(arm: Example, call: Any, tmp_path: Path) -> None:
    span, names = (0.2, 0.3), ("fiber_length", "joint_power")
    words = ("--time-range", *span, "--outputs", ",".join(names), "--out", tmp_path / "shell")
    assert call("solve", arm.model, arm.motion, *words).code == 0
    osimopt.solve_to_folder(tmp_path / "python", arm.model, arm.motion, time_range=span, outputs=names)
    study = f'outputs = ["joint_power", "fiber_length"]\n[[subjects]]\nname = "S"\nmodel = "{arm.model}"\n'
    study += f'motions = "{arm.motion}"\ntime_range = [0.2, 0.3]\n[[methods]]\nname = "p2"\n[run]\njobs = 1\n'
    (tmp_path / "study.toml").write_text(study)
    done = osimopt.run_study(tmp_path / "study.toml")
    (batch,) = (path.parent for path in done.rglob("fiber_length.sto"))
    for name in names:
        shell, python, job = (folder / f"{name}.sto" for folder in (tmp_path / "shell", tmp_path / "python", batch))
        assert shell.read_bytes() == python.read_bytes() == job.read_bytes()


def test_the_shell_refuses_wrong_outputs(arm: Example, call: Any, tmp_path: Path) -> None:
    done = call("solve", arm.model, arm.motion, "--outputs", "fibre_length", "--out", tmp_path / "out")
    assert done.code == 2
    assert "Did you mean fiber_length?" in done.err


def test_outputs_of_a_study(arm: Example, tmp_path: Path) -> None:
    """Wrong names are entries of the file; other outputs make another job, none the job of before."""
    text = f'[[subjects]]\nname = "S"\nmodel = "{arm.model}"\nmotions = "{arm.motion}"\n[[methods]]\nname = "p2"\n'
    keys = {}
    for line in ("", "outputs = []\n", 'outputs = "muscle_power"\n', 'outputs = ["muscle_power"]\n'):
        (tmp_path / "study.toml").write_text(line + text)
        (job,) = jobs_of(read_study(tmp_path / "study.toml"))
        keys[line] = job.key(lambda path: path)
    none, empty, one, same = keys.values()
    assert none == empty != one == same
    (tmp_path / "study.toml").write_text('outputs = ["power"]\n' + text)
    with pytest.raises(ConfigError, match=r"outputs: expected outputs among all, .* got power"):
        read_study(tmp_path / "study.toml")
