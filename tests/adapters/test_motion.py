"""Motions as people have them, read for the two-leg model: every dialect must give the same kinematics."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from osimopt.adapters.model import Model, read_model
from osimopt.adapters.motion import read_motion
from osimopt.adapters.units import describe_outside
from osimopt.errors import InputError
from osimopt.files.storage import read_table, write_table
from osimopt.problem.arrays import Coordinate, Kinematics
from osimopt.signals import differentiate, lowpass, lowpass_padded

Array = NDArray[np.float64]
Change = Callable[[pd.DataFrame], pd.DataFrame]

TRANSLATIONS = ["pelvis_tx", "pelvis_ty", "pelvis_tz"]
PATELLA = np.polynomial.Polynomial([0.3, 0.72, 0.12])  # knee_beta_l of knee_angle_l (rad), as in two_leg.py
MTP_LOCK = np.deg2rad([5.0, -3.0])
#: The same numbers, once through degrees: rounding of 1e-16 that two splines divide by steps of 10 ms.
ROUNDING, ROUNDING_SPEED, ROUNDING_ACCELERATION = 1e-13, 1e-11, 1e-8


@pytest.fixture(scope="module")
def model(two_leg) -> Model:
    return read_model(two_leg.model)


@pytest.fixture(scope="module")
def plain(two_leg, model) -> Kinematics:
    """The motion as it comes."""
    return read_motion(two_leg.motion, model)


@pytest.fixture
def rewrite(two_leg, tmp_path: Path):
    """Write the motion again, changed."""

    def _rewrite(change: Change = lambda table: table, *, in_degrees: bool = True) -> Path:
        table = change(read_table(two_leg.motion))
        return write_table(table, tmp_path / "changed.mot", in_degrees=in_degrees)

    return _rewrite


def in_radians(table: pd.DataFrame) -> pd.DataFrame:
    turned = [column for column in table.columns if column not in TRANSLATIONS]
    return table.assign(**{column: np.deg2rad(table[column]) for column in turned})


def agree(found: Kinematics, expected: Kinematics) -> None:
    assert found.coordinates == expected.coordinates
    assert np.array_equal(found.time, expected.time)
    for name, tolerance in (
        ("value", ROUNDING),
        ("speed", ROUNDING_SPEED),
        ("acceleration", ROUNDING_ACCELERATION),
    ):
        assert np.abs(getattr(found, name) - getattr(expected, name)).max() < tolerance


def column(motion: Kinematics, name: str) -> tuple[Array, Array, Array]:
    index = motion.coordinates.index(name)
    return motion.value[:, index], motion.speed[:, index], motion.acceleration[:, index]


# ------------------------------------------------------------------------------------------- same motion


def test_values_are_radians_and_metres_of_the_file(two_leg, model, plain) -> None:
    table = in_radians(read_table(two_leg.motion))
    free = [model.description.coordinate_names[index] for index in model.description.free]
    assert len(free) == 14
    for name in free:
        assert column(plain, name)[0] == pytest.approx(table[name].to_numpy(), abs=ROUNDING)


def test_speeds_and_accelerations_are_the_quintic_splines(model, plain) -> None:
    free = list(model.description.free)
    speed, acceleration = differentiate(plain.time, plain.value[:, free])
    assert plain.speed[:, free] == pytest.approx(speed, abs=ROUNDING_SPEED)
    assert plain.acceleration[:, free] == pytest.approx(acceleration, abs=ROUNDING_ACCELERATION)


def test_radians_by_header(model, plain, rewrite) -> None:
    agree(read_motion(rewrite(in_radians, in_degrees=False), model), plain)


def test_simm_header(model, plain, rewrite) -> None:
    """A .mot without version and inDegrees is SIMM's, in degrees."""
    path = rewrite()
    head, body = path.read_text().split("endheader\n")
    assert "version" in head
    path.write_text(f"# SIMM Motion File\nname walk\ndatacolumns 19\ndatarows 70\nendheader\n{body}")
    agree(read_motion(path, model), plain)


