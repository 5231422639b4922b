"""Times that repeat, units that the header belies, moments of no possible size: merged, refused, or said."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import TwoLeg
from numpy.typing import NDArray

from osimopt import InputError, load_problem
from osimopt.adapters.forces import LEVER, MARGIN, check_size
from osimopt.adapters.loads import read_external_loads
from osimopt.adapters.model import Model, read_model
from osimopt.adapters.motion import read_motion
from osimopt.adapters.units import to_si
from osimopt.emg.read import read_emg
from osimopt.emg.strides import find_strides
from osimopt.files.series import merged
from osimopt.files.storage import read_columns, read_table, write_table
from osimopt.files.table import Table
from osimopt.problem.arrays import Coordinate, MuscleGeometry
from osimopt.problem.reserves import ReserveActuators
from osimopt.signals import differentiate, distinct_rows

Array = NDArray[np.float64]
Change = Callable[[pd.DataFrame], pd.DataFrame]

#: s by which OpenSim's residual reduction writes its last row again.
AGAIN = 6.6e-14
#: A problem from the same numbers through other files: no more than rounding.
ROUNDING = 1e-12
TRANSLATIONS = ["pelvis_tx", "pelvis_ty", "pelvis_tz"]


def waves(rows: int = 50, rate: float = 100.0) -> pd.DataFrame:
    time = np.arange(rows) / rate
    columns = {"knee": 40.0 * np.sin(5.0 * time), "hip": 20.0 * np.cos(4.0 * time), "still": 0.0 * time}
    return pd.DataFrame(columns, index=pd.Index(time, name="time"))


def again(*rows: int, later: float = AGAIN) -> Change:
    """Rows written twice, each the second time a little later."""

    def _again(table: pd.DataFrame) -> pd.DataFrame:
        places = sorted([*range(len(table)), *(row % len(table) for row in rows)])
        repeated = np.diff(places, prepend=-1) == 0
        return table.iloc[places].set_index(table.index[places] + later * np.cumsum(repeated) * repeated)

    return _again


def read_series(path: Path) -> Table:
    table = read_columns(path)
    return merged(table, list(table.columns), path)


def quietly(read: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read()


# ------------------------------------------------------------------------------------- times that repeat


@pytest.mark.parametrize("later", [0.0, AGAIN, -AGAIN, 9e-6])
@pytest.mark.parametrize("rows", [(-1,), (0,), (20,), (0, 20, -1), (20, 20, 20), (-1, -1)])
def test_rows_that_repeat_are_merged_and_that_is_said_once(tmp_path: Path, rows: tuple[int, ...], later: float) -> None:
    path = write_table(again(*rows, later=later / len(rows))(waves()), tmp_path / "waves.sto")
    with pytest.warns(UserWarning, match=rf"waves\.sto: {len(rows)} of {50 + len(rows)} times repeat") as caught:
        table = read_series(path)
    assert len(caught) == 1
    pd.testing.assert_frame_equal(table.to_dataframe(), waves(), check_exact=True)
    assert table.attrs["merged"] == len(rows)


def test_the_warning_names_times_and_rows(tmp_path: Path) -> None:
    path = write_table(again(-1)(waves()), tmp_path / "waves.sto")
    with pytest.warns(
        UserWarning, match=r"interval \(0\.01 s\): 0\.49 s in rows 50 and 51 of the table\. The rows agree"
    ):
        read_series(path)


def test_every_row_twice(tmp_path: Path) -> None:
    path = write_table(again(*range(50), later=0.0)(waves()), tmp_path / "waves.sto")
    with pytest.warns(UserWarning, match=r"50 of 100 times repeat.*and 44 more"):
        assert len(read_series(path)) == 50


def test_first_steps_of_an_integrator_are_merged(tmp_path: Path) -> None:
    """Variable steps begin with tiny ones; the column moves as fast as it ever does."""
    time = np.concatenate([[0.0, 1e-9, 1e-7], np.arange(1, 40) * 0.01])
    table = pd.DataFrame({"knee": 40.0 * np.sin(5.0 * time)}, index=pd.Index(time, name="time"))
    with pytest.warns(UserWarning, match="2 of 42 times repeat"):
        assert len(read_series(write_table(table, tmp_path / "states.sto"))) == 40


def test_uneven_times_are_left_alone(tmp_path: Path) -> None:
    table = waves()
    path = write_table(table.set_index(table.index + 0.0099 * (np.arange(50) % 2)), tmp_path / "waves.sto")
    read = read_series(path)  # every other step a fiftieth of the next
    assert len(read) == 50
    assert read.attrs["merged"] == 0


@pytest.mark.parametrize(("later", "kind"), [(0.0, "a time twice"), (AGAIN, r"times 6\.\de-14 s apart")])
def test_rows_that_differ_at_one_time_are_refused(tmp_path: Path, later: float, kind: str) -> None:
    table = again(20, later=later)(waves())
    table.iloc[21, :2] += [0.5, 0.01]
    path = write_table(table, tmp_path / "waves.sto")
    got = rf"got {kind}: 0\.2 s in rows 21 and 22 of the table, where 'knee' is 33\.6588 and 34\.1588\. Remove the row"
    with pytest.raises(InputError, match=rf"waves\.sto: expected rows that agree where their times repeat, {got}"):
        read_series(path)


def test_a_difference_of_printed_digits_is_none(tmp_path: Path) -> None:
    table = again(20)(waves())
    table.iloc[21] += [4e-5, 2e-5, 1e-12]
    assert len(quietly(lambda: read_series(write_table(table, tmp_path / "waves.sto")))) == 50


@pytest.mark.parametrize(("second", "agrees"), [(np.nan, True), (1.0, False)])
def test_a_gap_agrees_with_a_gap_only(second: float, agrees: bool) -> None:
    time, value = np.array([0.0, 0.1, 0.1, 0.2]), np.array([[1.0], [np.nan], [second], [1.0]])
    if agrees:
        assert quietly(lambda: distinct_rows(time, value, ["emg"], "a.sto")).tolist() == [0, 1, 3]
        return
    with pytest.raises(InputError, match="'emg' is nan and 1"):
        distinct_rows(time, value, ["emg"], "a.sto")


def test_times_of_too_few_digits_are_refused(tmp_path: Path) -> None:
    table = waves(rate=2000.0)
    path = write_table(table.set_index(table.index.to_numpy().round(3)), tmp_path / "waves.sto")
    with pytest.raises(InputError, match=r"such pairs\).*write them with more digits"):
        read_series(path)


@pytest.mark.parametrize("times", [[0.0, 0.0], [0.0, -1.0], [1.0, 1.0, 0.5]])
def test_times_that_go_nowhere_are_refused(times: list[float]) -> None:
    with pytest.raises(InputError, match=r"expected times that increase, got a (time twice|step back)"):
        distinct_rows(np.array(times), np.zeros((len(times), 1)), ["x"], "a.sto")


# ------------------------------------------------------------------------------- every reader merges them


@pytest.fixture(scope="module")
def model(two_leg: TwoLeg) -> Model:
    return read_model(two_leg.model)


@pytest.fixture
def rewrite(two_leg: TwoLeg, tmp_path: Path):
    """Write the two-leg model's motion again, changed."""

    def _rewrite(change: Change, *, in_degrees: bool = True, name: str = "changed.mot") -> Path:
        return write_table(change(read_table(two_leg.motion)), tmp_path / name, in_degrees=in_degrees)

    return _rewrite


