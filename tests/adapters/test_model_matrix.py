"""Small models of every kind that OpenSim 4.6 builds, judged without osimopt: ``model_zoo`` and ``model_judge``.

The judges run in a process of their own. They are judged first: positions, speeds, forward dynamics and twins agree.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HERE

import osimopt
from osimopt.errors import ModelError, OsimoptError

Array = np.ndarray

#: s; some frames in the middle of the motion, and the first of them, which are judged.
WINDOW, FRAMES, JUDGED = (0.24, 0.30), 4, 2
#: Of the largest moment: the same dynamics at the same kinematics, rounded differently.
DYNAMICS = 1e-8
#: Of the largest moment: seven-point differences of positions, which err by 1e-10 where functions are smooth, and by
#: 1e-5 where a curve of a muscle is the function, which OpenSim solves for to 1e-9.
POSITIONS, POSITIONS_OF_CURVES = 1e-8, 1e-4
#: m; moment arms of OpenSim and ours differ by rounding.
ARM = 1e-8
#: m; −∂l/∂q of paths of straight lines, and of moving points, by differences.
SLOPE = 1e-8
#: m, m/s and relative: lengths, lengthening speeds and gain at the same state.
LENGTH, SPEED, GAIN = 1e-10, 1e-8, 1e-7
#: m; a Scholz2015GeometryPath is solved for, from another first guess each time.
GEODESIC = 1e-5
#: Of the largest: a file in degrees says the same to the digits that it prints, differentiated twice.
UNITS = 1e-9
#: OpenSim's optimizer, at a tolerance of 1e-6, beside an exact answer.
ACTIVATION = 0.006
#: The same answer of two models of one body.
SAME = 1e-6

JOINTS = (
    "weld", "pin", "slider", "universal", "planar", "gimbal", "ball", "free", "ellipsoid", "sphere", "scapulothoracic",
    "custom",
)  # fmt: skip
FUNCTIONS = tuple(f"functions_{where}_{part}" for where in ("shift", "turn") for part in (1, 2, 3))
HELD = tuple(f"held_{base}_{how}" for base in ("ball", "gimbal") for how in ("locked", "prescribed", "coupled"))
TWINS = {"joint_ball": "twin_ball", "joint_sphere": "twin_sphere", "joint_free": "twin_free",
         "held_ball_locked": "held_gimbal_locked", "held_ball_prescribed": "held_gimbal_prescribed",
         "held_ball_coupled": "held_gimbal_coupled", "loaded_free": "loaded_custom"}  # fmt: skip
SMOOTH = (
    *(f"joint_{kind}" for kind in JOINTS), "own_speeds_1", "own_speeds_2", "backward_ball", "backward_free",
    "backward_universal", "twin_ball", "twin_sphere", "twin_free", "loaded_free", "loaded_custom",
    *HELD, "chain", *FUNCTIONS, "shifts", "muscles", "one_muscle", "300_muscles",
)  # fmt: skip
WOUND = ("points_gimbal", "points_ball", "wraps_gimbal", "wraps_free")
ACTUATED = ("actuators_gimbal", "actuators_ball")
EVERY = (*SMOOTH, *WOUND, *ACTUATED)
pytestmark = pytest.mark.usefixtures("short_self_check")
MISJUDGED = ("MultivariatePolynomialFunction", "ExpressionBasedFunction", "ExpressionBasedFunction_2")


@dataclass
class Case:
    """A model of the zoo, osimopt's problem of it, and what the judges say at its kinematics."""

    name: str
    folder: Path
    ask: Callable[..., Any]
    loads: bool = False
    heard: list[str] = field(default_factory=list)

    @property
    def model(self) -> Path:
        return self.folder / f"{self.name}.osim"

    @property
    def motion(self) -> Path:
        return self.folder / f"{self.name}.mot"

    def load(self, motion: Path | None = None, **options: Any) -> osimopt.RedundancyProblem:
        loads = self.folder / f"{self.name}_loads.xml" if self.loads else None
        options = {"geometry": "opensim", **options}  # the judges' lengths are OpenSim's; exact ones: test_exact.py
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            problem = osimopt.load_problem(
                self.model, motion or self.motion, loads, time_range=WINDOW, reserves=None, n_jobs=1, **options
            )
        self.heard += [str(warning.message) for warning in heard]
        return problem

    @cached_property
    def problem(self) -> osimopt.RedundancyProblem:
        return self.load()

    @cached_property
    def kinematics(self) -> dict[str, Array]:
        k = self.problem.kinematics
        assert k is not None
        names = np.array(k.coordinates)
        return {
            "time": k.time,
            "coordinates": names,
            "value": k.value,
            "speed": k.speed,
            "acceleration": k.acceleration,
        }

    @cached_property
    def right(self) -> dict[str, Array]:
        free = list(self.problem.coordinates)
        return self.ask("model_judge", "judge", self.name, str(self.folder), free, self.kinematics, JUDGED)

    def muscles(self) -> list[int]:
        """Our muscles in the judges' order."""
        return [self.problem.muscles.index(str(name)) for name in self.right["muscles"]]