def test_state_paths(model, plain, rewrite) -> None:
    """Labels of a states file; its speeds and activations are not looked at."""
    joints = {coordinate.name: coordinate.joint for coordinate in model.description.coordinates}

    def as_states(table: pd.DataFrame) -> pd.DataFrame:
        table = in_radians(table)
        paths = {name: f"/jointset/{joints[name]}/{name}" for name in table.columns}
        states = table.rename(columns={name: f"{path}/value" for name, path in paths.items()})
        for path in paths.values():
            states[f"{path}/speed"] = 99.0
        return states.assign(**{"/forceset/soleus_r/activation": 0.5})

    agree(read_motion(rewrite(as_states, in_degrees=False), model), plain)


def test_padded_labels_and_other_columns(model, plain, rewrite) -> None:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        shuffled = table[table.columns[::-1]].assign(arm_flex_r=np.nan, foot_marker=1.0)
        return shuffled.rename(columns=lambda name: f"  {name} ")

    agree(read_motion(rewrite(change), model), plain)


def test_columns_that_the_model_decides_may_be_absent(model, plain, rewrite) -> None:
    decided = ["knee_beta_r", "knee_beta_l", "mtp_angle_r", "mtp_angle_l"]
    agree(read_motion(rewrite(lambda table: table.drop(columns=decided)), model), plain)


# ------------------------------------------------------------------------ coupled, locked, prescribed


def test_coupled_coordinate_follows_by_the_chain_rule(plain) -> None:
    knee, knee_speed, knee_acceleration = column(plain, "knee_angle_l")
    value, speed, acceleration = column(plain, "knee_beta_l")
    slope, bend = PATELLA.deriv(), PATELLA.deriv(2)
    assert value == pytest.approx(PATELLA(knee), abs=ROUNDING)
    assert speed == pytest.approx(slope(knee) * knee_speed, abs=ROUNDING_SPEED)
    expected = slope(knee) * knee_acceleration + bend(knee) * knee_speed**2
    assert acceleration == pytest.approx(expected, abs=ROUNDING_ACCELERATION)


def test_coupled_spline_is_consistent_with_its_derivatives(plain) -> None:
    """The right patella follows a spline: its speed is the slope of its values."""
    value, speed, _ = column(plain, "knee_beta_r")
    numeric = np.gradient(value, plain.time)
    step = plain.time[1] - plain.time[0]
    curvature = np.abs(np.gradient(np.gradient(speed, plain.time), plain.time)).max()
    assert np.abs(numeric - speed)[1:-1].max() < 0.5 * step**2 * curvature  # error of a central difference


@pytest.mark.parametrize(
    ("change", "names"),
    [
        pytest.param({"knee_beta_r": np.rad2deg}, ["knee_beta_r (coupled)"], id="coupled, wrong unit"),
        pytest.param(
            {"knee_beta_r": lambda x: x + 1.0, "knee_beta_l": lambda x: 0.0 * x},
            ["knee_beta_r (coupled)", "knee_beta_l (coupled)"],
            id="both coupled",
        ),
        pytest.param({"mtp_angle_l": lambda x: x + 10.0}, ["mtp_angle_l (locked)"], id="locked"),
    ],
)
def test_columns_against_the_model_are_one_warning_and_not_used(
    model, plain, rewrite, change: dict[str, Callable[[Array], Array]], names: list[str]
) -> None:
    path = rewrite(lambda table: table.assign(**{name: f(table[name]) for name, f in change.items()}))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        motion = read_motion(path, model)
    agree(motion, plain)
    (warning,) = caught
    text = str(warning.message)
    assert str(path) in text
    assert all(name in text for name in names)
    assert text.count("(") == len(names)


def test_coupled_degrees_in_a_radians_file(model, plain, rewrite) -> None:
    """As public walking data have it: only the column that the model recomputes is in another unit."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        return in_radians(table).assign(knee_beta_r=table["knee_beta_r"] * 10.0)

    with pytest.warns(UserWarning, match=r"knee_beta_r \(coupled\)"):
        motion = read_motion(rewrite(change, in_degrees=False), model)
    agree(motion, plain)


def test_locked_coordinate_keeps_the_models_default(plain) -> None:
    for name, default in zip(("mtp_angle_r", "mtp_angle_l"), MTP_LOCK, strict=True):
        value, speed, acceleration = column(plain, name)
        assert value == pytest.approx(default, abs=ROUNDING)
        assert speed == pytest.approx(0.0, abs=ROUNDING_SPEED)
        assert acceleration == pytest.approx(0.0, abs=ROUNDING_ACCELERATION)


def prescribe(two_leg, tmp_path: Path) -> Path:
    """The two-leg model with the right hip's adduction given by 0.1 + 0.05 sin(6 t)."""
    text = two_leg.model.read_text()
    before = '<Coordinate name="hip_adduction_r">'
    assert text.count(before) == 1
    sine = "<amplitude>0.05</amplitude><omega>6</omega><phase>0</phase><offset>0.1</offset>"
    function = f"<prescribed_function><Sine>{sine}</Sine></prescribed_function><prescribed>true</prescribed>"
    path = tmp_path / "prescribed.osim"
    path.write_text(text.replace(before, before + function))
    return path