def repeat_loads(two_leg: TwoLeg, folder: Path) -> Path:
    """The loads with their last row twice, beside a copy of their XML."""
    write_table(again(-1)(read_table(two_leg.grf)), folder / "grf.mot")
    path = folder / "loads.xml"
    path.write_text(two_leg.loads.read_text())
    return path


@pytest.mark.parametrize("time_range", [None, (0.3, 0.32)])  # few frames: OpenSim splines the file's own rows
def test_a_last_row_written_twice_changes_no_problem(
    two_leg: TwoLeg, rewrite, tmp_path: Path, time_range: tuple[float, float] | None
) -> None:
    plain = load_problem(two_leg.model, two_leg.motion, two_leg.loads, time_range=time_range)
    with pytest.warns(UserWarning, match="1 of 71 times repeat"):
        other = load_problem(two_leg.model, rewrite(again(-1)), repeat_loads(two_leg, tmp_path), time_range=time_range)
    assert np.array_equal(other.time, plain.time)
    assert np.array_equal(other.moment_arm, plain.moment_arm)
    scale = np.abs(plain.generalized_force).max()
    assert np.abs(other.generalized_force - plain.generalized_force).max() < ROUNDING * scale
    assert sum("times repeat" in line for line in other.provenance["warnings"]) == 2  # a line each for the two files


