"""Muscles of deprecated classes, and of others without curves of ours, are replaced; OpenSim judges the forces."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from conftest import HERE, run_script

import osimopt
from osimopt.datasets import Example
from osimopt.muscle.forces import mechanics

#: Share of the maximum isometric force by which equilibrium forces may differ: that of the curves, which is told.
FORCE = {"Schutte1993Muscle_Deprecated": 0.06, "Delp1990Muscle_Deprecated": 0.06, "Thelen2003Muscle_Deprecated": 0.025}
#: Rounding of the sentence, and of the points at which curves are compared.
TOLD = 0.003
#: OpenSim's force–velocity multiplier of these classes at rest.
AT_REST = 1.8 - 1.8 / (1.0 + np.exp(0.04 / 0.18))
SLOW = pytest.mark.slow
#: Degrees of the elbow.
ANGLES = (20.0, 60.0, 100.0)


def old_arm(arm: Example, folder: Path, kind: str) -> Path:
    text = arm.model.read_text().replace("<Thelen2003Muscle ", f"<{kind} ").replace("</Thelen2003Muscle>", f"</{kind}>")
    path = folder / "old.osim"
    path.write_text(text)
    return path


def told(text: str, curve: str) -> float:
    found = re.search(rf"{curve} ([\d.e-]+)[;.]", text)
    assert found is not None
    return float(found[1].rstrip("."))


@pytest.mark.parametrize("kind", [next(iter(FORCE)), *(pytest.param(one, marks=SLOW) for one in list(FORCE)[1:])])
def test_equilibrium_forces_are_those_of_the_old_muscles(arm: Example, tmp_path: Path, kind: str) -> None:
    model = old_arm(arm, tmp_path, kind)
    run_script(HERE / "old_muscles_oracle.py", model, tmp_path / "old.npz", *ANGLES, cwd=tmp_path)
    with pytest.warns(UserWarning, match=f"{kind} was replaced by"):
        table = osimopt.muscle_table(model, "r_elbow_flex", values=ANGLES)
    names = table.columns.get_level_values("muscle").unique()
    forces = table.xs("max_force", axis=1, level="quantity")[names].to_numpy()
    strength = osimopt.load_problem(arm.model, arm.motion, time_range=(0.0, 0.05)).parameters.max_isometric_force
    with np.load(tmp_path / "old.npz") as old:
        assert np.abs((forces - old["forces"] / AT_REST) / strength).max() < FORCE[kind]
    assert kind in table.attrs["warnings"][0]


@SLOW
def test_the_losses_told_are_those_of_the_curves(arm: Example, tmp_path: Path) -> None:
    """Of Delp's muscle, whose four curves OpenSim has as functions."""
    model = old_arm(arm, tmp_path, "Delp1990Muscle_Deprecated")
    run_script(HERE / "old_muscles_oracle.py", model, tmp_path / "old.npz", *ANGLES, cwd=tmp_path)
    with pytest.warns(UserWarning, match=r"BRA\)\. Largest differences of the curves") as said:
        problem = osimopt.load_problem(model, arm.motion, time_range=(0.0, 0.05))
    (text,) = [str(one.message) for one in said]
    assert text.split(": ", 1)[1] in problem.provenance["warnings"][0]
    (muscles,) = mechanics(problem.parameters)
    ours = {"active force–length": muscles.active, "tendon": muscles.tendon, "force–velocity": muscles.velocity}
    ends = {"active force–length": (0.4, 1.7), "tendon": (0.0, 0.032), "force–velocity": (-1.0, 1.0)}
    with np.load(tmp_path / "old.npz") as old:
        curves = ("active_force_length_curve", "tendon_force_length_curve", "force_velocity_curve")
        for (name, curve), given in zip(ours.items(), curves, strict=True):
            x, y = old[given].T
            within = (x >= ends[name][0] - 1e-9) & (x <= ends[name][1] + 1e-9)
            at = np.tile(x[within, None] + (name == "tendon"), (1, len(problem.muscles)))
            worst = float(np.abs(curve.value(at)[:, 0] - y[within]).max())
            assert abs(told(text, name) - worst) < TOLD
    properties = problem.parameters.properties
    assert properties["activation_time_constant"] == pytest.approx(0.1 / (7.667 + 1.459854))
    assert properties["deactivation_time_constant"] == pytest.approx(0.1 / 1.459854)
    assert problem.parameters.max_contraction_velocity == pytest.approx(10.0)


def test_an_old_arm_is_solved_by_every_method(arm: Example, tmp_path: Path) -> None:
    """Also with a minimum control and with groups, as such files have."""
    model = old_arm(arm, tmp_path, "Schutte1993Muscle_Deprecated")
    text = re.sub(r'(<Schutte1993Muscle_Deprecated name="\w+">)', r"\1<min_control>0</min_control>", model.read_text())
    group = '<groups><ObjectGroup name="elbow"><members>BRA TRIlong</members></ObjectGroup></groups></ForceSet>'
    model.write_text(re.sub(r"(<groups */>\s*)?</ForceSet>", group, text))
    with pytest.warns(UserWarning, match="was replaced"):
        problem = osimopt.load_problem(model, arm.motion, time_range=(0.2, 0.4))
    assert problem.lower == pytest.approx(0.01), "the least that OpenSim accepts in the new class"
    ours = osimopt.load_problem(arm.model, arm.motion, time_range=(0.2, 0.4))
    assert problem.muscles == ours.muscles, "in their order"
    assert problem.moment_arm == pytest.approx(ours.moment_arm, abs=1e-12)
    assert osimopt.solve_static(problem).success
    assert osimopt.solve_static(problem, tendon="compliant").success
    assert osimopt.solve_static(osimopt.use_degroote_muscles(problem)).success


@SLOW
def test_an_acceleration_muscle_keeps_its_curves(arm: Example, tmp_path: Path) -> None:
    """Its force is that of OpenSim's own, for muscles without pennation, of which OpenSim's two classes differ."""
    model = old_arm(arm, tmp_path, "Millard2012AccelerationMuscle")
    run_script(HERE / "old_muscles_oracle.py", model, tmp_path / "old.npz", *ANGLES, cwd=tmp_path)
    with pytest.warns(UserWarning, match="Millard2012AccelerationMuscle was replaced"):
        table = osimopt.muscle_table(model, "r_elbow_flex", values=ANGLES, geometry="opensim")
    rigid = table.xs("max_force_rigid", axis=1, level="quantity")[["BIClong", "BICshort", "BRA"]].to_numpy()
    with np.load(tmp_path / "old.npz") as old:
        assert rigid == pytest.approx(old["forces"][:, 3:], rel=1e-6)


@SLOW
def test_meyers_muscles_are_computed_by_opensim(arm: Example, tmp_path: Path) -> None:
    model = old_arm(arm, tmp_path, "MeyerFregly2016Muscle")
    run_script(HERE / "old_muscles_oracle.py", model, tmp_path / "old.npz", *ANGLES, cwd=tmp_path)
    with pytest.warns(UserWarning, match=r"without exact paths, .*no curves of its class MeyerFregly2016Muscle"):
        table = osimopt.muscle_table(model, "r_elbow_flex", values=ANGLES)
    rigid = table.xs("max_force_rigid", axis=1, level="quantity").to_numpy()
    with np.load(tmp_path / "old.npz") as old:
        assert rigid == pytest.approx(old["forces"], rel=1e-9)
    with pytest.warns(UserWarning, match="without exact paths"):
        problem = osimopt.load_problem(model, arm.motion, time_range=(0.2, 0.4), passive_force=True)
    assert osimopt.solve_static(problem).success
