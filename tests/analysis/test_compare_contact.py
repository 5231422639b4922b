"""compare_contact: closed forms of shifted, scaled, noisy and late copies; files of many forms; gaps, signs, peaks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from contact_cases import FORCE, STRIDES, TIME, WEIGHT, bumps, made, table

from osimopt import (
    Compartments,
    InputError,
    RedundancyProblem,
    RedundancySolution,
    Result,
    compare_contact,
    solve_static,
)
from osimopt.analysis.contact_comparison import VALLEY, two_peaks
from osimopt.analysis.measured_force import GAP, ONE_SIGN, known_between
from osimopt.files.storage import time_table, write_table
from osimopt.problem.reactions import JointReactions

#: Rounding of forces of 2000 N.
EXACT = 1e-9


@pytest.fixture(scope="module")
def solution() -> RedundancySolution:
    return made(TIME, FORCE)


def test_a_shift_is_the_bias(solution) -> None:
    found = compare_contact(solution, table(FORCE + 50.0), "force", joint="knee", strides=STRIDES)
    row = found.table.loc["axial"]
    assert row[["rmse", "mae", "bias"]].tolist() == pytest.approx([50.0, 50.0, -50.0], abs=EXACT)
    assert row[["rmse_bw", "mae_bw", "bias_bw"]].tolist() == pytest.approx(np.array([50.0, 50.0, -50.0]) / WEIGHT)
    assert row["r"] == pytest.approx(1.0)
    assert row[["rmse_mean", "rmse_sd", "bias_mean"]].tolist() == pytest.approx([50.0, 0.0, -50.0], abs=EXACT)
    assert row["samples"] == len(TIME)
    assert found.by_stride["rmse"].tolist() == pytest.approx([50.0] * 3)
    assert found.peaks["error"].tolist() == pytest.approx([-50.0] * 6)
    assert found.peaks["measured_percent"].tolist() == pytest.approx([15.0, 48.0] * 3)
    assert found.peaks["simulated_time"].tolist() == pytest.approx([0.15, 0.48, 1.15, 1.48, 2.15, 2.48])


def test_a_scale_and_noise(solution) -> None:
    half = compare_contact(solution, table(0.5 * FORCE), "force", joint="knee").table.loc["axial"]
    assert half["rmse"] == pytest.approx(0.5 * np.sqrt(np.mean(FORCE**2)))
    assert half["bias"] == pytest.approx(0.5 * FORCE.mean())
    assert half["r"] == pytest.approx(1.0)
    noise = 100.0 * np.random.default_rng(0).standard_normal(len(TIME))
    noisy = compare_contact(solution, table(FORCE + noise), "force", joint="knee").table.loc["axial"]
    assert noisy["rmse"] == pytest.approx(np.sqrt(np.mean(noise**2)))
    assert noisy["mae"] == pytest.approx(np.abs(noise).mean())
    assert noisy["r"] == pytest.approx(np.corrcoef(FORCE, FORCE + noise)[0, 1])


def test_strides_are_pooled_by_sample_and_averaged_by_stride(solution) -> None:
    offset = np.select([TIME < 1.0, TIME < 2.0], [10.0, 20.0], 30.0)
    found = compare_contact(solution, table(FORCE - offset), "force", joint="knee", strides=STRIDES)
    row = found.table.loc["axial"]
    assert found.by_stride["bias"].tolist() == pytest.approx([10.0, 20.0, 30.0])
    assert row[["bias_mean", "bias_sd"]].tolist() == pytest.approx([20.0, 10.0])
    assert row["bias"] == pytest.approx(offset.mean())  # the last stride has its end, the others have not
    one = compare_contact(solution, table(FORCE - offset), "force", joint="knee", strides=[(1.0, 2.0)])
    assert one.table.loc["axial", "samples"] == 101
    part = compare_contact(solution, table(FORCE), "force", joint="knee", strides=[*STRIDES, (3.0, 4.0)])
    assert len(part.by_stride) == 3
    assert any("1 strides are not wholly within" in note for note in part.notes)


def test_a_lag_is_told_but_not_applied(solution) -> None:
    found = compare_contact(solution, table(bumps(TIME + 0.05)), "force", joint="knee", strides=STRIDES)
    row = found.table.loc["axial"]
    assert row["lag"] == pytest.approx(0.05, abs=0.002)
    assert row["r_lag"] > 0.99 > row["r"]
    assert row["rmse"] == pytest.approx(np.sqrt(np.mean((FORCE - bumps(TIME + 0.05)) ** 2)))
    assert "50 ms late" in found.findings()[0]


# --- what is measured: axes, files, units, signs --------------------------------------------------------------------

STRIDE = np.linspace(0.0, 1.0, 101)


@pytest.fixture(scope="module")
def stride() -> RedundancySolution:
    """One stride from 0.5 to 1.7 s at 120 Hz, whose force is linear in its share: interpolation is exact."""
    time = 0.5 + np.arange(145) / 120.0
    return made(time, 400.0 + 1000.0 * (time - 0.5) / 1.2)


LINE = 400.0 + 1000.0 * STRIDE


def write(path: Path, header: str, rows: np.ndarray, mark: str = ",", comma: bool = False) -> Path:
    lines = [mark.join(f"{value:.12g}" for value in row) for row in rows]
    text = "\n".join(lines).replace(".", ",") if comma else "\n".join(lines)
    path.write_text(f"{header}\n{text}\n")
    return path


@pytest.mark.parametrize(
    ("name", "factor", "mark", "comma"),
    [
        ("percent", 100.0, ",", False), ("gait cycle (%)", 100.0, ";", True), ("pct", 1.0, "\t", False),
        ("Stride [%]", 100.0, "\t", True), ("unnamed", 100.0, ";", False), ("x_percent_of_stride", 1.0, ",", False),
    ],
)  # fmt: skip
def test_text_over_a_stride(stride, tmp_path: Path, name: str, factor: float, mark: str, comma: bool) -> None:
    rows = np.column_stack([factor * STRIDE, LINE, LINE / 2.0])
    path = write(tmp_path / "measured.csv", mark.join([name, "total", "medial"]), rows, mark, comma)
    found = compare_contact(stride, path, {"total": "axial"}, joint="knee")
    assert found.table.loc["axial", "rmse"] < 1e-6
    assert found.curves.spans == ((0.5, 1.7),)
    assert len(found.curves.time) == 145
    assert found.provenance["measured"]["sha256"]


def test_tables_over_a_stride_and_over_time(stride, tmp_path: Path) -> None:
    time = 0.5 + 1.2 * STRIDE
    by_time = table(LINE, time)
    given: list[Any] = [
        by_time, by_time.reset_index(), time_table(time, LINE[:, None], ["force"]),
        write_table(by_time, tmp_path / "force.sto"),
        write(tmp_path / "ms.csv", "time,force\nms,N", np.column_stack([1e3 * time, LINE])),
        pd.DataFrame({"force": LINE}), pd.DataFrame({"force": LINE}, index=100.0 * STRIDE),
        pd.DataFrame({"force": LINE}, index=pd.Index(STRIDE, name="stride")),
        write(tmp_path / "last.csv", "force,time", np.column_stack([LINE, time])),
        write(tmp_path / "alone.csv", "force", LINE[:, None]),
    ]  # fmt: skip
    for measured in given:
        found = compare_contact(stride, measured, "force", joint="knee")
        assert found.table.loc["axial", "rmse"] < 1e-6
    assert "101 rows without times" in found.notes[0]
    pd.DataFrame({"other": 0.0 * LINE, "force": LINE}).to_csv(tmp_path / "rows.csv")  # the first name is empty
    found = compare_contact(stride, tmp_path / "rows.csv", "force", joint="knee")
    assert found.table.loc["axial", "rmse"] < 1e-6
    assert "taken for per cent of a stride" in found.notes[0]
    unknown = write(tmp_path / "unknown.csv", "x,force", np.column_stack([time, LINE]))
    with pytest.raises(InputError, match=r"times or of per cent of a stride, got 'x'"):
        compare_contact(stride, unknown, "force", joint="knee")
    assert compare_contact(stride, unknown, "force", joint="knee", axis="time").table.loc["axial", "rmse"] < 1e-6
    with pytest.raises(InputError, match="100 rows without such a column"):
        compare_contact(stride, pd.DataFrame({"force": LINE[:100]}), "force", joint="knee")


def test_one_measured_stride_against_several(solution) -> None:
    mean = pd.DataFrame({"percent": 100.0 * STRIDE, "force": bumps(0.999999 * STRIDE)})
    found = compare_contact(solution, mean, "force", joint="knee", strides=STRIDES)
    assert found.by_stride["rmse"].tolist()[:2] == pytest.approx([0.0, 0.0], abs=0.1)
    assert found.by_stride["bias"].iloc[2] == pytest.approx(
        (bumps(STRIDE)[0] - bumps(np.array([0.999999]))[0]) / 101, abs=0.01
    )
    assert any("each of 3 strides" in note for note in found.notes)


def test_units_and_signs(solution) -> None:
    for unit, factor in (("BW", 1.0), ("%BW", 100.0)):
        measured = table(factor * FORCE / WEIGHT)
        found = compare_contact(solution, measured, "force", joint="knee", unit=unit)
        assert found.table.loc["axial", "rmse"] < EXACT
        other = compare_contact(solution, measured, "force", joint="knee", unit=unit, body_weight=2.0 * WEIGHT)
        assert other.table.loc["axial", "bias"] == pytest.approx(-FORCE.mean())
    thousands = compare_contact(solution, table(FORCE / 1000.0), "force", joint="knee", unit="kN")
    assert thousands.table.loc["axial", "rmse"] < EXACT
    negative = compare_contact(solution, table(-FORCE), "force", joint="knee")
    assert negative.table.loc["axial", "rmse"] < EXACT
    assert any("Compression is negative" in note for note in negative.notes)
    told = compare_contact(solution, table(-FORCE), "force", joint="knee", compression="positive")
    assert told.table.loc["axial", "bias"] == pytest.approx(2.0 * FORCE.mean())
    reverse = compare_contact(solution, table(FORCE), "force", joint="knee", on="parent", direction="y")
    assert reverse.table.loc["axial", "rmse"] < EXACT


def test_components(solution) -> None:
    columns = {"norm": "norm", "x": "fx", "y": "fy", "in": "medial", "out": "lateral", "all": "axial"}
    values = [np.hypot(1.0, 0.1) * FORCE, 0.1 * FORCE, -FORCE, 0.7 * FORCE, 0.3 * FORCE, FORCE]
    measured = pd.DataFrame(dict(zip(columns, values, strict=True)), index=pd.Index(TIME, name="time"))
    sides = {"medial": 0.7 * FORCE, "lateral": 0.3 * FORCE}
    found = compare_contact(solution, measured, columns, joint="knee", compartments=sides)
    assert found.table.index.tolist() == ["norm", "fx", "fy", "medial", "lateral", "axial"]
    assert found.table["rmse"].max() < EXACT
    summed = compare_contact(solution, measured, {"in+ out": "axial"}, joint="knee")
    assert summed.table.loc["axial", "rmse"] < EXACT
    with pytest.raises(InputError, match="simulated medial force"):
        compare_contact(solution, measured, {"in": "medial"}, joint="knee")


def test_compartments_by_their_centres() -> None:
    """Force 10 mm medially of the middle between two centres 40 mm apart: three quarters and a quarter of it."""
    known = made(TIME, FORCE).problem
    constant = np.zeros((len(TIME), 6))
    constant[:, 1], constant[:, 3] = -FORCE, 0.01 * FORCE
    effect = np.zeros((len(TIME), 6, 2))
    effect[:, 3] = [1e-8, 3e-8]  # muscles act in the frontal plane, if by less than 0.001 N
    knee = JointReactions.from_arrays("knee", constant, effect, known.muscles, WEIGHT)
    solution = solve_static(replace(known, reactions=knee))
    measured = pd.DataFrame({"in": 0.75 * FORCE, "out": 0.25 * FORCE, "all": FORCE}, index=pd.Index(TIME, name="time"))
    columns = {"in": "medial", "out": "lateral", "all": "axial"}
    centres = Compartments("knee", (0.0, 0.0, 0.02), (0.0, 0.0, -0.02), "knee")
    found = compare_contact(solution, measured, columns, joint="knee", compartments=centres)
    assert found.table["rmse"].max() < 1e-3
    with pytest.raises(InputError, match="compartments of hip"):
        compare_contact(replace(solution, problem=replace(known, reactions=replace(knee, joints=("hip",)))), measured,
                        columns, joint="hip", compartments=centres)  # fmt: skip
    with pytest.raises(InputError, match="a solution in memory"):
        compare_contact(Result.of(solution), measured, {"in": "medial"}, joint="knee", compartments=centres)


# --- what is not measured -------------------------------------------------------------------------------------------


def test_gaps_are_not_bridged(solution) -> None:
    measured = FORCE.copy()
    measured[100:120] = np.nan
    found = compare_contact(solution, table(measured), "force", joint="knee", strides=STRIDES)
    assert np.flatnonzero(np.isnan(found.curves.measured[:, 0])).tolist() == list(range(100, 120))
    assert found.table.loc["axial", "rmse"] < EXACT
    keep = np.r_[0:100, 120:301]
    missing = compare_contact(solution, table(FORCE[keep], TIME[keep]), "force", joint="knee", strides=STRIDES)
    assert np.flatnonzero(np.isnan(missing.curves.measured[:, 0])).tolist() == list(range(100, 120))
    assert missing.table.loc["axial", "samples"] == 281
    short = compare_contact(solution, table(FORCE[:250], TIME[:250]), "force", joint="knee")
    assert len(short.curves.time) == 250
    assert short.checks[-1].found == "83% of the frames"
    assert short.checks[-1].passes is False


def test_failed_frames_are_left_out(solution) -> None:
    activation = solution.activation.copy()
    activation[40:50] = np.nan
    status = solution.status.copy()
    status[40:50] = type(status[0]).INFEASIBLE
    broken = replace(solution, activation=activation, status=status)
    found = compare_contact(broken, table(FORCE + 5.0), "force", joint="knee", strides=STRIDES)
    assert found.table.loc["axial", ["samples", "rmse"]].tolist() == pytest.approx([291, 5.0])
    assert [check.name for check in found.checks if check.passes is False] == ["frames solved"]


def test_uneven_frames_are_compared_at_even_times() -> None:
    time = np.sort(np.r_[0.0, 3.0, 3.0 * np.random.default_rng(0).random(299)])
    found = compare_contact(made(time, 100.0 + 200.0 * time), table(90.0 + 200.0 * TIME), "force", joint="knee")
    assert np.ptp(np.diff(found.curves.time)) < EXACT
    assert found.table.loc["axial", "bias"] == pytest.approx(10.0)


@pytest.mark.parametrize(("jump", "known"), [(GAP - 0.1, True), (GAP + 0.1, False)])
def test_limit_of_a_gap(jump: float, known: bool) -> None:
    place = np.r_[np.arange(5.0), 4.0 + jump + np.arange(5.0)]
    found = known_between(place, place[:, None], np.array([3.5, 4.5, 5.0 + jump]))[:, 0]
    assert np.isfinite(found).tolist() == [True, known, True]


@pytest.mark.parametrize(("missing", "passes"), [(30, True), (31, False)])
def test_limit_of_what_must_be_known(solution, missing: int, passes: bool) -> None:
    measured = FORCE.copy()
    measured[:missing] = np.nan
    found = compare_contact(solution, table(measured), "force", joint="knee")
    assert found.checks[-1].passes is passes
    assert ("measured force known in" in " ".join(found.findings())) is not passes


@pytest.mark.parametrize(("share", "asked"), [(ONE_SIGN + 0.01, False), (ONE_SIGN - 0.01, True)])
def test_limit_of_one_sign(solution, share: float, asked: bool) -> None:
    measured = np.where(np.arange(len(TIME)) < share * len(TIME), 100.0, -100.0)
    if asked:
        with pytest.raises(InputError, match="compression="):
            compare_contact(solution, table(measured), "force", joint="knee")
    else:
        compare_contact(solution, table(measured), "force", joint="knee")


# --- peaks ----------------------------------------------------------------------------------------------------------

STANCE = np.arange(61) / 60.0


def test_two_peaks_and_one() -> None:
    two = 1000.0 + 500.0 * np.sin(2.0 * np.pi * STANCE * 1.5) ** 2
    first, second = two_peaks(two * (1.2 - 0.2 * STANCE))
    assert STANCE[first] == pytest.approx(1 / 6, abs=0.03)
    assert STANCE[second] in (pytest.approx(0.5, abs=0.03), pytest.approx(5 / 6, abs=0.03))
    for centre, expected in ((0.3, (True, False)), (0.7, (False, True))):
        bump = np.exp(-(((STANCE - centre) / 0.3) ** 2))
        assert tuple(one is not None for one in two_peaks(bump)) == expected
    knock = bumps(0.62 * STANCE) + 400.0 * np.exp(-(((STANCE - 0.02) / 0.02) ** 2))  # a transient at heel strike
    assert [0.62 * STANCE[one] for one in two_peaks(knock)] == pytest.approx([0.15, 0.48], abs=0.011)
    lower = bumps(0.62 * STANCE, 800.0, 3000.0)
    assert [0.62 * STANCE[one] for one in two_peaks(lower)] == pytest.approx([0.15, 0.48], abs=0.011)
    assert two_peaks(np.linspace(1.0, 2.0, 61)) == (None, 60)
    assert two_peaks(np.where(STANCE < 0.2, np.nan, STANCE)) == (None, None)


@pytest.mark.parametrize(("depth", "both"), [(VALLEY + 0.001, True), (VALLEY - 0.001, False)])
def test_limit_of_a_valley(depth: float, both: bool) -> None:
    force = np.interp(STANCE, [0.0, 0.25, 0.5, 0.75, 1.0], [0.0, 1000.0, 1000.0 * (1.0 - depth), 1000.0, 0.0])
    assert (None not in two_peaks(force)) is both


def test_one_peak_is_told(solution) -> None:
    single = 300.0 + 1800.0 * np.exp(-(((TIME % 1.0 - 0.2) / 0.15) ** 2))
    found = compare_contact(solution, table(single), "force", joint="knee", strides=STRIDES)
    assert found.peaks["measured"].notna().tolist() == [True, False] * 3
    assert "axial, second peak: not in the measured force of 3 strides." in found.findings()
    none = compare_contact(solution, table(single), "force", joint="knee")
    assert none.peaks.empty
    assert any("give strides=" in note for note in none.notes)


def test_a_reversed_joint_and_late_strides_are_told_of(solution) -> None:
    turned = compare_contact(solution, table(FORCE), "force", joint="knee", direction="y")
    assert any("pulls in 100% of the frames" in line for line in turned.findings())
    half = [(0.4, 1.4), (1.4, 2.4)]
    found = compare_contact(solution, table(FORCE), "force", joint="knee", strides=half)
    assert any("of 2 strides lies after stance (62% of a stride)" in line for line in found.findings())
    good = compare_contact(solution, table(FORCE), "force", joint="knee", strides=STRIDES)
    assert not good.curves.doubts()


# --- folders, JSON, errors ------------------------------------------------------------------------------------------


def test_from_a_folder(solution, tmp_path: Path) -> None:
    own = replace(solution.problem.reactions, frame="child")
    solution = replace(solution, problem=replace(solution.problem, reactions=own))
    result = Result.read(solution.write(tmp_path / "result"))
    memory, folder = (
        compare_contact(one, table(FORCE + 9.0), "force", joint="knee", strides=STRIDES) for one in (solution, result)
    )
    pd.testing.assert_frame_equal(memory.table, folder.table, atol=1e-6)
    pd.testing.assert_frame_equal(memory.peaks, folder.peaks, atol=1e-6)
    assert (
        compare_contact(result, table(FORCE), "force", joint="knee", on="parent", direction="y").table["r"].iloc[0] > 0
    )
    with pytest.raises(InputError, match="the ground's axes, got the child's"):
        compare_contact(result, table(FORCE), "force", joint="knee", frame="ground")
    compare_contact(result, table(FORCE), {"force": "norm"}, joint="knee", frame="ground")
    with pytest.raises(InputError, match="joints with reactions"):
        compare_contact(result, table(FORCE), "force", joint="ankle")
    bare = Result.of(solve_static(RedundancyProblem.from_arrays([0.05], [500.0], np.full(9, 5.0))))
    with pytest.raises(InputError, match=r"joint_reactions\.sto"):
        compare_contact(bare, table(FORCE), "force", joint="knee")


def test_what_is_returned(solution) -> None:
    found = compare_contact(solution, table(FORCE + 50.0), "force", joint="knee", strides=STRIDES)
    json.dumps(found.summary(), allow_nan=False)
    frame = found.to_dataframe()
    assert frame.columns.tolist() == [("axial", "simulated"), ("axial", "measured")]
    assert (frame["axial", "measured"] - frame["axial", "simulated"]).to_numpy() == pytest.approx(50.0)
    assert repr(found) == "<ContactComparison: knee, 3 strides, axial RMSE 50 N, r 1.00>"
    assert found.findings()[:2] == [
        "axial: RMSE 50 N (0.07 body weights), r 1.00, bias -50 N.",
        "axial, first peak: 2100 N at 15 % of the stride, measured 2150 N at 15 %.",
    ]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"columns": "other"}, "columns of the measured force"),
    ({"columns": {"force": "vertical"}}, "components among"),
    ({"columns": {}}, "components by column"),
    ({"columns": {"force": "total"}}, '"axial" for the force along an axis'),
    ({"columns": {"force": "axial", "force + force": "axial"}}, "one measured column for each"),
    ({"joint": "hip"}, "hip"),
    ({"unit": "kg"}, "unit among"),
    ({"unit": "BW"}, r"measured forces in BW, got 2\d\d\d"),
    ({"measured": table(FORCE / WEIGHT)}, 'unit="BW"'),
    ({"measured": table(FORCE), "unit": "kN"}, 'unit="N" if these are newtons'),
    ({"direction": "up"}, "direction"),
    ({"compression": "down"}, "compression"),
    ({"axis": "rows"}, "axis"),
    ({"stance": 62.0}, "stance as a share"),
    ({"body_weight": -1.0}, "body weight"),
    ({"strides": [(1.0, 0.5)]}, "end after they begin"),
    ({"strides": [1.0]}, "strides as pairs"),
    ({"strides": [(4.0, 5.0)]}, r"strides within 0 to 3 s"),
    ({"measured": table(FORCE, TIME + 9.0)}, "5 frames within the measurement, got 0"),
    ({"measured": table(FORCE, TIME[::-1])}, "per cent that increase"),
    ({"measured": table(np.full(301, np.nan))}, "none in force"),
    ({"measured": Path("nowhere.csv")}, "no such file"),
    ({"measured": table(-FORCE), "columns": {"force": "norm"}}, "not negative"),
    ({"axis": "percent"}, r"from 0 to 1, got 0 to 3"),
    ({"compartments": {"medial": FORCE[:9]}, "columns": {"force": "medial"}}, "medial force in each of 301"),
]


@pytest.mark.parametrize(("given", "words"), WRONG)
def test_wrong_input(solution, given: dict[str, Any], words: str) -> None:
    arguments = {"measured": table(FORCE), "columns": "force", "joint": "knee", **given}
    measured, columns = arguments.pop("measured"), arguments.pop("columns")
    with pytest.raises(InputError, match=words):
        compare_contact(solution, measured, columns, **arguments)