def test_moments_with_a_row_twice(two_leg: TwoLeg, tmp_path: Path) -> None:
    table = read_table(two_leg.motion)[["knee_angle_r", "hip_flexion_r"]].add_suffix("_moment")
    paths = [write_table(change(table), tmp_path / f"{i}.sto") for i, change in enumerate((lambda t: t, again(30)))]
    plain, other = (
        quietly(
            lambda path=path: load_problem(two_leg.model, two_leg.motion, generalized_force=path, time_range=(0.3, 0.5))
        )
        for path in paths
    )
    assert np.array_equal(other.generalized_force, plain.generalized_force)


def test_emg_with_a_row_twice(tmp_path: Path) -> None:
    table = again(10, later=0.0)(waves())
    table.to_csv(tmp_path / "emg.csv")
    for path in (write_table(table, tmp_path / "emg.sto"), tmp_path / "emg.csv"):
        with pytest.warns(UserWarning, match=r"emg\.(sto|csv): 1 of 51 times repeat"):
            assert len(read_emg(path)) == 50


def test_strides_need_times_that_increase(tmp_path: Path) -> None:
    time = np.arange(300) / 100.0
    force = pd.DataFrame({"ground_force_vy": 700.0 * (time % 1.0 < 0.6)}, index=pd.Index(time, name="time"))
    path = write_table(again(150)(force), tmp_path / "grf.mot")
    assert quietly(lambda: find_strides(path)).times == find_strides(force).times
    with pytest.raises(InputError, match="a step back"):
        find_strides(write_table(force.iloc[::-1], tmp_path / "back.mot"))


# ---------------------------------------------------------------------------------------- speeds of files


@pytest.fixture
def speeds(two_leg: TwoLeg, model: Model, tmp_path: Path):
    """Write the speeds of the two-leg model's motion."""

    def _speeds(change: Change = lambda table: table, *, in_degrees: bool = False) -> Path:
        motion = read_motion(two_leg.motion, model)
        columns = [f"{name}_u" for name in motion.coordinates]
        table = pd.DataFrame(motion.speed, index=pd.Index(motion.time, name="time"), columns=columns)
        return write_table(change(table), tmp_path / "speeds.sto", in_degrees=in_degrees)

    return _speeds


def turn(factor: float, names: tuple[str, ...] = ()) -> Change:
    """Angles, or those named, times a factor."""

    def _turn(table: pd.DataFrame) -> pd.DataFrame:
        turned = names or tuple(c for c in table.columns if c.removesuffix("_u") not in TRANSLATIONS)
        return table.assign(**{name: factor * table[name] for name in turned})

    return _turn


def shift(factor: float) -> Change:
    return lambda table: table.assign(**{c: factor * table[c] for c in table.columns if c[:9] in TRANSLATIONS})


DEGREES = 180.0 / np.pi


def test_speeds_by_their_header(two_leg: TwoLeg, model: Model, speeds) -> None:
    plain = read_motion(two_leg.motion, model)
    for path in (speeds(), speeds(turn(DEGREES), in_degrees=True)):
        assert np.abs(read_motion(two_leg.motion, model, speeds=path).speed - plain.speed).max() < 1e-9


def test_speeds_with_a_row_twice(two_leg: TwoLeg, model: Model, speeds, rewrite) -> None:
    plain = read_motion(two_leg.motion, model)
    motion, path = rewrite(again(-1)), speeds(again(-1, later=0.0))
    with pytest.warns(UserWarning, match=r"\.(sto|mot): 1 of 71 times repeat") as caught:
        found = read_motion(motion, model, speeds=path)
    assert len(caught) == 2
    assert np.abs(found.acceleration - plain.acceleration).max() < 1e-6


