"""A body that does not move carries its weight: closed forms of joint reactions, on a model of 80 muscles."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import osimopt
from osimopt.problem.reactions import reactions_of

G = 9.80665
#: m/s², and N of a body: what is left of derivatives of a constant motion by splines.
REST = 1e-6
#: By joint: the bodies that hang on it.
BELOW = {
    "walker_knee_l": ("tibia_l", "talus_l", "calcn_l", "toes_l"),
    "ankle_l": ("talus_l", "calcn_l", "toes_l"),
    "subtalar_l": ("calcn_l", "toes_l"),
    "hip_l": ("femur_l", "patella_l", "tibia_l", "talus_l", "calcn_l", "toes_l"),
    "back": ("torso",),
}


@pytest.mark.slow
def test_joints_carry_what_hangs_on_them(real_data: Path) -> None:
    """Without muscle force a joint holds the weight below it, at its centre of mass; with it, what muscles add."""
    folder = real_data / "knee_implant"
    motion = osimopt.read_table(folder / "GC5_ss1.mot")
    still = pd.DataFrame(np.repeat(motion.to_numpy()[40:41], 60, axis=0), np.arange(60) / 100.0, motion.columns)
    still.attrs["in_degrees"] = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        problem = osimopt.load_problem(folder / "GC5.osim", still, coordinates="left")
    text = (folder / "GC5.osim").read_text()
    mass = {name: float(m) for name, m in re.findall(r'<Body name="(\w+)">.*?<mass>([^<]+)</mass>', text, re.DOTALL)}
    found = reactions_of(problem, tuple(BELOW))
    for joint, bodies in BELOW.items():
        force = found.constant[:, found.number(joint), :3]
        weight = G * sum(mass[name] for name in bodies)
        assert np.abs(force - [0.0, weight, 0.0]).max() < REST * weight, joint
    assert abs(found.body_weight - G * sum(mass.values())) < REST * found.body_weight
    solution = osimopt.solve_static(problem, on_failure="return")
    child, parent = (
        solution.joint_reactions(["walker_knee_l"], on=on, frame="ground").to_numpy()[:, :3]
        for on in ("child", "parent")
    )
    assert np.abs(child + parent).max() < REST * np.abs(child).max(), "action is minus reaction"
    assert np.abs(child).max() > G * mass["tibia_l"], "muscles press the knee"