@pytest.fixture(scope="module")
def ask() -> Iterator[Callable[..., Any]]:
    """Call a function of the zoo or of the judges, in a process that has opensim."""
    command = [sys.executable, str(HERE / "model_judge.py")]
    environment = {**os.environ, "LD_LIBRARY_PATH": ""}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def call(module: str, function: str, *arguments: Any) -> Any:
            pickle.dump((module, function, arguments), process.stdin)
            process.stdin.flush()
            result, error = pickle.load(process.stdout)
            assert error is None, error
            return result

        yield call
        process.stdin.close()


@pytest.fixture(scope="module")
def cases(ask: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    folder = tmp_path_factory.mktemp("zoo")
    known: dict[str, Case] = {}

    def find(name: str) -> Case:
        if name not in known:
            ask("model_zoo", "write", name, str(folder))
            known[name] = Case(name, folder, ask, loads=name.startswith("loaded"))
        return known[name]

    return find


def relative(ours: Array, right: Array) -> float:
    return float(np.abs(ours - right).max() / np.abs(right).max()) if right.size else 0.0


def test_every_class_is_in_the_zoo(ask: Callable[..., Any]) -> None:
    """Or a newer OpenSim has classes that nobody has judged."""
    found = ask("model_judge", "classes", ["Joint", "Function", "Muscle", "WrapObject", "AbstractPathPoint",
                                           "AbstractGeometryPath"])  # fmt: skip
    for kind in ("Joint", "Function", "Muscle"):
        assert found[kind] == found[f"zoo {kind}"]
    assert found["WrapObject"] == ["WrapCylinder", "WrapEllipsoid", "WrapSphere", "WrapTorus"]
    assert found["AbstractPathPoint"] == ["ConditionalPathPoint", "MovingPathPoint", "PathPoint"]
    assert found["AbstractGeometryPath"] == ["FunctionBasedPath", "GeometryPath", "Scholz2015GeometryPath"]


# -- every model ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "300_muscles" else name for name in EVERY]
)
def test_model(cases: Callable[[str], Case], name: str) -> None:
    """Moments, moment arms, lengths, speeds, gain and actuators are the judges', in radians and in degrees."""
    case = cases(name)
    right, problem, muscles = case.right, case.problem, case.muscles()
    assert sorted(problem.muscles) == sorted(right["muscles"].tolist())
    assert len(problem.time) == FRAMES
    moments = problem.generalized_force[:JUDGED]
    assert relative(moments, right["solver"]) < DYNAMICS
    if name not in ACTUATED:  # a spring is no business of Newton's and Euler's
        limit = POSITIONS_OF_CURVES if name.startswith("functions") and name[-1] != "1" else POSITIONS
        assert relative(moments, right["newton_euler"]) < limit
    arms = problem.moment_arm[:JUDGED, :, muscles]
    moving = np.array([name.startswith("moving") for name in right["muscles"]])
    straight = np.array([not name.startswith("over") for name in right["muscles"]])
    assert np.abs(arms - right["slopes"])[..., straight].max(initial=0.0) < SLOPE
    assert np.abs(arms - right["arms"])[..., ~moving].max(initial=0.0) < ARM
    geometry = problem.geometry
    assert geometry.length is not None
    assert geometry.lengthening_speed is not None
    assert np.abs(geometry.length[:JUDGED, muscles] - right["length"]).max() < LENGTH
    assert np.abs(geometry.lengthening_speed[:JUDGED, muscles] - right["lengthening_speed"]).max() < SPEED
    np.testing.assert_allclose(problem.max_force[:JUDGED, muscles], right["gain"], rtol=GAIN, atol=1e-6)
    actuators = [problem.reserves.names.index(str(actuator)) for actuator in right["actuators"]]
    assert len(actuators) == len(problem.reserves.names)
    effect = np.broadcast_to(problem.reserves.effect, (FRAMES, *problem.reserves.effect.shape[-2:]))
    effect = effect[:JUDGED, :, actuators]
    assert relative(effect, right["effects"]) < DYNAMICS


