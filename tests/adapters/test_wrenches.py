"""External loads low-passed: the force and its moment about a fixed point, in OpenSim's order of columns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import TwoLeg
from scipy.signal import butter

import osimopt
from osimopt import InputError, ModelError
from osimopt.adapters.load import open_trial
from osimopt.adapters.loads import ExternalLoads, read_external_loads
from osimopt.adapters.options import ReadOptions
from osimopt.adapters.wrenches import lowpass_loads
from osimopt.files.storage import read_table, write_table

CUTOFF = 6.0
#: Of the largest value: rounding of differences of moments.
HAND = 1e-9
#: Of the impulse of a force that starts and ends within the file.
KEPT = 1e-3
#: Generalized forces of the same wrench, by two loads files.
SAME = 1e-9


def by_hand(value: np.ndarray, rate: float) -> np.ndarray:
    """OpenSim's low-pass, as its difference equation: the first three outputs of each pass are the inputs."""
    half = len(value) // 2
    left, right = 2 * value[0] - value[half:0:-1], 2 * value[-1] - value[-2 : -half - 2 : -1]
    padded = np.concatenate([left, value, right])
    b, a = butter(3, CUTOFF / (0.5 * rate))
    for _ in range(2):
        out = padded.copy()
        for n in range(3, len(padded)):
            past = sum(b[k] * padded[n - k] - (a[k] * out[n - k] if k else 0.0) for k in range(4))
            out[n] = past
        padded = out[::-1]
    return padded[half : half + len(value)]


def document(folder: Path, forces: Mapping[str, Mapping[str, str]], columns: Mapping[str, np.ndarray]) -> Path:
    """An ExternalLoads file and its data at 200 Hz."""
    labels = {f"{name}{axis}": value[:, i] for name, value in columns.items() for i, axis in enumerate("xyz")}
    rows = len(next(iter(labels.values())))
    write_table(pd.DataFrame(labels, index=np.arange(rows) / 200.0), folder / "grf.mot")
    text = ""
    for name, tags in forces.items():
        inside = "".join(f"<{tag}>{value}</{tag}>" for tag, value in tags.items())
        text += f'<ExternalForce name="{name}">{inside}</ExternalForce>'
    path = folder / "loads.xml"
    path.write_text(
        '<?xml version="1.0"?><OpenSimDocument Version="40000"><ExternalLoads name="loads"><objects>'
        f"{text}</objects><datafile>grf.mot</datafile></ExternalLoads></OpenSimDocument>"
    )
    return path


def signals() -> dict[str, np.ndarray]:
    """A step with noise in force, a point that is anywhere while there is none, a torque."""
    rng = np.random.default_rng(1)
    stance = np.repeat([0.0, 1.0, 0.0], [60, 80, 60])[:, None]
    return {
        "F_v": stance * rng.normal((30.0, 700.0, -20.0), 20.0, (200, 3)),
        "F_p": stance * rng.normal((0.5, 0.0, 0.1), 0.02, (200, 3)) + (1.0 - stance) * [[300.0, 0.0, -90.0]],
        "F_t": stance * rng.normal(0.0, 3.0, (200, 3)),
    }


WHOLE = {"applied_to_body": "foot", "force_identifier": "F_v", "point_identifier": "F_p", "torque_identifier": "F_t"}


def parts(loads: ExternalLoads, number: int = 1) -> dict[str, np.ndarray]:
    prefixes = {"force": "force_v", "point": "point_p", "torque": "torque_"}
    wanted = {kind: [f"{number}_{prefix}{axis}" for axis in "xyz"] for kind, prefix in prefixes.items()}
    table = loads.table
    return {kind: table[axes].to_numpy() for kind, axes in wanted.items() if axes[0] in table.columns}


def moment(given: Mapping[str, np.ndarray], about: Any) -> np.ndarray:
    """Of a wrench about a point."""
    return given["torque"] + np.cross(given["point"] - about, given["force"])


def read(folder: Path, tags: Mapping[str, str], columns: Mapping[str, np.ndarray]) -> ExternalLoads:
    return lowpass_loads(read_external_loads(document(folder, {"one": tags}, columns)), CUTOFF)


def close(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.abs(one - other).max() <= HAND * np.abs(other).max())


@pytest.mark.parametrize("about", [(0.0, 0.0, 0.0), (0.3, -1.0, 0.2), (50.0, 0.0, 0.0)])
def test_force_and_moment_about_any_point_are_filtered(tmp_path: Path, about: tuple[float, ...]) -> None:
    """The filter is linear: the fixed point that was chosen does not matter."""
    given = signals()
    found = parts(read(tmp_path, WHOLE, given))
    assert np.ptp(found["point"], axis=0).max() == 0.0
    assert np.abs(found["point"][0] - [0.5, 0.0, 0.1]).max() < 0.01, "where the force is, not where there is none"
    raw = moment(dict(zip(("force", "point", "torque"), given.values(), strict=True)), about)
    assert close(found["force"], by_hand(given["F_v"], 200.0))
    assert close(moment(found, about), by_hand(raw, 200.0))


