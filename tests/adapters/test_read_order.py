"""A file's own <defaults> say nothing of other files: the same numbers in any order of reading, in one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import HERE

import osimopt
from osimopt import isolation

Array = np.ndarray
Read = Callable[[], Array]

#: What `other` and the sets change for every class that `plain` leaves to OpenSim's own defaults.
DEFAULTS = """<defaults>
<Millard2012EquilibriumMuscle name="default"><max_contraction_velocity>4</max_contraction_velocity>
<fiber_damping>0.5</fiber_damping><ActiveForceLengthCurve name="default"><min_norm_active_fiber_length>0.7
</min_norm_active_fiber_length></ActiveForceLengthCurve><TendonForceLengthCurve name="default">
<strain_at_one_norm_force>0.12</strain_at_one_norm_force></TendonForceLengthCurve></Millard2012EquilibriumMuscle>
<Thelen2003Muscle name="default"><KshapeActive>1.5</KshapeActive><FmaxTendonStrain>0.12</FmaxTendonStrain>
<max_contraction_velocity>4</max_contraction_velocity></Thelen2003Muscle>
<DeGrooteFregly2016Muscle name="default"><active_force_width_scale>2</active_force_width_scale>
<tendon_strain_at_one_norm_force>0.12</tendon_strain_at_one_norm_force></DeGrooteFregly2016Muscle>
</defaults>"""
#: Of the largest number of a table, the least that these defaults change.
CHANGED = 0.02
#: Relative, and absolute where there is nothing: equilibria of a model that was written once more, in fewer digits.
SAME, NOTHING = 1e-7, 1e-9

BUILD = """
import sys
from pathlib import Path
import model_zoo
folder, defaults = Path(sys.argv[1]), sys.argv[2]
model_zoo.CASES["plain"] = model_zoo.muscles
zoo = model_zoo.CASES["plain"]()
zoo.loads = ("shank", (5.0, 20.0, -3.0), (0.1, -0.8, 0.05))
zoo.finish("plain").printToXML(str(folder / "plain.osim"))
model_zoo.write_motion(folder / "plain.mot", zoo, degrees=False)
model_zoo.write_loads(folder, "plain", zoo)
"""
LIVE = """
import json
import sys
import opensim
import osimopt
opensim.Logger.setLevelString("off")
opensim.Logger.removeFileSink()
early = opensim.Model(sys.argv[1])
early.finalizeConnections()
other = opensim.Model(sys.argv[2])
other.finalizeConnections()
late = opensim.Model(sys.argv[1])
late.finalizeConnections()
order = {"early": early, "other": other, "late": late, "again": early}
print(json.dumps({name: osimopt.muscle_table(model, "knee", n=4).to_numpy().tolist() for name, model in order.items()}))
"""


def script(text: str, *arguments: object, cwd: Path) -> str:
    environment = {**os.environ, "LD_LIBRARY_PATH": "", "PYTHONPATH": str(HERE)}
    command = [sys.executable, "-c", text, *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plain.osim, and the same with <defaults>: other.osim, other_loads.xml, other_set.xml."""
    place = tmp_path_factory.mktemp("order")
    script(BUILD, place, DEFAULTS, cwd=place)
    plain = (place / "plain.osim").read_text()
    (place / "other.osim").write_text(plain.replace('<Model name="plain">', f'<Model name="other">{DEFAULTS}'))
    loads = (place / "plain_loads.xml").read_text()
    name = '<ExternalLoads name="loads">'
    (place / "other_loads.xml").write_text(loads.replace(name, name + DEFAULTS))
    muscle = plain[plain.index('<Millard2012EquilibriumMuscle name="knee_') :]
    end = "</Millard2012EquilibriumMuscle>"
    muscle = muscle[: muscle.index(end) + len(end)].replace('name="knee_', 'name="added_', 1)
    (place / "other_set.xml").write_text(
        f'<?xml version="1.0" encoding="UTF-8" ?>\n<OpenSimDocument Version="40600"><ForceSet name="set">{DEFAULTS}'
        f"<objects>{muscle}</objects></ForceSet></OpenSimDocument>\n"
    )
    return place


@pytest.fixture(scope="module")
def reads(folder: Path) -> dict[str, Read]:
    """By what is read: the numbers that come of it."""

    def table(name: str) -> Array:
        return np.asarray(osimopt.muscle_table(folder / name, "knee", n=4, geometry="opensim").to_numpy())

    def problem(loads: str | None = None, sets: tuple[Path, ...] = ()) -> Array:
        found = osimopt.load_problem(
            folder / "plain.osim", folder / "plain.mot", None if loads is None else folder / loads, force_sets=sets,
            time_range=(0.24, 0.28), reserves=None, n_jobs=1, geometry="opensim",
        )  # fmt: skip
        return np.hstack([found.max_force, found.generalized_force])

    return {
        "plain": lambda: table("plain.osim"),
        "other": lambda: table("other.osim"),
        "problem": problem,
        "plain loads": lambda: problem("plain_loads.xml"),
        "other loads": lambda: problem("other_loads.xml"),
        "other set": lambda: problem(None, (folder / "other_set.xml",)),
    }


@pytest.fixture(scope="module", autouse=True)
def _leave_no_process() -> Iterator[None]:
    yield
    isolation.close("opensim")


@pytest.fixture(scope="module")
def alone(reads: dict[str, Read]) -> Callable[[str], Array]:
    """What comes of each in a process that has read nothing else."""
    known: dict[str, Array] = {}

    def find(name: str) -> Array:
        if name not in known:
            isolation.close("opensim")
            known[name] = reads[name]()
        return known[name]

    return find


@pytest.mark.slow
def test_the_defaults_matter(alone: Callable[[str], Array]) -> None:
    """Or these tests would show nothing."""
    plain, other = alone("plain"), alone("other")
    assert np.abs(other - plain).max() > CHANGED * np.abs(plain).max()


@pytest.mark.parametrize(
    "order",
    [
        ("plain", "other", "plain"), ("other", "plain", "other"), ("other set", "plain", "problem"),
        ("problem", "other loads", "plain loads", "other set", "problem", "plain"),
    ],
    ids=" then ".join,
)  # fmt: skip
@pytest.mark.slow
def test_order_does_not_matter(reads: dict[str, Read], alone: Callable[[str], Array], order: tuple[str, ...]) -> None:
    right = {name: alone(name) for name in order}
    isolation.close("opensim")
    for name in order:
        np.testing.assert_array_equal(reads[name](), right[name], err_msg=name)


@pytest.mark.slow
def test_loads_with_defaults_are_the_loads(alone: Callable[[str], Array]) -> None:
    np.testing.assert_array_equal(alone("other loads"), alone("plain loads"))


@pytest.mark.slow
def test_live_models(folder: Path, alone: Callable[[str], Array]) -> None:
    """Models of one session in which a file with <defaults> was read between them.

    What was read before is as it was. What was read after holds the other file's defaults, in OpenSim's hands too: a
    live model is what it holds.
    """
    found = json.loads(script(LIVE, folder / "plain.osim", folder / "other.osim", cwd=folder).splitlines()[-1])
    for name, right in (("early", "plain"), ("again", "plain"), ("other", "other"), ("late", "other")):
        np.testing.assert_allclose(
            np.array(found[name], dtype=float), alone(right), rtol=SAME, atol=NOTHING, err_msg=name
        )
