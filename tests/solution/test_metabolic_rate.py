"""Metabolic rates against OpenSim's probes in the same states, and closed forms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HERE, run_script
from test_quantities import activated, pulling, sliding, tendon_states, values  # noqa: F401

import osimopt
from osimopt import RedundancyProblem, RedundancySolution, solve_static
from osimopt.datasets import Example

#: Of a muscle's largest rate.
AGREES = 1e-6
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


def compare(folder: Path, model: Path, solution: RedundancySolution) -> None:
    """All switches of both probes; slow-twitch shares, specific tension and masses that differ between muscles."""
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
        known = np.isfinite(found)
        assert known.all()
        off = np.abs(rate.to_numpy() - found).max(axis=0)
        assert (off <= AGREES * np.abs(found).max(axis=0) + 1e-9).all(), f"{case}: {off / np.abs(found).max(axis=0)}"


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
