"""Findings on frequencies, each at the value where it turns, and on a motion that is read."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import TwoLeg

import osimopt
from osimopt.adapters.bandwidth import moments_above, remarks
from osimopt.adapters.loads import ExternalLoads
from osimopt.adapters.options import ReadOptions
from osimopt.problem.arrays import Coordinate, GeneralizedForce, Kinematics

#: s; ten whole periods of 1 Hz at 200 Hz.
TIME = np.arange(2000) / 200.0
MODEL: Any = SimpleNamespace(
    description=SimpleNamespace(
        coordinates=[
            Coordinate("knee", "knee", "free", True, 0.0, (-2.0, 2.0)),
            Coordinate("pelvis_ty", "base", "free", False, 0.0, (-2.0, 2.0), floating=True),
        ]
    )
)


def sine(hertz: float, size: float = 1.0) -> np.ndarray:
    return np.asarray(size * np.sin(2.0 * np.pi * hertz * TIME))


def options(**given: Any) -> ReadOptions:
    return ReadOptions("model.osim", "walk.mot", **given)


def moving(angle: np.ndarray) -> Kinematics:
    value = np.column_stack([angle, np.zeros_like(angle)])
    return Kinematics(TIME, ("knee", "pelvis_ty"), value, 0.0 * value, 0.0 * value)


def loads(folder: Path, force: np.ndarray, body: str = "foot") -> ExternalLoads:
    inside = f"<applied_to_body>{body}</applied_to_body><force_identifier>v</force_identifier>"
    path = folder / "loads.xml"
    path.write_text(
        f'<ExternalLoads><objects><ExternalForce name="one">{inside}</ExternalForce></objects></ExternalLoads>'
    )
    table = pd.DataFrame(np.outer(force, [0.0, 1.0, 0.0]), index=TIME, columns=["vx", "vy", "vz"])
    return ExternalLoads(path, path, (TIME[0], TIME[-1]), table, {"force": (("vx", "vy", "vz"),), "torque": ()})


def said(found: list[str], words: str) -> list[str]:
    return [text for text in found if words in text]


@pytest.mark.parametrize(("share", "found"), [(0.049, False), (0.051, True)])
def test_loads_may_have_5_percent_of_their_peak_above_the_motion(tmp_path: Path, share: float, found: bool) -> None:
    given = loads(tmp_path, 1000.0 * (1.0 - share) + sine(50.0, 1000.0 * share))
    asked = options(external_loads=given.path, lowpass_hz=6.0)
    texts = said(remarks(asked, TIME, moving(sine(1.0)).frames(slice(200, 1800)), MODEL, given, None), "the loads")
    assert len(texts) == found
    if found:
        for words in ("at 6 Hz, the loads are not filtered", "'one' on foot (5.1", "lowpass_loads_hz='motion'"):
            assert words in texts[0]


@pytest.mark.parametrize(
    ("asked", "body", "advice"),
    [
        ({"lowpass_hz": 6.0}, "foot", [True]),
        ({"lowpass_hz": 6.0, "lowpass_loads_hz": 12.0}, "foot", [False]),
        ({"lowpass_hz": 6.0, "lowpass_loads_hz": "motion"}, "foot", []),
        ({"lowpass_hz": 30.0}, "foot", []),
        ({}, "foot", []),
        ({"lowpass_hz": 6.0}, "ground", []),
    ],
)
def test_no_advice_that_was_followed(tmp_path: Path, asked: dict[str, Any], body: str, advice: list[bool]) -> None:
    """There is no warning about forces on ground, nor where the motion has no cutoff."""
    given = loads(tmp_path, 900.0 + sine(10.0, 100.0), body)
    read = options(external_loads=given.path, **asked)
    texts = said(remarks(read, TIME, moving(sine(1.0)).frames(slice(400, 1600)), MODEL, given, None), "joint moments")
    assert ["lowpass_loads_hz" in text for text in texts] == advice


@pytest.mark.parametrize(("share", "found"), [(0.099, False), (0.101, True)])
def test_moments_may_have_10_percent_of_their_variance_above(share: float, found: bool) -> None:
    size = 20.0
    moment = sine(1.0, size * np.sqrt(1.0 - share)) + sine(50.0, size * np.sqrt(share))
    given = GeneralizedForce(TIME, ("pelvis_ty", "knee"), np.column_stack([sine(50.0, 300.0), moment]))
    asked = options(generalized_force="id.sto", lowpass_hz=6.0)
    texts = moments_above(asked, moving(sine(1.0)), MODEL, given, given=True)
    assert len(texts) == found
    if found:
        assert "above 6 Hz, at which the motion is low-passed: knee (10.1 %). Use the same cutoff" in texts[0]
        assert "pelvis_ty" not in texts[0], "no muscle acts there"


@pytest.mark.parametrize(("size", "found"), [(0.44, False), (0.46, True)])
def test_moments_below_1_newton_metre_are_noise(size: float, found: bool) -> None:
    """The variance counts as that of 1 N·m at least: 10 % of it is that of a sine of 0.447 N·m."""
    given = GeneralizedForce(TIME, ("knee",), sine(50.0, size)[:, None])
    asked = options(generalized_force="id.sto", lowpass_hz=6.0)
    assert bool(moments_above(asked, moving(sine(1.0)), MODEL, given, given=True)) == found


@pytest.mark.parametrize(("hertz", "found"), [(8.5, False), (9.5, True)])
@pytest.mark.parametrize("given", [True, False])
def test_without_a_cutoff_3_times_the_highest_frequency_of_the_motion(hertz: float, found: bool, given: bool) -> None:
    """A motion of 3 Hz, by Hann's window one bin of 0.1 Hz wider: moments within 9.3 Hz are its own."""
    moments = GeneralizedForce(TIME, ("knee",), (sine(3.0, 20.0) + sine(hertz, 20.0))[:, None])
    asked = options(**({"generalized_force": "id.sto"} if given else {}))
    texts = moments_above(asked, moving(sine(3.0)), MODEL, moments, given=given)
    assert bool(texts) == found
    if texts:
        assert ("lowpass_moments_hz" in texts[0]) == given
        assert "give lowpass_hz" in texts[0]