@pytest.mark.parametrize("name", [name for name in EVERY if name not in ("joint_weld", "300_muscles")])
@pytest.mark.slow
def test_degrees_say_the_same(cases: Callable[[str], Case], name: str) -> None:
    case = cases(name)
    degrees = case.load(case.folder / f"{name}_degrees.mot")
    for ours, same in (
        (degrees.generalized_force, case.problem.generalized_force),
        (degrees.moment_arm, case.problem.moment_arm),
        (degrees.kinematics.value, case.problem.kinematics.value),  # type: ignore[union-attr]
    ):
        assert relative(ours, same) < UNITS


# -- the judges are judged --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in SMOOTH if name != "300_muscles"])
def test_judges_agree(cases: Callable[[str], Case], name: str) -> None:
    """OpenSim's solver about coordinates, and Newton and Euler from positions alone."""
    right = cases(name).right
    limit = POSITIONS_OF_CURVES if name.startswith("functions") and name[-1] != "1" else POSITIONS
    assert relative(right["solver"], right["newton_euler"]) < limit
    assert np.abs(right["arms"] - right["slopes"]).max() < SLOPE


@pytest.mark.parametrize(("name", "twin"), TWINS.items())
def test_twins_agree(cases: Callable[[str], Case], ask: Callable[..., Any], name: str, twin: str) -> None:
    """The same body with joints whose speeds are the rates of their angles: the same moments, arms and actuators."""
    case, other = cases(name), cases(twin)
    free = list(case.problem.coordinates)
    right = ask("model_judge", "judge", other.name, str(other.folder), free, case.kinematics, JUDGED)
    assert right["muscles"].tolist() == case.right["muscles"].tolist()
    for part in ("solver", "newton_euler", "arms", "slopes", "length", "lengthening_speed", "gain"):
        assert relative(case.right[part], right[part]) < POSITIONS, part
    if not name.startswith(("held", "loaded")):
        order = [right["actuators"].tolist().index(actuator) for actuator in case.right["actuators"]]
        assert relative(case.right["effects"], right["effects"][..., order]) < POSITIONS


@pytest.mark.parametrize("name", ["joint_ball", "joint_free", "joint_ellipsoid", "joint_scapulothoracic"])
def test_forward_dynamics_returns_the_accelerations(
    cases: Callable[[str], Case], ask: Callable[..., Any], name: str
) -> None:
    """Our moments, given back to OpenSim, move the model as the motion does."""
    case = cases(name)
    order = [case.problem.coordinates.index(str(one)) for one in case.kinematics["coordinates"]]
    force = case.problem.generalized_force[:, order]
    found = ask("model_judge", "forward", name, str(case.folder), case.kinematics, force)
    assert relative(found, case.kinematics["acceleration"]) < SAME


# -- static optimization ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "judge"),
    [
        ("joint_ball", "twin_ball"), ("joint_sphere", "twin_sphere"), ("joint_free", "twin_free"),
        *((name, name) for name in ("joint_universal", "joint_custom", "chain", "functions_shift_1", "muscles",
                                    "wraps_gimbal", "actuators_gimbal")),
    ],
)  # fmt: skip
def test_static_optimization(cases: Callable[[str], Case], ask: Callable[..., Any], name: str, judge: str) -> None:
    """OpenSim's own tool, or, where it takes rates for speeds, what it says of the twin."""
    case, other = cases(name), cases(judge)
    theirs = ask("model_judge", "optimize", other.name, str(other.folder), *WINDOW)
    assert theirs["so_failures"].size == 0
    np.testing.assert_allclose(theirs["so_times"], case.problem.time, atol=1e-6)
    solution = osimopt.solve_static(case.problem)
    order = [solution.problem.actuators.index(str(actuator)) for actuator in theirs["so_actuators"]]
    ours = np.hstack([solution.activation, solution.reserve_control])[:, order]
    np.testing.assert_allclose(ours, theirs["so_activations"], rtol=0, atol=ACTIVATION)
    assert (solution.objective <= np.sum(theirs["so_activations"] ** 2, axis=1) * (1 + 1e-3)).all()


