"""Metabolic rates against OpenSim's probes in the same states, and closed forms."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HERE, run_script
from test_quantities import activated, pulling, sliding, tendon_states, values  # noqa: F401

import osimopt
from osimopt import InputError, RedundancyProblem, RedundancySolution, solve_dynamic, solve_static
from osimopt.datasets import Example
from osimopt.muscle.metabolics import Bhargava2004, Effort, Tissue, Umberger2010

#: Of a muscle's largest rate, and of the whole body's: OpenSim's fibre velocities err by 2e-8.
AGREES, SMALL = 1e-6, 1e-7
CLASSES = {"umberger2010": "Umberger2010MuscleMetabolicsProbe", "bhargava2004": "Bhargava2004MuscleMetabolicsProbe"}
OFF = ("include_negative_mechanical_work", "forbid_negative_total_power", "enforce_minimum_heat_rate_per_muscle")
#: Switches of each probe that are tried together.
SWITCHES: dict[str, list[dict[str, Any]]] = {
    "umberger2010": [
        {}, dict.fromkeys(OFF, False), {"use_bhargava_recruitment_model": False, "aerobic_factor": 1.0},
        {"activation_maintenance_rate_on": False}, {"shortening_rate_on": False}, {"mechanical_work_rate_on": False},
        {"include_negative_mechanical_work": False, "basal_rate_on": False},
        {"forbid_negative_total_power": False, "basal_exponent": 0.8}, {"muscle_effort_scaling_factor": 0.5},
    ],
    "bhargava2004": [
        {}, dict.fromkeys(OFF, False), {"use_force_dependent_shortening_prop_constant": True},
        {"activation_rate_on": False}, {"maintenance_rate_on": False}, {"shortening_rate_on": False},
        {"mechanical_work_rate_on": False, "basal_coefficient": 1.5},
        {"include_negative_mechanical_work": False, "basal_rate_on": False}, {"forbid_negative_total_power": False},
        {"muscle_effort_scaling_factor": 0.5, "use_force_dependent_shortening_prop_constant": True},
    ],
}  # fmt: skip


def theirs(
    folder: Path, model: Path, solution: RedundancySolution, cases: list[tuple[str, dict[str, Any], dict[str, Any]]]
) -> list[np.ndarray]:
    """Rates (T, M + 2) of OpenSim's probes: of the muscles, basal and total."""
    motion = solution.problem.kinematics
    assert motion is not None
    excitation = getattr(solution, "excitation", solution.activation)
    states = {
        "time": solution.time, "coordinates": motion.coordinates, "value": motion.value, "speed": motion.speed,
        "muscles": solution.problem.muscles, "activation": solution.activation, "excitation": excitation,
        "fiber_length": values(solution, "fiber_length"), **tendon_states(solution),
    }  # fmt: skip
    np.savez(folder / "states.npz", **states)
    told = [
        {
            "class": CLASSES[probe], "muscles": muscles,
            "properties": {name.replace("bhargava", "Bhargava"): value for name, value in switches.items()},
        }
        for probe, switches, muscles in cases
    ]  # fmt: skip
    (folder / "cases.json").write_text(json.dumps(told), encoding="utf-8")
    words = [model, *(folder / name for name in ("states.npz", "cases.json", "rates.npz"))]
    run_script(HERE / "metabolic_oracle.py", *words, cwd=folder)
    with np.load(folder / "rates.npz") as found:
        rates = [found[str(number)] for number in range(len(cases))]
    return [np.hstack([rate[:, 2:], rate[:, [1, 0]]]) for rate in rates]