@pytest.mark.parametrize(
    ("change", "in_degrees", "got"),
    [
        (turn(DEGREES), False, r"'pelvis_tilt' up to .* rad/s, 57\.3 times those of the motion"),
        (turn(1.0), True, r"'pelvis_tilt' up to .* rad/s, 0\.0175 times"),
        (turn(DEGREES, ("knee_angle_r_u",)), False, r"'knee_angle_r' up to .*57\.3 times"),
        (shift(1000.0), False, r"'pelvis_tx' up to 1\.\d+e\+03 m/s, 1e\+03 times"),
    ],
)
def test_speeds_in_another_unit(
    two_leg: TwoLeg, model: Model, speeds, change: Change, in_degrees: bool, got: str
) -> None:
    with pytest.raises(InputError, match=rf"speeds\.sto: expected the speeds of the motion, got {got}"):
        read_motion(two_leg.motion, model, speeds=speeds(change, in_degrees=in_degrees))


# ------------------------------------------------------------------------------------------ units: angles


def at_rest(table: pd.DataFrame) -> pd.DataFrame:
    """The base hardly moves."""
    return table.assign(**{c: table[c].mean() + 0.02 * (table[c] - table[c].mean()) for c in TRANSLATIONS})


def sway(amplitude: float) -> Change:
    """A body that stands, near the neutral posture of the model, in degrees."""

    def _sway(table: pd.DataFrame) -> pd.DataFrame:
        wave = amplitude * np.sin(2.0 * np.pi * (table.index.to_numpy() - table.index[0]))
        angles = {c: -0.1 - wave for c in table.columns if c not in TRANSLATIONS}
        return at_rest(table).assign(**angles)

    return _sway


def test_radians_under_degrees_are_refused(model: Model, rewrite) -> None:
    got = r"got angles that move by \d\.\d+ degrees at most \('knee_angle_[lr]' from .*, while the base moves by 0\.8"
    with pytest.raises(InputError, match=rf"expected degrees, as the header declares, {got}.*inDegrees=no") as caught:
        read_motion(rewrite(turn(1.0 / DEGREES)), model)
    assert "changed.mot" in str(caught.value)


def test_radians_under_degrees_on_a_treadmill(model: Model, rewrite) -> None:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        return turn(1.0 / DEGREES)(table).assign(pelvis_tx=0.02 * np.sin(6.0 * table.index.to_numpy()))

    with pytest.raises(InputError, match="expected degrees, as the header declares"):
        read_motion(rewrite(change), model)


def test_radians_under_degrees_without_a_base(arm, tmp_path: Path) -> None:
    table = read_table(arm.motion)
    path = write_table(table / DEGREES, tmp_path / "arm.mot", in_degrees=True)
    with pytest.raises(InputError, match="read as radians cover the range of 'r_elbow_flex'"):
        read_motion(path, read_model(arm.model))
    small = write_table(table / table.abs().max().max() * 0.3, tmp_path / "small.mot", in_degrees=True)
    read_motion(small, read_model(arm.model))


@pytest.mark.filterwarnings("ignore:.*(outside the|disagree with)")
def test_small_angles_of_a_body_that_stands_are_accepted(model: Model, rewrite) -> None:
    read_motion(rewrite(sway(0.1)), model)
    with pytest.warns(UserWarning, match=r"the header declares degrees, and the file has angles that move by 0\.6"):
        read_motion(rewrite(sway(0.35)), model)
    read_motion(rewrite(sway(8.0)), model)  # beyond what the joints could be in radians


def only(coordinate: Coordinate) -> Any:
    """A model of one coordinate, as far as units go."""
    return type("Model", (), {"description": type("Description", (), {"coordinates": (coordinate,)})})


def in_degrees(name: str, value: Array) -> Table:
    return Table(value[:, None], np.arange(len(value)) / 100.0, [name], {"in_degrees": True})