@pytest.mark.parametrize(("name", "twin"), [pair for pair in TWINS.items() if not pair[0].startswith("loaded")])
def test_twins_take_the_same_muscles(cases: Callable[[str], Case], name: str, twin: str) -> None:
    case, other = cases(name), cases(twin)
    ours, same = (osimopt.solve_static(one.problem) for one in (case, other))
    assert ours.problem.muscles == same.problem.muscles
    if not name.startswith("held"):  # there a CoordinateActuator pushes speeds in one and rates in the other
        np.testing.assert_allclose(ours.activation, same.activation, rtol=0, atol=SAME)
    assert relative(case.problem.generalized_force, other.problem.generalized_force) < DYNAMICS


# -- tables -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "coordinate"),
    [
        ("joint_ball", "r1"), ("joint_ball", "r2"), ("joint_ball", "r3"), ("joint_ball", "knee"), ("joint_free", "t_y"),
        ("joint_free", "knee"), ("joint_free", "r3"), ("joint_scapulothoracic", "r3"), ("joint_scapulothoracic", "r4"),
        ("held_ball_coupled", "r3"), ("held_ball_coupled", "r1"), ("held_ball_locked", "r3"),
        ("held_gimbal_coupled", "r3"), ("held_ball_prescribed", "r1"), ("held_gimbal_prescribed", "r3"), ("chain", "a"),
        ("chain", "b"), ("points_gimbal", "knee"), ("points_gimbal", "r3"), ("shifts", "t_z"),
        ("functions_turn_1", "q_SimmSpline"),
    ],
)  # fmt: skip
def test_table(cases: Callable[[str], Case], ask: Callable[..., Any], name: str, coordinate: str) -> None:
    """Moment arms of a sweep are −∂l/∂q, the coupled coordinates following."""
    case = cases(name)
    names, middle = case.kinematics["coordinates"], case.kinematics["value"][0]
    kinds = dict(zip(names.tolist(), middle.tolist(), strict=True))
    free = {one: kinds[one] for one in case.problem.coordinates}
    pose = {one: q if one.startswith("t_") else np.rad2deg(q) for one, q in free.items() if one != coordinate}
    at = free[coordinate]
    table = osimopt.muscle_table(
        case.model, coordinate, values=[at if coordinate.startswith("t_") else np.rad2deg(at)], pose=pose
    )
    kinds |= {"r2": 0.15} if "prescribed" in name else {"d": 0.2} if name == "chain" else {}  # the model's defaults
    right = ask("model_judge", "table", name, str(case.folder), coordinate, kinds)
    for muscle, slope in right.items():
        assert abs(float(table[muscle, "moment_arm"].iloc[0]) - slope) < SLOPE, muscle


# -- units ------------------------------------------------------------------------------------------------------------


def rewrite(motion: Path, target: Path, change: dict[str, float]) -> Path:
    """The same file, some columns scaled."""
    lines = motion.read_text().splitlines()
    start = lines.index("endheader") + 1
    labels = lines[start].split()
    rows = np.array([line.split() for line in lines[start + 1 :]], dtype=float)
    for name, scale in change.items():
        rows[:, labels.index(name)] *= scale
    body = ["\t".join(f"{value:.16g}" for value in row) for row in rows]
    target.write_text("\n".join([*lines[: start + 1], *body]) + "\n")
    return target


def test_an_angle_that_opensim_leaves_in_radians_is_refused_where_it_may_be_either(
    cases: Callable[[str], Case], tmp_path: Path
) -> None:
    case = cases("functions_turn_1")
    degrees = case.folder / f"{case.name}_degrees.mot"
    small = rewrite(degrees, tmp_path / "small.mot", {"q_SimmSpline": 0.2})
    with pytest.raises(OsimoptError, match="q_SimmSpline"):
        case.load(small)
    as_opensim_writes = rewrite(degrees, tmp_path / "left.mot", {"q_GCVSpline": np.pi / 180.0})
    with pytest.raises(OsimoptError, match="q_GCVSpline"):
        case.load(as_opensim_writes)


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_weld(cases: Callable[[str], Case]) -> None:
    """A welded ball joint and a welded gimbal joint hold the same posture."""
    welded = [cases(name).load(weld=("base",)) for name in ("joint_ball", "joint_gimbal")]
    assert set(welded[0].coordinates) == {"knee", "ankle"}
    assert relative(welded[0].generalized_force, welded[1].generalized_force) < DYNAMICS
    assert np.abs(welded[0].moment_arm - welded[1].moment_arm).max() < ARM