def test_the_impulse_is_kept(tmp_path: Path) -> None:
    given = signals()
    found = parts(read(tmp_path, WHOLE, given))
    assert found["force"].sum(axis=0) == pytest.approx(given["F_v"].sum(axis=0), rel=KEPT, abs=KEPT * 700.0)


def test_columns_are_taken_in_the_order_of_the_file(tmp_path: Path) -> None:
    """As OpenSim does, whatever their last letters."""
    given = signals()
    loads = read_external_loads(document(tmp_path, {"one": WHOLE}, given))
    table = read_table(loads.data)
    labels = list(table.columns)
    write_table(table.set_axis([*labels[:1], labels[2], labels[1], *labels[3:]], axis="columns"), loads.data)
    found = parts(lowpass_loads(read_external_loads(loads.path), CUTOFF))
    assert close(found["force"], by_hand(given["F_v"], 200.0))


def test_without_a_torque_there_is_one_then(tmp_path: Path) -> None:
    given = signals()
    found = parts(read(tmp_path, {**WHOLE, "torque_identifier": ""}, given))
    raw = moment({"force": given["F_v"], "point": given["F_p"], "torque": np.zeros((200, 3))}, 0.0)
    assert close(moment(found, 0.0), by_hand(raw, 200.0))


def test_without_a_point_the_force_stays_at_the_origin_of_its_body(tmp_path: Path) -> None:
    given = signals()
    with pytest.warns(UserWarning, match="no point_identifier"):
        found = parts(read(tmp_path, {**WHOLE, "point_identifier": ""}, given))
    assert set(found) == {"force", "torque"}
    assert close(found["force"], by_hand(given["F_v"], 200.0))
    assert close(found["torque"], by_hand(given["F_t"], 200.0))


def test_a_torque_alone(tmp_path: Path) -> None:
    given = signals()
    loads = read(tmp_path, {"applied_to_body": "foot", "torque_identifier": "F_t"}, given)
    found = parts(loads)
    assert set(found) == {"torque"}
    assert close(found["torque"], by_hand(given["F_t"], 200.0))
    assert loads.applied == {"force": (), "torque": (("1_torque_x", "1_torque_y", "1_torque_z"),)}


def test_force_and_point_in_one_body(tmp_path: Path) -> None:
    both = {"force_expressed_in_body": "foot", "point_expressed_in_body": "/bodyset/foot"}
    found = read(tmp_path, {**WHOLE, **both}, signals())
    assert found.rewritten is not None
    assert "<force_expressed_in_body>foot<" in found.rewritten.read_text()


def test_a_point_that_moves_in_another_body_is_refused(tmp_path: Path) -> None:
    """The moment then depends on the motion."""
    with pytest.raises(InputError, match=r"loads\.xml, ExternalForce 'one'.*in ground and a point that moves in foot"):
        read(tmp_path, {**WHOLE, "point_expressed_in_body": "foot"}, signals())


def test_a_point_that_is_fixed_in_another_body(tmp_path: Path) -> None:
    given = {**signals(), "F_p": np.tile([0.1, -0.02, 0.0], (200, 1))}
    found = parts(read(tmp_path, {**WHOLE, "point_expressed_in_body": "foot"}, given))
    assert close(found["torque"], by_hand(given["F_t"], 200.0))
    assert found["point"] == pytest.approx(given["F_p"], abs=1e-12)


def test_forces_that_are_switched_off_are_left_out(tmp_path: Path) -> None:
    off = {**WHOLE, "appliesForce": "false"}
    path = document(tmp_path, {"one": off, "two": WHOLE}, signals())
    with pytest.warns(UserWarning, match="one switched off"):
        loads = lowpass_loads(read_external_loads(path), CUTOFF)
    assert loads.rewritten is not None
    assert "one" not in loads.rewritten.read_text()
    assert len(loads.applied["force"]) == 1


def test_no_force_at_all_stays_none(tmp_path: Path) -> None:
    found = parts(read(tmp_path, WHOLE, {**signals(), "F_v": np.zeros((200, 3))}))
    assert not found["force"].any()
    assert np.isfinite(found["torque"]).all()


def test_a_cutoff_above_half_the_rate_names_its_option(tmp_path: Path) -> None:
    loads = read_external_loads(document(tmp_path, {"one": WHOLE}, signals()))
    with pytest.raises(InputError, match=r"between 0 and 100 Hz .*got 100 Hz\. Lower lowpass_loads_hz"):
        lowpass_loads(loads, 100.0)