def compare(folder: Path, model: Path, solution: RedundancySolution, keep: list[str] | None = None) -> None:
    """All switches of both probes; slow-twitch shares, specific tension and masses that differ between muscles.

    States in which the speed of a fibre is not known (slack tendon) are left out; they are few.
    """
    known = np.isfinite(values(solution, "fiber_velocity"))
    assert known.mean() > 0.99
    known = np.hstack([known, np.ones((len(known), 1), dtype=bool), known.all(axis=1, keepdims=True)])
    first, second = solution.problem.muscles[:2]
    slow, mass = {first: 0.2, second: 0.9}, {second: 0.7}
    own = {name: {"ratio_slow_twitch_fibers": share, "specific_tension": 3e5} for name, share in slow.items()}
    own[second] |= {"use_provided_muscle_mass": True, "provided_muscle_mass": 0.7}
    cases = [(probe, switches, {}) for probe, known in SWITCHES.items() for switches in known]
    cases += [(probe, {}, own) for probe in CLASSES]
    tension = {first: 3e5, second: 3e5}
    given: list[dict[str, Any]] = [{}] * (len(cases) - 2)
    given += [{"slow_twitch": slow, "specific_tension": tension, "muscle_mass": mass}] * 2
    for case, options, found in zip(cases, given, theirs(folder, model, solution, cases), strict=True):
        rate = osimopt.metabolic_rate(solution, case[0], **options, **case[1])  # type: ignore[arg-type]
        assert list(rate.columns) == [*solution.problem.muscles, "basal", "total"]
        assert np.isfinite(found).all()
        off, size = np.where(known, np.abs(rate.to_numpy() - found), 0.0).max(axis=0), np.abs(found).max(axis=0)
        chosen = slice(None) if keep is None else np.isin(rate.columns, keep)
        assert (off <= AGREES * size + SMALL * size[-1])[chosen].all(), f"{case}: {off / size}"


@pytest.fixture(scope="module")
def flexion(arm: Example) -> RedundancyProblem:
    return osimopt.load_problem(arm.model, arm.motion, time_range=(0.0, 0.9), geometry="opensim")


def test_probes_of_opensim_on_equilibria_of_thelen_muscles(
    arm: Example, flexion: RedundancyProblem, tmp_path: Path
) -> None:
    solution = solve_static(flexion, tendon="compliant")
    speed = values(solution, "fiber_velocity")
    assert (speed < -1e-3).any()
    assert (speed > 1e-3).any(), "shortening and lengthening"
    compare(tmp_path, Path(arm.model), solution)


@pytest.mark.slow
def test_dynamic_solutions_of_degroote_muscles(sliding: Path, tmp_path: Path) -> None:  # noqa: F811
    """Excitations differ from activations; passive force and damping."""
    model = sliding / "DeGrooteFregly2016Muscle.osim"
    solution = solve_dynamic(pulling(sliding, model.name), mesh_interval=0.1)
    assert np.abs(solution.excitation - solution.activation).max() > 0.01
    compare(tmp_path, model, solution)


@pytest.mark.slow
def test_rigid_tendons_of_millard_muscles(sliding: Path, tmp_path: Path) -> None:  # noqa: F811
    """Of undamped ones: the passive force of the solution is OpenSim's without damping."""
    model = sliding / "Millard2012EquilibriumMuscle.osim"
    solution = activated(pulling(sliding, model.name, gain="corrected", passive_force=True))
    compare(tmp_path, model, solution, [f"Millard2012EquilibriumMuscle_{index}" for index in (4, 5)])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_walk(real_data: Path, tmp_path: Path) -> None:
    """Body mass of a whole model; loops of bodies, welded joints."""
    folder = real_data / "walk_18muscles"
    model = folder / "subject_walk_armless_18musc.osim"
    given = {"external_loads": folder / "external_loads.xml", "time_range": (0.5, 0.8), "lowpass_hz": 6.0}
    problem = osimopt.load_problem(model, folder / "coordinates.mot", **given, geometry="opensim")
    solution = solve_static(problem, tendon="compliant", on_failure="return")
    compare(tmp_path, model, solution)


# ------------------------------------------------------------------------------------------- closed forms and arguments