def test_prescribed_coordinate_follows_the_models_function(two_leg, tmp_path: Path, rewrite, plain) -> None:
    model = read_model(prescribe(two_leg, tmp_path))
    kinds = {coordinate.name: coordinate.kind for coordinate in model.description.coordinates}
    assert kinds["hip_adduction_r"] == "prescribed"
    motion = read_motion(rewrite(lambda table: table.drop(columns="hip_adduction_r")), model)
    wave = 6.0 * plain.time
    value, speed, acceleration = column(motion, "hip_adduction_r")
    assert value == pytest.approx(0.1 + 0.05 * np.sin(wave), abs=ROUNDING)
    assert speed == pytest.approx(0.3 * np.cos(wave), abs=ROUNDING)
    assert acceleration == pytest.approx(-1.8 * np.sin(wave), abs=ROUNDING)
    others = [index for index, name in enumerate(motion.coordinates) if name != "hip_adduction_r"]
    assert np.array_equal(motion.acceleration[:, others], plain.acceleration[:, others])


def test_prescribed_column_that_differs_is_a_warning(two_leg, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"hip_adduction_r \(prescribed\)"):
        read_motion(two_leg.motion, read_model(prescribe(two_leg, tmp_path)))


# ------------------------------------------------------------------------------- time range, filter


@pytest.mark.parametrize(
    ("time_range", "first", "last"),
    [
        ((0.2, 0.4), 0.2, 0.4),
        ((0.195, 0.405), 0.2, 0.4),
        ((0.09, 0.8), 0.1, 0.79),
        ((0.3, float("inf")), 0.3, 0.79),
        ((0.5, 0.5), 0.5, 0.5),
    ],
)
def test_time_range_keeps_frames_with_derivatives_of_the_whole(
    two_leg, model, plain, time_range: tuple[float, float], first: float, last: float
) -> None:
    cut = read_motion(two_leg.motion, model, time_range=time_range)
    assert cut.time[[0, -1]].tolist() == pytest.approx([first, last])
    start = int(np.argmin(np.abs(plain.time - first)))
    for name in ("time", "value", "speed", "acceleration"):
        assert np.array_equal(getattr(cut, name), getattr(plain, name)[start : start + len(cut.time)])


@pytest.mark.parametrize("time_range", [(0.0, 0.4), (0.2, 0.9), (-5, 9)])
def test_a_time_range_beyond_the_motion_is_a_warning(two_leg, model, time_range: tuple[float, float]) -> None:
    with pytest.warns(
        UserWarning, match=r"reaches beyond the motion; its frames from 0\.[12] to 0\.(4|79) s were used"
    ):
        read_motion(two_leg.motion, model, time_range=time_range)


@pytest.mark.parametrize(
    ("time_range", "got"),
    [
        ((2.0, 3.0), r"2 to 3 s\. Choose another"),
        ((-1.0, 0.0), r"-1 to 0 s\. Choose another"),
        ((0.4, 0.2), r"0\.4 to 0\.2 s, which ends before it starts\. Give the earlier time first"),
        ((0.201, 0.209), r"0\.201 to 0\.209 s, between the frames at 0\.2 and 0\.21 s"),
    ],
)
def test_time_range_without_a_frame(two_leg, model, time_range: tuple[float, float], got: str) -> None:
    with pytest.raises(InputError, match=rf"motion\.mot: expected a time_range within 0\.1 to 0\.79 s, got {got}"):
        read_motion(two_leg.motion, model, time_range=time_range)


def without(*rows: int) -> Change:
    return lambda table: table.drop(index=table.index[list(rows)])