@pytest.mark.parametrize("name", ["joint_ball", "own_speeds_1"])
def test_other_times(cases: Callable[[str], Case], ask: Callable[..., Any], name: str) -> None:
    """Arrays between the frames are the judges' at the kinematics there."""
    case = cases(name)
    between = case.problem.resample(np.array([0.247, 0.283]))
    other = Case(name, case.folder, ask)
    other.problem = between
    right = other.right
    assert relative(between.generalized_force, right["solver"]) < DYNAMICS
    assert np.abs(between.moment_arm[:, :, other.muscles()] - right["arms"]).max() < ARM


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("no_muscle", "at least one muscle"),
        ("points_by_ball", "r1"),
    ],
)
def test_refused_by_name(cases: Callable[[str], Case], name: str, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        cases(name).load()


def test_opensims_own_moments_about_a_ball_are_refused_by_name(cases: Callable[[str], Case], tmp_path: Path) -> None:
    """InverseDynamicsTool takes the rates of a Ball's angles for its speeds; a Gimbal's are."""
    case = cases("joint_ball")
    labels = [f"{name}_moment" for name in case.problem.coordinates]
    rows = np.column_stack([case.problem.time, case.problem.generalized_force])
    body = "\n".join("\t".join(f"{value:.16g}" for value in row) for row in rows)
    header = f"Inverse Dynamics Generalized Forces\nversion=1\nnRows={len(rows)}\nnColumns={len(labels) + 1}\n"
    path = tmp_path / "id.sto"
    path.write_text(f"{header}inDegrees=no\nendheader\n" + "\t".join(["time", *labels]) + f"\n{body}\n")
    with pytest.raises(OsimoptError, match="r1"):
        case.load(generalized_force=path)
    given = cases("joint_gimbal").load(generalized_force=path)
    assert relative(given.generalized_force, case.problem.generalized_force) < DYNAMICS


def test_curvature(cases: Callable[[str], Case]) -> None:
    """OpenSim's speeds of a ConstantCurvatureJoint contradict its positions: refused, or right by positions."""
    right_or_refused(cases("joint_curvature"), "ConstantCurvatureJoint")


@pytest.mark.parametrize("where", ["shift", "turn"])
@pytest.mark.parametrize("name", MISJUDGED)
def test_functions_whose_second_derivatives_opensim_gets_wrong(
    cases: Callable[[str], Case], where: str, name: str
) -> None:
    right_or_refused(cases(f"misjudged_{where}_{name}"), name.removesuffix("_2"))


@pytest.mark.parametrize("name", MISJUDGED[:2])
def test_couplers_whose_second_derivatives_opensim_gets_wrong(cases: Callable[[str], Case], name: str) -> None:
    right_or_refused(cases(f"coupled_{name}"), name)


def test_geodesic_paths(cases: Callable[[str], Case]) -> None:
    """A Scholz2015GeometryPath is solved for from the posture before: after jumps it is lost, by metres or more."""
    right_or_refused(cases("geodesics"), "Scholz2015GeometryPath", GEODESIC)


def right_or_refused(case: Case, says: str, slope: float = SLOPE) -> None:
    """Newton's and Euler's moments and the slopes of lengths, or a refusal that names what is wrong."""
    try:
        problem = case.problem
    except OsimoptError as error:
        said = str(error)
    else:
        assert relative(problem.generalized_force[:JUDGED], case.right["newton_euler"]) < POSITIONS
        assert np.abs(problem.moment_arm[:JUDGED, :, case.muscles()] - case.right["slopes"]).max() < slope
        return
    assert says in said


@pytest.mark.parametrize("name", ["joint_ball", "joint_free", "joint_ellipsoid", "joint_scapulothoracic"])
def test_gimbal_lock_is_refused_by_name(cases: Callable[[str], Case], tmp_path: Path, name: str) -> None:
    """At a second angle of 90° the others are undetermined."""
    case = cases(name)
    lines = case.motion.read_text().splitlines()
    start = lines.index("endheader") + 1
    column = lines[start].split().index("r2")
    for row in range(start + 1, len(lines)):
        cells = lines[row].split()
        cells[column] = f"{np.pi / 2:.16g}"
        lines[row] = "\t".join(cells)
    lock = tmp_path / "lock.mot"
    lock.write_text("\n".join(lines) + "\n")
    with pytest.raises(OsimoptError, match="r2"):
        case.load(lock)
