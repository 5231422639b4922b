"""A muscle over two wrap objects in OpenSim: its length is wrong, its moment arm is used, and no polynomial is fitted.

All of it is asked for by geometry="opensim"; ``test_exact.py`` has the exact path of the same muscle.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HERE, run_script

import osimopt
from osimopt import ModelError, PolynomialGeometry, fit_geometry, load_problem, solve_dynamic, solve_static
from osimopt.surrogate.geometry import GeometrySurrogate
from osimopt.surrogate.geometry_training import OPTIONS
from osimopt.training.geometry_network import fit_geometry_network

#: m; how far OpenSim's tension arm may be from the slope of the length through its points (it is 0.4 mm), and the
#: tolerance of the fit.
RIGHT, TOLERANCE = 5e-4, 1e-4
#: m; tension arms against OpenSim's computeMomentArm.
SAME = 1e-8
#: m; largest error of a polynomial along a motion, of one with an rms of TOLERANCE.
PEAK = 10.0 * TOLERANCE
POSTURES = 128

LEFT = "Left to OpenSim's own paths, as -dl/dq of the length is off the moment arm by up to: gastrocnemius"


@dataclass(frozen=True)
class Knee:
    folder: Path
    said: dict[str, np.ndarray]

    @property
    def model(self) -> Path:
        return self.folder / "knee.osim"

    @property
    def motion(self) -> Path:
        return self.folder / "extend.mot"


@pytest.fixture(scope="module")
def knee(tmp_path_factory: pytest.TempPathFactory) -> Knee:
    folder = tmp_path_factory.mktemp("knee")
    run_script(HERE / "two_wraps.py", "build", folder, cwd=folder)
    with np.load(folder / "said.npz") as said:
        return Knee(folder, dict(said))


@pytest.fixture(scope="module")
def fitted(knee: Knee) -> PolynomialGeometry:
    with pytest.warns(UserWarning, match=LEFT):
        return fit_geometry(knee.model, [knee.motion], postures=POSTURES, geometry="opensim")


@pytest.fixture(scope="module")
def paths(knee: Knee, fitted: PolynomialGeometry) -> Path:
    fitted.write(knee.folder / "paths.xml")
    return knee.folder / "paths.xml"


def quietly(function: Callable[..., Any], *given: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return function(*given, **options)


def test_the_moment_arm_is_right_and_the_length_is_not(knee: Knee) -> None:
    tension = knee.said["moment_arm"][:, 0]
    assert np.abs(tension - knee.said["by_points"]).max() < RIGHT
    assert np.abs(tension - knee.said["by_length"]).max() > 0.01
    one = np.abs(tension - knee.said["by_length"]) < 1e-5  # where it touches one cylinder only
    assert 0.2 < one.mean() < 0.8


def test_the_muscle_is_left_out_by_name(fitted: PolynomialGeometry, knee: Knee) -> None:
    assert fitted.muscles == ("hamstring",)
    off = np.abs(knee.said["moment_arm"][:, 0] - knee.said["by_length"]).max()
    assert fitted.left["gastrocnemius"] == pytest.approx(off, rel=0.1)  # the fit's range is 10° wider
    table = fitted.to_dataframe()
    assert table.loc["gastrocnemius", "flags"].startswith("Left to OpenSim's path")
    assert np.isnan(table.loc["gastrocnemius", "moment_arm_rms_mm"])
    assert table.loc["hamstring", "flags"] == ""
    assert table.loc["hamstring", ["length_rms_mm", "moment_arm_rms_mm"]].max() < 1e3 * TOLERANCE


def test_the_file_names_it_too(fitted: PolynomialGeometry, paths: Path) -> None:
    assert "gastrocnemius" not in paths.read_text()
    read = PolynomialGeometry.read(paths)
    assert read.left == fitted.left
    assert read.to_dataframe().equals(fitted.to_dataframe())


def test_opensim_keeps_its_path_beside_the_file(knee: Knee, fitted: PolynomialGeometry, paths: Path) -> None:
    run_script(HERE / "two_wraps.py", "replace", knee.folder, paths, cwd=knee.folder)
    with np.load(knee.folder / "replaced.npz") as replaced:
        assert replaced["kinds"].tolist() == ["GeometryPath", "FunctionBasedPath"]
        arms = replaced["moment_arm"]
    motion = np.deg2rad(osimopt.read_table(knee.motion)[["knee_flexion"]].to_numpy())
    own = fitted.evaluate(("knee_flexion",), motion)
    np.testing.assert_allclose(arms[:, 1], own.moment_arm[:, 0, 0], atol=SAME)
    np.testing.assert_allclose(arms[:, 0], knee.said["moment_arm"][:, 0], atol=SAME)


@pytest.mark.slow
@pytest.mark.parametrize("given", ["fitted", "file"])
def test_problems_take_opensims_path_of_it(knee: Knee, fitted: PolynomialGeometry, paths: Path, given: str) -> None:
    geometry: Any = {"fitted": fitted, "file": paths}[given]
    with pytest.warns(UserWarning, match=LEFT) as caught:
        problem = load_problem(knee.model, knee.motion, geometry=geometry)
    assert len(caught) == 1
    named = [line for line in problem.provenance["warnings"] if "gastrocnemius" in line]
    assert any(line.startswith("Fitted to OpenSim's paths: hamstring.") for line in problem.provenance["warnings"])
    assert named == [str(caught[0].message)]
    exact = quietly(load_problem, knee.model, knee.motion, geometry="opensim")
    arms = problem.moment_arm[:, 0]
    np.testing.assert_allclose(arms[:, 0], knee.said["moment_arm"][:, 0], atol=SAME)
    np.testing.assert_allclose(problem.geometry.length[:, 0], knee.said["length"], atol=SAME)
    for name in ("length", "lengthening_speed"):
        np.testing.assert_array_equal(getattr(problem.geometry, name)[:, 0], getattr(exact.geometry, name)[:, 0])
    assert 0.0 < np.abs(arms[:, 1] - knee.said["moment_arm"][:, 1]).max() < PEAK


def test_solutions_of_such_problems(knee: Knee, fitted: PolynomialGeometry) -> None:
    problem = quietly(load_problem, knee.model, knee.motion, geometry=fitted)
    exact = quietly(load_problem, knee.model, knee.motion, geometry="opensim")
    mixed, own = (quietly(solve_static, one, on_failure="return").to_dataframe() for one in (problem, exact))
    # a moment arm that is a fiftieth off in the hamstring changes the shares by less
    assert np.abs(mixed.to_numpy() - own.to_numpy()).max() < 0.02
    there = problem.resample(0.5 * (problem.time[1:] + problem.time[:-1]))
    assert np.abs(there.moment_arm - 0.5 * (problem.moment_arm[1:] + problem.moment_arm[:-1])).max() < TOLERANCE
    solution = quietly(solve_dynamic, problem, tendon="rigid", time_range=(0.2, 0.5), mesh_interval=0.05)
    assert np.isfinite(solution.to_dataframe().to_numpy()).all()


def test_the_finding_blames_the_length(knee: Knee) -> None:
    problem = quietly(load_problem, knee.model, knee.motion, geometry="opensim")
    (line,) = [line for line in problem.provenance["warnings"] if "gastrocnemius" in line]
    assert "OpenSim's length is no integral of its moment arm about knee_flexion" in line
    assert "the length over several wrap objects is wrong by millimetres" in line


def test_networks_leave_it_out_as_well(knee: Knee, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=LEFT):
        trained = fit_geometry_network(
            knee.model, [knee.motion], kind="polynomial", postures=POSTURES, options=OPTIONS, geometry="opensim"
        )
    assert trained.surrogate.muscles == ("hamstring",)
    trained.surrogate.save(tmp_path / "paths")
    surrogate = GeometrySurrogate.load(tmp_path / "paths")
    assert surrogate.left == trained.surrogate.left
    with pytest.warns(UserWarning, match=LEFT):
        problem = load_problem(knee.model, knee.motion, geometry=surrogate)
    np.testing.assert_allclose(problem.moment_arm[:, 0, 0], knee.said["moment_arm"][:, 0], atol=SAME)


def test_a_model_of_such_muscles_alone_is_refused(knee: Knee, tmp_path: Path) -> None:
    text = knee.model.read_text()
    start = text.index('<Millard2012EquilibriumMuscle name="hamstring">')
    stop = text.index("</Millard2012EquilibriumMuscle>", start) + len("</Millard2012EquilibriumMuscle>")
    (tmp_path / "alone.osim").write_text(text[:start] + text[stop:])
    with pytest.raises(ModelError, match=r"a muscle whose moment arm is -dl/dq.*gastrocnemius is off by"):
        fit_geometry(tmp_path / "alone.osim", [knee.motion], postures=32, geometry="opensim")


def test_command_line(knee: Knee, tmp_path: Path, call: Any) -> None:
    out = tmp_path / "paths.xml"
    wanted = ("--geometry", "opensim", "--postures", 64, "-o", out)
    done = call("fit-geometry", knee.model, "--motion", knee.motion, *wanted)
    assert done.code == 0, done.err
    assert "1 of 1 muscles within 0.1 mm" in done.out
    assert "Left to OpenSim's path" in done.out
    assert "gastrocnemius" in done.out
    assert LEFT in done.err
    extracted = call("extract", knee.model, knee.motion, "--geometry", out, "-o", tmp_path / "arrays")
    assert extracted.code == 0, extracted.err
    assert LEFT in (tmp_path / "arrays" / "arrays.json").read_text()


@pytest.mark.slow
def test_walk_with_polynomial_paths(real_data: Path) -> None:
    """The gastrocnemii of the public walk: their forces are those of OpenSim's own paths."""
    folder = real_data / "walk_80muscles"
    files = [folder / name for name in ("walk_80muscles_with_reserves.osim", "coordinates_50hz.mot", "grf_walk.xml")]
    if not all(file.is_file() for file in files):
        pytest.skip("needs walk_80muscles")
    geometry = quietly(fit_geometry, files[0], files[1:2], postures=128, max_order=3, geometry="opensim")
    assert {"gaslat_r", "gaslat_l"} <= set(geometry.left)
    options = {"time_range": (0.5, 1.6)}
    exact, fast = (quietly(load_problem, *files, geometry=own, **options) for own in ("opensim", geometry))
    peaks = []
    for problem in (exact, fast):
        force = np.asarray(quietly(solve_static, problem).muscle_force)
        peaks.append({name: force[:, problem.muscles.index(name)].max() for name in ("gaslat_r", "gaslat_l")})
    for name, peak in peaks[0].items():
        assert peaks[1][name] == pytest.approx(peak, rel=0.02)