def test_a_joint_of_a_default_range_that_turns_by_a_degree_is_accepted() -> None:
    """A rib, breathing: its range says nothing, and radians are only possible."""
    rib = Coordinate("rib", "costovertebral", "free", True, 0.0, (-0.5 * np.pi, 0.5 * np.pi))
    table = in_degrees("rib", np.linspace(-0.2, 1.5, 20))
    with pytest.warns(UserWarning, match=r"angles that move by 1\.7 degrees at most \('rib' from -0\.2 to 1\.5\)"):
        assert to_si(table, only(rib), "a.mot")["rib"].max() == np.deg2rad(1.5)


@pytest.mark.filterwarnings("ignore:.*(outside the|disagree with)")
def test_a_posture_that_is_held_says_nothing_of_units(model: Model, rewrite) -> None:
    held = read_motion(rewrite(lambda table: 0.0 * sway(0.0)(table) + 0.3), model)
    assert np.ptp(held.value[:, model.description.free], axis=0).max() == 0.0


# ----------------------------------------------------------- units: angles that OpenSim leaves in radians


@pytest.fixture
def coupled(model: Model) -> Model:
    """The model, as if its right ankle moved by a function of its coordinate."""
    coordinates = tuple(
        replace(coordinate, converted=coordinate.name != "ankle_angle_r")
        for coordinate in model.description.coordinates
    )
    description = replace(model.description, coordinates=coordinates)
    return replace(model, described=replace(model.described, description=description))


def test_an_angle_that_can_only_be_degrees_is_degrees(two_leg: TwoLeg, coupled: Model, model: Model) -> None:
    assert np.array_equal(read_motion(two_leg.motion, coupled).value, read_motion(two_leg.motion, model).value)


def test_an_angle_that_may_be_either_is_refused(coupled: Model, rewrite) -> None:
    small = rewrite(turn(1.0 / DEGREES, ("ankle_angle_r",)))
    got = r"got -0\.\d+ to 0\.\d+ in such a file, which may be degrees or radians\. Write the whole file in radians"
    with pytest.raises(InputError, match=rf"expected one unit for 'ankle_angle_r'.*{got}"):
        read_motion(small, coupled)
    read_motion(rewrite(turn(1e-6, ("ankle_angle_r",))), coupled)  # either is nothing
    read_motion(rewrite(turn(1.0 / DEGREES), in_degrees=False), coupled)  # following the advice


@pytest.mark.parametrize(("factor", "largest"), [(1.0, 1.2), (50.0, np.deg2rad(60.0))])
def test_a_coupled_angle_that_opensim_left_in_radians_agrees(factor: float, largest: float) -> None:
    beta = Coordinate("beta", "patellofemoral", "coupled", True, 0.0, (-10.0, 10.0), converted=False)
    table = in_degrees("beta", factor * np.linspace(0.0, 1.2, 20))
    assert to_si(table, only(beta), "a.mot")["beta"].max() == pytest.approx(largest)


def test_speeds_of_such_an_angle_are_in_the_unit_that_fits_the_motion(
    two_leg: TwoLeg, coupled: Model, model: Model, speeds
) -> None:
    plain = read_motion(two_leg.motion, model)
    others = tuple(f"{name}_u" for name in plain.coordinates if name not in [*TRANSLATIONS, "ankle_angle_r"])
    for change in (turn(DEGREES), turn(DEGREES, others)):
        found = read_motion(two_leg.motion, coupled, speeds=speeds(change, in_degrees=True))
        assert np.abs(found.speed - plain.speed).max() < 1e-9
    path = speeds(lambda t: turn(DEGREES)(t).assign(ankle_angle_r_u=np.arange(70.0)), in_degrees=True)
    with pytest.raises(InputError, match=r"'ankle_angle_r'.*degrees or radians per second"):
        read_motion(two_leg.motion, coupled, speeds=path)


# ------------------------------------------------------------------------------------------ units: lengths


@pytest.mark.parametrize("still", [False, True])
def test_translations_in_mm_are_refused(model: Model, rewrite, still: bool) -> None:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        table = shift(1000.0)(table)
        return table if not still else table.assign(**{c: table[c].mean() for c in TRANSLATIONS})

    with pytest.raises(InputError, match=r"expected translations in m, got 'pelvis_t[xy]' from .*divide them by 1000"):
        read_motion(rewrite(change), model)