def test_a_hole_in_the_sampling_is_a_warning(model, rewrite) -> None:
    hole = without(*range(20, 25))
    with pytest.warns(
        UserWarning, match=r"1 hole in the sampling, the widest from 0\.29 to 0\.35 s where steps are 0\.01"
    ):
        read_motion(rewrite(hole), model)
    read_motion(rewrite(hole), model, time_range=(0.4, 0.7))  # away from it nothing is said
    read_motion(rewrite(without(20, 21)), model)  # nor of a step of three


def test_uneven_times_are_resampled_for_the_filter_is_a_warning(model, rewrite) -> None:
    uneven = rewrite(without(20))
    with pytest.warns(
        UserWarning, match=r"steps of 0\.01 to 0\.02 s\); for the low-pass they were resampled every 0\.01"
    ):
        read_motion(uneven, model, lowpass_hz=6.0)
    read_motion(uneven, model)


@pytest.fixture
def ranged(two_leg, tmp_path: Path) -> Callable[..., Model]:
    """The two-leg model with another range of the left knee."""

    def _ranged(low: float, high: float, *, clamped: bool = False) -> Model:
        text, start = two_leg.model.read_text(), '<Coordinate name="knee_angle_l">'
        before, after = text.split(start)
        own, rest = after.split("</Coordinate>", 1)
        for tag in ("default_value", "range", "clamped"):
            own = re.sub(rf"<{tag}>.*?</{tag}>", "", own, flags=re.DOTALL)
        own += f"<default_value>{np.deg2rad(low)}</default_value>"
        own += f"<range>{np.deg2rad(low)} {np.deg2rad(high)}</range><clamped>{str(clamped).lower()}</clamped>"
        path = tmp_path / "ranged.osim"
        path.write_text(f"{before}{start}{own}</Coordinate>{rest}")
        return read_model(path)

    return _ranged


def test_a_joint_outside_its_range_is_a_warning(two_leg, ranged) -> None:
    knee = read_table(two_leg.motion)["knee_angle_l"]
    high = round(knee.max() - 8.0, 1)
    beyond = int((knee > high + 5.0).sum())
    told = rf"knee_angle_l by up to {knee.max() - high:.3g} deg in {beyond} of {len(knee)} \(range -170 to {high:g}\)"
    with pytest.warns(UserWarning, match=rf"outside the model's range, in frames: {told}\. Muscle paths"):
        read_motion(two_leg.motion, ranged(-170.0, high))
    read_motion(two_leg.motion, ranged(-170.0, knee.max() - 4.0))  # 4 degrees are nothing
    read_motion(two_leg.motion, ranged(-170.0, high), time_range=(float(knee.idxmin()), float(knee.idxmin())))


def test_a_clamped_joint_has_no_slack(two_leg, ranged) -> None:
    knee = read_table(two_leg.motion)["knee_angle_l"]
    with pytest.warns(UserWarning, match=r"clamps them.*knee_angle_l by up to 4 deg .*OpenSim's tools would hold them"):
        read_motion(two_leg.motion, ranged(-170.0, knee.max() - 4.0, clamped=True))


def test_ranges_that_are_not_checked() -> None:
    far = np.array([-50.0, 50.0])
    coordinate = Coordinate("turn", "hinge", "free", True, 0.0, (-10.0, 10.0))
    assert describe_outside(coordinate, far) == ""
    assert describe_outside(replace(coordinate, range=(-np.inf, np.inf)), far) == ""
    assert describe_outside(replace(coordinate, range=(-1.0, 1.0), floating=True), far) == ""
    slider = replace(coordinate, rotational=False, range=(-0.1, 0.1))
    assert describe_outside(slider, np.array([0.109, 0.05])) == ""
    assert describe_outside(slider, np.array([0.13, 0.05])) == "turn by up to 0.03 m in 1 of 2 (range -0.1 to 0.1)"