@pytest.mark.parametrize(("share", "cutoff"), [(0.0029, "3.3 Hz"), (0.0031, "14.7 Hz")])
def test_the_highest_frequency_has_997_thousandths_of_the_variance_below_it(share: float, cutoff: str) -> None:
    angle = sine(1.0, np.sqrt(1.0 - share)) + sine(5.0, np.sqrt(share))
    moments = GeneralizedForce(TIME, ("knee",), sine(50.0, 20.0)[:, None])
    (text,) = moments_above(options(), moving(angle), MODEL, moments, given=False)
    assert f"above {cutoff}, 3 times the highest frequency" in text


def test_moments_of_a_filtered_motion_are_judged_by_its_loads() -> None:
    moments = GeneralizedForce(TIME, ("knee",), sine(50.0, 20.0)[:, None])
    assert moments_above(options(lowpass_hz=6.0), moving(sine(1.0)), MODEL, moments, given=False) == []


@pytest.mark.parametrize(
    ("cutoff", "first", "last", "words"),
    [
        (5.0, 41, 1958, None),
        (5.0, 39, 1958, "Frames before 0.2 s are within"),
        (5.0, 41, 1960, "Frames after 9.795 s are within"),
        (5.0, 0, 1999, "Frames before 0.2 s and after 9.795 s are within a period of the low-pass (5 Hz)"),
        (
            0.15,
            900,
            1000,
            "of the motion. Accelerations and moments there depend on the padding",
        ),
        (None, 0, 1999, None),
    ],
)
def test_edges_are_a_period_of_the_cutoff(cutoff: float | None, first: int, last: int, words: str | None) -> None:
    motion = moving(sine(1.0)).frames(slice(first, last + 1))
    texts = remarks(options(lowpass_hz=cutoff), TIME, motion, MODEL, None, None)
    assert len(texts) == (words is not None)
    if words is not None:
        assert words in texts[0]
        inside = f"time_range=({max(0.2, TIME[first]):.4g}, {min(9.795, TIME[last]):.4g}) leaves them out"
        assert (inside in texts[0]) == (cutoff == 5.0)


def test_the_edges_of_loads_count_too(tmp_path: Path) -> None:
    given = loads(tmp_path, 900.0 + 0.0 * TIME)
    asked = options(external_loads=given.path, lowpass_hz=5.0, lowpass_loads_hz=4.0)
    motion = moving(sine(1.0)).frames(slice(45, 1000))
    (text,) = remarks(asked, TIME, motion, MODEL, given, None)
    assert "Frames before 0.25 s are within a period of the low-pass (4 Hz) from an end of the loads" in text


def test_a_motion_with_noise_is_named(two_leg: TwoLeg, tmp_path: Path) -> None:
    """Noise of 0.1 degrees makes moments of inverse dynamics."""
    table = osimopt.read_table(two_leg.motion)
    noise = np.random.default_rng(5).normal(0.0, 0.1, len(table))
    table["hip_flexion_r"] += noise
    path = osimopt.files.storage.write_table(table, tmp_path / "motion.mot", in_degrees=True)
    problem = osimopt.load_problem(two_leg.model, path, two_leg.loads, time_range=(0.1, 0.8))
    (text,) = said(problem.provenance["warnings"], "of the variance of these moments lies above")
    assert "hip_flexion_r (" in text
    assert osimopt.solve_static(problem, on_failure="return").findings().count(text) == 1
    part = osimopt.load_problem(two_leg.model, path, two_leg.loads, time_range=(0.1, 0.8), coordinates="knee_angle_l")
    assert "hip_flexion_r (" not in " ".join(said(part.provenance["warnings"], "of the variance lies above"))