LOADED = {"external_loads": "loads.xml"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"lowpass_loads_hz": 6.0}, "expected external_loads with lowpass_loads_hz, got none"),
        ({"lowpass_moments_hz": 6.0}, "expected generalized_force with lowpass_moments_hz, got none"),
        ({**LOADED, "lowpass_loads_hz": "motion"}, "lowpass_hz with lowpass_loads_hz='motion', got None"),
        ({**LOADED, "lowpass_loads_hz": "walk"}, "above 0 Hz, or 'motion', or None, got 'walk'"),
        ({**LOADED, "lowpass_loads_hz": 0.0}, "above 0 Hz, or 'motion', or None, got 0.0"),
    ],
)  # fmt: skip
def test_options_that_cannot_act_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        ReadOptions("model.osim", "walk.mot", **given)


def test_inverse_dynamics_of_the_filtered_wrench(two_leg: TwoLeg, tmp_path: Path) -> None:
    """The same as with a file of our own: the filtered force at the ground's origin, with the moment about it."""
    raw, columns = read_table(two_leg.grf), {}
    for side in "rl":
        kinds = {"force": "force_{}_v", "point": "force_{}_p", "torque": "torque_{}_"}
        labels = {kind: [f"ground_{text.format(side)}{axis}" for axis in "xyz"] for kind, text in kinds.items()}
        given = {kind: raw[axes].to_numpy() for kind, axes in labels.items()}
        ours = by_hand(given["force"], 100.0), np.zeros_like(given["point"]), by_hand(moment(given, 0.0), 100.0)
        columns |= {
            axis: own[:, i] for axes, own in zip(labels.values(), ours, strict=True) for i, axis in enumerate(axes)
        }
    write_table(pd.DataFrame(columns, index=raw.index), tmp_path / "grf.mot")
    (tmp_path / "loads.xml").write_text(two_leg.loads.read_text())
    asked = {"lowpass_hz": CUTOFF, "time_range": (0.2, 0.5)}
    found = osimopt.load_problem(two_leg.model, two_leg.motion, two_leg.loads, lowpass_loads_hz="motion", **asked)
    other = osimopt.load_problem(two_leg.model, two_leg.motion, tmp_path / "loads.xml", **asked)
    scale = np.abs(other.generalized_force).max()
    assert np.abs(found.generalized_force - other.generalized_force).max() < SAME * scale


def test_pieces_and_other_times_have_the_same_loads(two_leg: TwoLeg) -> None:
    options = ReadOptions(two_leg.model, two_leg.motion, two_leg.loads, lowpass_hz=CUTOFF, lowpass_loads_hz="motion")
    trial = open_trial(options)
    whole = trial.problem().generalized_force
    pieces = np.concatenate([piece.generalized_force for piece in trial.pieces(40)])
    assert np.abs(pieces - whole).max() < SAME * np.abs(whole).max()


def test_a_result_folder_has_the_loads_as_they_were_used(two_leg: TwoLeg, tmp_path: Path) -> None:
    """OpenSim's tools continue from it: the moments of its motion and loads are those that were balanced."""
    options = {"time_range": (0.5, 0.7), "lowpass_hz": CUTOFF, "n_jobs": 1}
    problem = osimopt.load_problem(two_leg.model, two_leg.motion, two_leg.loads, lowpass_loads_hz="motion", **options)
    folder = osimopt.solve_static(problem, on_failure="return").write(tmp_path / "result")
    motion, loads = folder / "coordinates.sto", folder / "external_loads.xml"
    again = osimopt.load_problem(two_leg.model, motion, loads, speeds=folder / "speeds.sto", n_jobs=1)
    inner = slice(5, -5)  # accelerations near the ends are of the spline through fewer frames
    size = np.abs(problem.generalized_force).max()
    assert np.abs(again.generalized_force - problem.generalized_force)[inner].max() < 1e-3 * size
    raw = osimopt.load_problem(two_leg.model, motion, two_leg.loads, speeds=folder / "speeds.sto", n_jobs=1)
    assert np.abs(raw.generalized_force - problem.generalized_force)[inner].max() > 0.01 * size


def test_loads_of_a_dataframe_are_named_in_the_result_folder(two_leg: TwoLeg, tmp_path: Path) -> None:
    """The XML beside a DataFrame may name no file."""
    text = re.sub(r"<datafile>.*?</datafile>", "", two_leg.loads.read_text())
    (tmp_path / "bare.xml").write_text(text)
    loads = (tmp_path / "bare.xml", read_table(two_leg.grf))
    options = {"time_range": (0.5, 0.55), "lowpass_loads_hz": CUTOFF, "n_jobs": 1}
    problem = osimopt.load_problem(two_leg.model, two_leg.motion, loads, **options)
    folder = osimopt.solve_static(problem, on_failure="return").write(tmp_path / "result")
    assert read_external_loads(folder / "external_loads.xml").data == folder / "external_loads.sto"