def test_lowpass_filters_free_coordinates_before_the_rest_follows(two_leg, model, plain) -> None:
    smooth = read_motion(two_leg.motion, model, lowpass_hz=6.0)
    free = list(model.description.free)
    expected = lowpass(plain.time, plain.value[:, free], 6.0)
    assert np.abs(expected - plain.value[:, free]).max() > 1e-3  # or the test would show nothing
    assert smooth.value[:, free] == pytest.approx(expected, abs=ROUNDING)
    assert column(smooth, "knee_beta_l")[0] == pytest.approx(PATELLA(column(smooth, "knee_angle_l")[0]), abs=ROUNDING)
    pad = len(plain.time) // 2  # OpenSim differentiates with the filter's padding still there
    padded = differentiate(*lowpass_padded(plain.time, plain.value[:, free], 6.0, pad))[0][pad:-pad]
    assert smooth.speed[:, free] == pytest.approx(padded, abs=ROUNDING_SPEED)
    assert np.abs(padded - differentiate(plain.time, expected)[0]).max() > 1e-3


# ------------------------------------------------------------------------------------------- refusals


def repeat_time(table: pd.DataFrame) -> pd.DataFrame:
    return table.set_index(table.index.where(table.index != table.index[3], table.index[2]))


def swap_rows(table: pd.DataFrame) -> pd.DataFrame:
    return table.iloc[[0, 1, 3, 2, *range(4, 70)]]


def with_nan(table: pd.DataFrame) -> pd.DataFrame:
    table.loc[table.index[4], "knee_angle_l"] = np.nan
    return table


def nan_time(table: pd.DataFrame) -> pd.DataFrame:
    return table.set_index(table.index.where(table.index != table.index[3], np.nan))


def clash(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(**{"/jointset/knee_r/knee_angle_r/value": 0.0})


@pytest.mark.parametrize(
    ("change", "match"),
    [
        pytest.param(
            lambda t: t.drop(columns=["ankle_angle_l", "knee_angle_r"]),
            r"none for knee_angle_r, ankle_angle_l.*lock.*weld=\('ankle_l', 'knee_r'\)",
            id="two coordinates missing",
        ),
        pytest.param(
            lambda t: t.drop(columns="ankle_angle_l"),
            r"none for ankle_angle_l.*weld=\('ankle_l',\)",
            id="one coordinate missing",
        ),
        pytest.param(
            lambda t: t.rename(columns=lambda name: f"arm_{name}"),
            r"Check that it is a motion of this model: its columns are arm_pelvis_tilt",
            id="another model's motion",
        ),
        pytest.param(with_nan, r"NaN in 'knee_angle_l' at 0\.14 s \(row 5 of the table\)", id="NaN"),
        pytest.param(nan_time, r"finite times, got nan in row 4", id="NaN time"),
        pytest.param(repeat_time, r"a time twice.*rows 3 and 4 of the table.*Remove", id="time twice"),
        pytest.param(swap_rows, r"a step back: 0\.13 s then 0\.12 s in rows 3 and 4", id="step back"),
        pytest.param(clash, "two for knee_angle_r", id="coordinate twice"),
        pytest.param(lambda t: t.iloc[:5], "at least 6 frames, got 5", id="too short"),
    ],
)
def test_what_is_refused(model, rewrite, change: Change, match: str) -> None:
    path = rewrite(change)
    with pytest.raises(InputError, match=match) as caught:
        read_motion(path, model)
    if "6 frames" not in match:
        assert str(path) in str(caught.value)


def test_radians_declared_degrees_evident(model, rewrite) -> None:
    with pytest.raises(
        InputError, match=r"radians, as the header declares, got 'hip_flexion_r' reaching 23.8 .*inDegrees=yes"
    ):
        read_motion(rewrite(in_degrees=False), model)


def test_a_short_motion_with_a_filter_is_refused_in_words(model, rewrite) -> None:
    with pytest.raises(InputError, match="frames, got 1"):
        read_motion(rewrite(lambda table: table.iloc[:1]), model, lowpass_hz=6.0)


def test_following_the_advice_to_weld_works(two_leg, rewrite) -> None:
    """The message about a missing column names a joint to weld; welding it makes the motion complete."""
    path = rewrite(lambda table: table.drop(columns="ankle_angle_l"))
    with pytest.raises(InputError, match=r"weld=\('ankle_l',\)"):
        read_motion(path, read_model(two_leg.bare))
    welded = read_motion(path, read_model(two_leg.bare, weld=("ankle_l",)))
    held = welded.value[:, welded.coordinates.index("ankle_angle_l")]
    assert np.ptp(held) == 0.0, "a welded joint stays in the model's default pose"