def test_a_walk_far_from_its_origin_is_accepted(model: Model, rewrite) -> None:
    motion = read_motion(rewrite(lambda table: table.assign(pelvis_tx=table["pelvis_tx"] + 800.0)), model)
    assert motion.value[:, motion.coordinates.index("pelvis_tx")].min() > 799.0


@pytest.mark.parametrize(("factor", "accepted"), [(1.0, True), (3.0, True), (1000.0, False)])
def test_a_joint_that_slides(factor: float, accepted: bool) -> None:
    slider = Coordinate("patella_tx", "patella", "free", False, 0.04, (-0.05, 0.06))
    table = pd.DataFrame({"patella_tx": factor * np.linspace(0.03, 0.05, 20)}, index=np.arange(20) / 100.0)
    table.attrs["in_degrees"] = False
    if accepted:
        to_si(table, only(slider), "a.mot")
        return
    with pytest.raises(InputError, match=r"got 'patella_tx' from 30 to 50 \(default in the model 0\.04 m"):
        to_si(table, only(slider), "a.mot")


REAL = [
    ("walk_80muscles/subject_walk_scaled.osim", "walk_80muscles/coordinates.sto"),
    ("walk_18muscles/subject_walk_armless_18musc.osim", "walk_18muscles/coordinates.mot"),
    ("gait_9emg/gait2392.osim", "gait_9emg/ik.sto"),
    ("knee_implant/GC5.osim", "knee_implant/GC5_ss1.mot"),
    ("knee_implant/GC5.osim", "knee_implant/GC5_ss3.mot"),
    ("walk_treadmill_emg/Rajagopal_scaled_Sub1_gasAvoid.osim", "walk_treadmill_emg/results_ik.sto"),
    ("arm26/arm26.osim", "arm26/arm26_InverseKinematics.mot"),
]


@pytest.mark.parametrize(("osim", "motion"), REAL, ids=[motion for _, motion in REAL])
@pytest.mark.slow
def test_public_motions_are_accepted_and_refused_in_the_other_unit(
    real_data: Path, tmp_path: Path, osim: str, motion: str
) -> None:
    weld = ("mtp_r", "mtp_l") if "80" in osim else ()
    model = read_model(real_data / osim, weld=weld)
    quietly(lambda: read_motion(real_data / motion, model, time_range=(0.6, 0.7)))
    table = quietly(lambda: read_table(real_data / motion)).iloc[:400]
    other = write_table(table, tmp_path / "other.mot", in_degrees=not table.attrs["in_degrees"])
    with pytest.raises(InputError, match=r"expected (radians|degrees), as the header declares"):
        quietly(lambda: read_motion(other, model))
    turned = [c.name for c in model.description.coordinates if c.rotational]
    if table.attrs["in_degrees"]:  # and the header wrong the other way
        table[[name for name in turned if name in table]] /= DEGREES
        radians = write_table(table, tmp_path / "radians.mot", in_degrees=True)
        with pytest.raises(InputError, match="expected degrees, as the header declares"):
            quietly(lambda: read_motion(radians, model))


# -------------------------------------------------------------------------------- moments of no possible size

KNEE = Coordinate("knee", "knee", "free", True, 0.0, (-2.0, 0.2))
LIFT = Coordinate("lift", "ground", "free", False, 0.0, (-1.0, 1.0), floating=True)


def judge(moment: Array, weight: float = 0.0, arm: float = 0.0, **more: float) -> list[str]:
    """A knee and a vertical translation with one muscle of 1000 N and this moment arm."""
    value = np.column_stack([moment, np.zeros(len(moment))])
    arms = np.tile([[[arm], [0.0]]], (len(moment), 1, 1))
    geometry = MuscleGeometry.from_dense(arms, ("flexor",), ("knee", "lift"))
    time, strength = np.arange(len(moment)) / 100.0, np.array([1000.0])
    return check_size(time, value, (KNEE, LIFT), geometry, strength, ReserveActuators.none(2), weight, **more)