def test_without_the_loads_as_they_were_used_no_files_for_opensim_are_written(two_leg: TwoLeg, tmp_path: Path) -> None:
    cached = {"time_range": (0.5, 0.55), "lowpass_loads_hz": CUTOFF, "n_jobs": 1, "cache": tmp_path / "cache"}
    for kept in (True, False):
        problem = osimopt.load_problem(two_leg.model, two_leg.motion, two_leg.loads, **cached)
        folder = osimopt.solve_static(problem, on_failure="return").write(tmp_path / f"result_{kept}")
        assert (folder / "actuator_force.sto").exists() is kept
        assert (folder / "external_loads.sto").exists() is kept


def test_messages_name_the_file_that_was_given(two_leg: TwoLeg, tmp_path: Path) -> None:
    (tmp_path / "grf.mot").write_text(two_leg.grf.read_text())
    path = tmp_path / "loads.xml"
    path.write_text(two_leg.loads.read_text().replace(">foot_r<", ">hand_r<"))
    with pytest.raises(ModelError, match=rf"{path}: expected a body .* got 'hand_r'"):
        osimopt.load_problem(two_leg.model, two_leg.motion, path, lowpass_loads_hz=CUTOFF)


def test_moments_are_filtered_over_their_whole_file(two_leg: TwoLeg, tmp_path: Path) -> None:
    """At their own samples, before they are taken at the frames; the file has twice as many as the motion."""
    motion = read_table(two_leg.motion)
    time = np.linspace(motion.index[0], motion.index[-1], 2 * len(motion) - 1)
    value = np.random.default_rng(3).normal(0.0, 10.0, (len(time), 1))
    path = write_table(pd.DataFrame(value, index=time, columns=["hip_flexion_r_moment"]), tmp_path / "id.sto")
    asked = {"generalized_force": path, "lowpass_moments_hz": CUTOFF, "time_range": (0.2, 0.5)}
    with pytest.warns(UserWarning, match="balance is left out"):
        problem = osimopt.load_problem(two_leg.model, two_leg.motion, **asked)
    frames = np.searchsorted(time, problem.time - 1e-9)
    assert close(problem.generalized_force, by_hand(value, 200.0)[frames])


# -------------------------------------------------------------------------------------------------------- real data


@pytest.mark.slow
@pytest.mark.parametrize("name", ["knee_implant/GC5_ss1_loads.xml", "walk_80muscles/grf_walk.xml"])
def test_real_loads(real_data: Path, name: str) -> None:
    raw = read_external_loads(real_data / name)
    found = lowpass_loads(raw, CUTOFF)
    rate = 1.0 / np.diff(raw.table.index.to_numpy()).mean()
    for number, (force, torque) in enumerate(zip(raw.applied["force"], raw.applied["torque"], strict=True), 1):
        point = [axis.replace("_v", "_p") for axis in force]
        labels = {"force": force, "point": point, "torque": torque}
        given = {kind: raw.table[list(axes)].to_numpy() for kind, axes in labels.items()}
        ours = parts(found, number)
        assert close(ours["force"], by_hand(given["force"], rate))
        assert close(moment(ours, 0.0), by_hand(moment(given, 0.0), rate))
        if np.abs(given["force"][[0, -1]]).max() < 1.0:  # of others some of the impulse is beyond the file
            impulse = given["force"].sum(axis=0)
            assert np.abs(ours["force"].sum(axis=0) - impulse).max() < KEPT * np.abs(impulse).max()


@pytest.mark.slow
@pytest.mark.parametrize("trial", ["ss1", "ss3"])
def test_the_knee_moment_after_heel_strike(real_data: Path, trial: str) -> None:
    """Loads that are not filtered shake it: its second derivative is more than three times as large."""
    folder, shake = real_data / "knee_implant", []
    for cutoff in (None, "motion"):
        problem = osimopt.load_problem(
            folder / "GC5.osim", folder / f"GC5_{trial}.mot", folder / f"GC5_{trial}_loads.xml",
            lowpass_hz=CUTOFF, lowpass_loads_hz=cutoff,
        )  # fmt: skip
        knee = problem.generalized_force[:, problem.coordinates.index("knee_angle_l")]
        shake.append(np.abs(np.gradient(np.gradient(knee, problem.time), problem.time)).max())
    assert shake[0] > 3.0 * shake[1]
