"""The warning about forces that act beside a foot, at the distances where it turns, and on trials that are read."""

from __future__ import annotations

from pathlib import Path

import multibody_cases
import numpy as np
import pytest
from conftest import TwoLeg

import osimopt
from osimopt.adapters.load_places import forces_beside
from osimopt.adapters.loads import read_external_loads
from osimopt.paths.description import Path as MusclePath
from osimopt.paths.description import Paths
from osimopt.problem.arrays import Kinematics

#: Half the length and half the width of a sole in m, around a rod of which another hangs.
LONG, WIDE = 0.1, 0.04
ROD = multibody_cases.chain([0.5, 0.2, 0.1])
TIME = np.arange(5) / 100.0
SHARE = np.array([0.0, 0.2, 1.0, 0.5, 0.0])
XML = """<OpenSimDocument Version="40000"><ExternalLoads><objects><ExternalForce name="plate">
<applied_to_body>{body}</applied_to_body><force_identifier>v</force_identifier><point_identifier>p</point_identifier>
<torque_identifier>t</torque_identifier></ExternalForce></objects><datafile>grf.sto</datafile></ExternalLoads>
</OpenSimDocument>"""


def sole() -> Paths:
    corners = np.array([[x, -0.1, z] for x in (-LONG, LONG) for z in (-WIDE, WIDE)])
    none, three = np.full(4, -1), np.full((4, 3), -1)
    path = MusclePath("soleus", np.full(4, 2), corners, none, np.zeros((4, 2)), three, three, ())
    return Paths((), (path,), (), {})


def found(folder: Path, place: np.ndarray, torque: np.ndarray | None = None, body: str = "rod1") -> list[str]:
    """Warnings about a vertical force of SHARE at places (T, 3) in ground on the second rod."""
    force = 800.0 * SHARE[:, None] * [[0.0, 1.0, 0.0]]
    values = np.hstack([force, place, np.zeros((5, 3)) if torque is None else torque])
    labels = [f"{kind}{axis}" for kind in "vpt" for axis in "xyz"]
    rows = "\n".join("\t".join(map(str, row)) for row in np.column_stack([TIME, values]).tolist())
    (folder / "grf.sto").write_text(f"grf\nnRows=5\nnColumns=10\nendheader\ntime\t{chr(9).join(labels)}\n{rows}\n")
    (folder / "loads.xml").write_text(XML.format(body=body))
    still = np.zeros((5, 3))
    motion = Kinematics(TIME, ROD.coordinates, still, still, still)
    return forces_beside(motion, ROD, sole(), read_external_loads(folder / "loads.xml"))


def at(frame: int, x: float, z: float = 0.0) -> np.ndarray:
    """Places that are in the middle of the sole but in one frame."""
    place = np.tile([0.0, -0.7, 0.0], (5, 1))
    place[frame] = [x, -0.7, z]
    return place


@pytest.mark.parametrize(("frame", "limit"), [(1, 0.02 + 0.02), (2, 0.02 + 0.004), (3, 0.02 + 0.008)])
def test_a_force_may_act_4_mm_beyond_a_sole_of_2_cm_and_farther_where_it_is_small(
    tmp_path: Path, frame: int, limit: float
) -> None:
    for side in (-1.0, 1.0):
        assert found(tmp_path, at(frame, side * (LONG + limit - 2e-4))) == []
        (text,) = found(tmp_path, at(frame, side * (LONG + limit + 2e-4)))
        assert f"acts {1e3 * limit:.0f} mm outside of 'rod1' at {TIME[frame]:.4g} s" in text
        assert found(tmp_path, at(frame, 0.0, side * (WIDE + limit - 2e-4))) == []
        assert found(tmp_path, at(frame, 0.0, side * (WIDE + limit + 2e-4)))


def test_neither_height_nor_reference_point_nor_idle_frames_count(tmp_path: Path) -> None:
    turned = np.cross([0.5, 0.0, 0.0], 800.0 * SHARE[:, None] * [[0.0, 1.0, 0.0]])
    places = np.tile([-0.5, -3.0, 0.0], (5, 1))
    assert found(tmp_path, places)
    assert found(tmp_path, places, turned) == []  # the same wrench as in the middle of the sole
    assert found(tmp_path, at(2, 0.0) - [0.0, 3.0, 0.0]) == []
    assert found(tmp_path, at(0, 5.0)) == []


def test_a_body_without_another_beyond_it_is_not_judged(tmp_path: Path) -> None:
    assert found(tmp_path, at(2, 0.5))
    assert found(tmp_path, at(2, 0.5), body="rod2") == []


@pytest.mark.slow
def test_feet_that_are_exchanged(two_leg: TwoLeg, tmp_path: Path) -> None:
    """The feet of the model have four points each."""

    def beside(loads: Path) -> list[str]:
        problem = osimopt.load_problem(two_leg.model, two_leg.motion, loads, time_range=(0.2, 0.5))
        return [text for text in problem.provenance["warnings"] if "outside of 'foot" in text]

    assert beside(two_leg.loads) == []
    text = two_leg.loads.read_text().replace("foot_r", "other").replace("foot_l", "foot_r").replace("other", "foot_l")
    (tmp_path / "grf.mot").write_bytes(two_leg.grf.read_bytes())
    (tmp_path / "loads.xml").write_text(text)
    assert beside(tmp_path / "loads.xml")


@pytest.mark.slow
@pytest.mark.parametrize(("trial", "said"), [("ss1", False), ("ss3", True)])
def test_a_foot_that_stands_beside_another_on_a_plate(real_data: Path, trial: str, said: bool) -> None:
    """In ss3 the right forefoot stands on the left foot's plate; its markers show that."""
    folder = real_data / "knee_implant"
    if not folder.is_dir():
        pytest.skip("no knee_implant in the data folder")
    files = folder / f"GC5_{trial}.mot", folder / f"GC5_{trial}_loads.xml"
    problem = osimopt.load_problem(folder / "GC5.osim", *files, lowpass_hz=6, lowpass_loads_hz="motion")
    assert any("outside of 'calcn_l'" in text for text in problem.provenance["warnings"]) is said
