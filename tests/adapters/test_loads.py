"""External loads: counted once, and as the file is now."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from conftest import TwoLeg

import osimopt
from osimopt import isolation
from osimopt.adapters.loads import read_external_loads
from osimopt.files.storage import read_table, write_table


@pytest.fixture
def trial(two_leg: TwoLeg, tmp_path: Path) -> TwoLeg:
    """A copy of the two-leg files that a test may change."""
    for path in two_leg.folder.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    return TwoLeg(tmp_path)


def vertical(trial: TwoLeg, model: Path | None = None) -> np.ndarray:
    problem = osimopt.load_problem(model or trial.model, trial.motion, trial.loads, time_range=(0.3, 0.35))
    return problem.generalized_force[:, problem.coordinates.index("pelvis_ty")]


def test_loads_changed_on_disk_are_read_again(trial: TwoLeg) -> None:
    before = vertical(trial)
    table = read_table(trial.grf)
    write_table(table * 0.0, trial.grf)
    after = vertical(trial)
    body_weight = 9.81 * 73.8
    assert np.abs(after - before).min() > 0.3 * body_weight, "the ground no longer carries the body"


@pytest.mark.parametrize("switch", ["<appliesForce>false</appliesForce>", "<isDisabled>true</isDisabled>"])
def test_a_force_that_is_switched_off_is_named(trial: TwoLeg, switch: str) -> None:
    text, start = trial.loads.read_text(), '<ExternalForce name="grf_l">'
    trial.loads.write_text(re.sub("<appliesForce>.*?</appliesForce>", "", text).replace(start, start + switch))
    with pytest.warns(UserWarning, match=r"external_loads\.xml: grf_l switched off \(appliesForce false\)"):
        read_external_loads(trial.loads)


def test_a_force_without_a_point_is_named(trial: TwoLeg) -> None:
    text, point = trial.loads.read_text(), "<point_identifier>ground_force_r_p</point_identifier>"
    assert point in text
    trial.loads.write_text(text.replace(point, "<point_identifier/>"))
    with pytest.warns(UserWarning, match=r"no point_identifier for grf_r \(on .+\): .* origin of the body"):
        read_external_loads(trial.loads)


def test_kinematics_of_the_loads_are_said_not_to_be_used(trial: TwoLeg) -> None:
    """OpenSim says so while it loads the file, which may never happen here."""
    extra = "<external_loads_model_kinematics_file>ik.mot</external_loads_model_kinematics_file></ExternalLoads>"
    trial.loads.write_text(trial.loads.read_text().replace("</ExternalLoads>", extra))
    with pytest.warns(UserWarning, match="external_loads_model_kinematics_file is not used"):
        read_external_loads(trial.loads)


def test_loads_in_the_model_and_beside_it_are_refused(trial: TwoLeg) -> None:
    """They would count twice."""
    text = trial.model.read_text()
    inside = "<applied_to_body>foot_r</applied_to_body><force_identifier>f</force_identifier>"
    own = f'<ExternalForce name="mine">{inside}</ExternalForce>'
    start = text.index("<ForceSet")
    objects = text.index("<objects>", start) + len("<objects>")
    trial.model.write_text(text[:objects] + own + text[objects:])
    with pytest.raises(osimopt.ModelError, match=r"external loads in it, got mine\. .*twice"):
        vertical(trial)


def test_a_worker_that_died_while_idle_is_replaced() -> None:
    def pid() -> int:
        found: int = isolation.run("opensim", "os:getpid", subject="the worker")
        return found

    first = pid()
    os.kill(first, signal.SIGKILL)
    with contextlib.suppress(osimopt.ModelError):  # the call that finds it dead may be the one that says so
        pid()
    assert pid() != first


def test_welded_joints_stay_in_the_default_pose(two_leg: TwoLeg) -> None:
    """Also where an actuator uses the coordinate, which OpenSim's own welding refuses."""
    with pytest.warns(UserWarning, match=r"ankle_angle_r \(locked\)"):
        welded = osimopt.load_problem(two_leg.model, two_leg.motion, two_leg.loads, weld=("ankle_r",), reserves=None)
    assert "ankle_angle_r" not in welded.coordinates
    assert osimopt.solve_static(welded, on_failure="return").solved.any()