def test_an_isometric_muscle_at_full_activation() -> None:
    """Umberger: 1.5 (128 (1 - r) + 25) W/kg; Bhargava: r (40 + 74) + (1 - r)(133 + 111) W/kg at optimal length."""
    effort = Effort(*(np.array([value]) for value in (1.0, 1.0, 1.0, 0.0, 500.0, 0.0, 1.0)))
    for share in (0.0, 0.3, 1.0):
        tissue = Tissue(*(np.array([value]) for value in (0.4, share, 500.0, 0.1, 10.0)))
        umberger = Umberger2010(use_bhargava_recruitment_model=False).rate(effort, tissue)
        assert umberger[0] == pytest.approx(0.4 * 1.5 * (128.0 * (1.0 - share) + 25.0), rel=1e-12)
        bhargava = Bhargava2004().rate(effort, tissue)
        assert bhargava[0] == pytest.approx(0.4 * (share * 114.0 + (1.0 - share) * 244.0), rel=1e-12)


def test_mass_and_mean(flexion: RedundancyProblem) -> None:
    """Doubled density doubles the rate of a muscle at rest; the mean is the integral of the total by time and mass."""
    solution = solve_static(flexion)
    rate = osimopt.metabolic_rate(solution, "bhargava2004", body_mass=2.0)
    assert rate["basal"].unique().tolist() == [2.4]
    np.testing.assert_allclose(rate.iloc[:, :-1].sum(axis=1), rate["total"], rtol=1e-12)
    mean = np.trapezoid(rate["total"], solution.time) / (solution.time[-1] - solution.time[0]) / 2.0
    assert rate.attrs["mean_W_per_kg"] == pytest.approx(mean, rel=1e-12)
    still = {"shortening_rate_on": False, "mechanical_work_rate_on": False, "forbid_negative_total_power": False}
    once, twice = (osimopt.metabolic_rate(solution, "bhargava2004", density=d, **still) for d in (1000.0, 2000.0))
    np.testing.assert_allclose(twice.iloc[:, :6], 2.0 * once.iloc[:, :6], rtol=1e-12)
    shown = solution.to_dataframe("metabolic_rate")
    np.testing.assert_array_equal(shown, osimopt.metabolic_rate(solution)[shown.columns])


@pytest.mark.parametrize(
    "wrong", [{"specific_tension": 25.0}, {"specific_tension": {"BIClong": 0.25}}, {"density": 1.06}]
)
def test_numbers_in_other_units_are_refused(flexion: RedundancyProblem, wrong: dict[str, Any]) -> None:
    """25 N/cm² read as N/m² would make an arm use 300 kW."""
    with pytest.raises(InputError, match=r"specific_tension from .*250000|density from .*kg/m³"):
        osimopt.metabolic_rate(solve_static(flexion), **wrong)


def test_a_folder_is_no_solution() -> None:
    with pytest.raises(InputError, match=r"a solution of solve_static.*metabolic_rate\.sto"):
        osimopt.metabolic_rate("results")  # type: ignore[arg-type]


def test_failed_frames_and_slack_tendons(flexion: RedundancyProblem) -> None:
    solution = solve_static(flexion)
    lost = replace(solution, activation=np.where(np.arange(len(flexion))[:, None] == 3, np.nan, solution.activation))
    rate = osimopt.metabolic_rate(lost)
    assert rate.iloc[3].isna().all()
    assert rate.drop(index=rate.index[3]).notna().all(axis=None)
    assert np.isnan(rate.attrs["mean_W_per_kg"])


def test_wrong_arguments(flexion: RedundancyProblem) -> None:
    solution = solve_static(flexion)
    arrays = solve_static(RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], 12.0))
    massless = replace(solution, problem=replace(flexion, provenance={}))
    for what, options, words in (
        (solution, {"probe": "moco"}, "umberger2010"), (solution, {"basal": True}, "basal_rate_on"),
        (solution, {"slow_twitch": 1.2}, "0 to 1"), (solution, {"slow_twitch": {"soleus": 0.5}}, "soleus"),
        (solution, {"muscle_mass": {"BRA": 0.0}}, "above 0"), (solution, {"aerobic_factor": True}, "finite number"),
        (arrays, {}, "read from a model"), (massless, {}, "body mass"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            osimopt.metabolic_rate(what, **options)  # type: ignore[arg-type]
    assert np.isfinite(osimopt.metabolic_rate(massless, basal_rate_on=False)["total"]).all()