def test_a_moment_beyond_a_hundred_times_is_refused_with_coordinate_and_time() -> None:
    moment = np.full(10, 50.0)
    moment[7] = -1e6
    match = (
        r"below 1\.5\de\+05 N·m, 100 times what weight.*got -1e\+06 N·m on 'knee' at 0\.07 s "
        r"\(beyond in 1 of 10 frames\)\. Look for times that almost repeat, units"
    )
    with pytest.raises(InputError, match=match):
        judge(moment, weight=736.0, arm=0.05)


def test_a_moment_beyond_ten_times_is_said() -> None:
    with pytest.warns(UserWarning, match=r"6e\+04 N·m on 'knee' at 0 s is 39 times what weight"):
        (text,) = judge(np.full(3, 6e4), weight=736.0, arm=0.05)
    assert "N·mm" in text


@pytest.mark.parametrize(("mass", "radius"), [(1.0, 0.3), (5.0, 0.3), (30.0, 0.35)])
@pytest.mark.parametrize("gravity", [9.81, 0.0])
def test_a_fast_swing_is_accepted(mass: float, radius: float, gravity: float) -> None:
    """90 degrees to either side at 5 Hz, by inertia alone, of a model with a muscle that does nothing about it."""
    time = np.arange(100) / 100.0
    inertia = mass * radius**2 * 0.5 * np.pi * (10.0 * np.pi) ** 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        judge(inertia * np.sin(10.0 * np.pi * time), weight=mass * gravity)
    assert inertia < 0.5 * MARGIN * LEVER * mass * 9.81


def test_loads_and_actuators_count() -> None:
    moment = np.array([3e5])
    with pytest.raises(InputError, match="on 'knee'"):
        judge(moment, weight=100.0)
    quietly(lambda: judge(moment, weight=100.0, force=2000.0))
    quietly(lambda: judge(moment, weight=100.0, torque=4000.0))


def test_a_weightless_spike_is_refused() -> None:
    moment = 5.0 * np.sin(np.arange(100.0))
    moment[50] = 1e6
    with pytest.raises(InputError, match=r"'knee' at 0\.5 s"):
        judge(moment, arm=0.05)
    judge(np.zeros(5))


def test_an_absurd_moment_of_a_file_is_refused(two_leg: TwoLeg, tmp_path: Path) -> None:
    table = read_table(two_leg.motion)[["knee_angle_r", "hip_flexion_r"]].add_suffix("_moment")
    table.loc[table.index[20], "hip_flexion_r_moment"] = 4.8e16
    path = write_table(table, tmp_path / "moments.sto")
    with pytest.raises(InputError, match=r"moments\.sto: .*4\.8e\+16 N·m on 'hip_flexion_r' at 0\.3 s"):
        quietly(lambda: load_problem(two_leg.model, two_leg.motion, generalized_force=path))


def test_an_absurd_moment_of_inverse_dynamics_is_refused(two_leg: TwoLeg, rewrite) -> None:
    """A glitch of one frame in a motion at 100 kHz: no filter, accelerations of 1e9 rad/s²."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        table = table.set_index(0.1 + (table.index - table.index[0]) / 1000.0)
        table.iloc[35, table.columns.get_loc("knee_angle_r")] += 5.0
        return table

    with pytest.raises(InputError, match=r"changed\.mot: expected generalized forces below .* on '\w+' at 0\.1\d+ s"):
        quietly(lambda: load_problem(two_leg.model, rewrite(change)))


def test_what_the_loads_sum_to(two_leg: TwoLeg) -> None:
    loads = read_external_loads(two_leg.loads)
    table = read_table(two_leg.grf)
    total = sum(
        np.linalg.norm(table[[f"ground_force_{side}_v{axis}" for axis in "xyz"]].to_numpy(), axis=1) for side in "rl"
    )
    assert loads.largest("force") == pytest.approx(np.max(total))
    assert 0.0 < loads.largest("torque") < 20.0


def test_differentiation_is_what_repeated_times_would_break() -> None:
    """Why all this: with the row twice the spline's slopes are of any size."""
    table = again(-1)(waves())
    speed = differentiate(table.index.to_numpy(), table.to_numpy())[0]
    assert np.abs(speed).max() > 1e3 * 40.0 * 5.0
