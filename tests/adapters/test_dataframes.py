"""DataFrames in place of files: the same numbers, the same checks, and errors that name the argument."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import TwoLeg

import osimopt
from osimopt import InputError, load_problem
from osimopt.datasets import Example
from osimopt.files.given import GivenTable
from osimopt.files.storage import read_table, write_table

SPAN = (0.3, 0.4)


def same(found: osimopt.RedundancyProblem, expected: osimopt.RedundancyProblem) -> None:
    """The arrays are equal to the last bit."""
    for name in ("time", "moment_arm", "max_force", "generalized_force"):
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name


@pytest.mark.parametrize("span", [SPAN, (0.3, 0.32)], ids=["sampled loads", "few frames"])
def test_motion_and_loads_as_files(two_leg: TwoLeg, span: tuple[float, float]) -> None:
    by_file = load_problem(two_leg.model, two_leg.motion, two_leg.loads, time_range=span)
    loads = (two_leg.loads, read_table(two_leg.grf))
    by_frame = load_problem(two_leg.model, read_table(two_leg.motion), loads, time_range=span)
    same(by_frame, by_file)
    inputs = by_frame.provenance["inputs"]
    assert inputs["motion"]["file"] == inputs["external_loads_data"]["file"] == "DataFrame"
    assert inputs["motion"]["sha256"] == GivenTable(read_table(two_leg.motion), "motion").sha256
    assert inputs["external_loads"] == by_file.provenance["inputs"]["external_loads"]


def test_a_part_with_loads_as_a_frame(two_leg: TwoLeg) -> None:
    """A part asks which bodies the loads act on."""
    loads = (two_leg.loads, read_table(two_leg.grf))
    part = {"coordinates": "left", "time_range": (0.3, 0.32)}
    by_file = load_problem(two_leg.model, two_leg.motion, two_leg.loads, **part)
    same(load_problem(two_leg.model, two_leg.motion, loads, **part), by_file)


def test_moments_and_speeds_as_files(arm: Example, tmp_path: Path) -> None:
    table = read_table(arm.motion)
    moments = write_table(table.add_suffix("_moment") * 0.01, tmp_path / "moments.sto")
    plain = load_problem(arm.model, arm.motion, time_range=SPAN)
    speeds = np.rad2deg(osimopt.signals.differentiate(table.index.to_numpy(), np.deg2rad(table.to_numpy()))[0])
    file = write_table(pd.DataFrame(speeds, table.index, table.columns + "_u"), tmp_path / "u.sto", in_degrees=True)
    for option, path in (("generalized_force", moments), ("speeds", file)):
        by_file = load_problem(arm.model, arm.motion, time_range=SPAN, **{option: path})
        same(load_problem(arm.model, table, time_range=SPAN, **{option: read_table(path)}), by_file)
        assert plain.coordinates == by_file.coordinates


def test_times_in_a_column_and_radians(arm: Example) -> None:
    """A DataFrame of one's own has no attributes; its angles are radians."""
    table = np.deg2rad(read_table(arm.motion))
    own = pd.DataFrame(table.to_numpy(), columns=table.columns)
    own.insert(1, "time", table.index.to_numpy())
    found = load_problem(arm.model, own, time_range=SPAN)
    expected = load_problem(arm.model, arm.motion, time_range=SPAN)
    np.testing.assert_allclose(found.generalized_force, expected.generalized_force, rtol=0.0, atol=1e-9)
    assert own.attrs == {}, "the DataFrame is left as it was"


def test_the_cache_follows_the_content(arm: Example, tmp_path: Path) -> None:
    table, cache = read_table(arm.motion), tmp_path / "cache"

    def kept(frame: pd.DataFrame) -> int:
        load_problem(arm.model, frame, time_range=SPAN, cache=cache)
        return len(list(cache.glob("*.npz")))

    first = kept(table)
    assert kept(table.copy()) == first
    assert kept(table.assign(r_elbow_flex=table["r_elbow_flex"] + 1e-9)) == first + 1


def test_a_folder_of_results(arm: Example, tmp_path: Path) -> None:
    summary, provenance = osimopt.solve_to_folder(
        tmp_path / "out", arm.model, read_table(arm.motion), time_range=(0.2, 0.3)
    )
    assert summary.solved == summary.frames
    assert provenance["inputs"]["motion"]["file"] == "DataFrame"


def test_emg(tmp_path: Path) -> None:
    time = np.arange(2000) / 1000.0
    frame = pd.DataFrame({"soleus": np.sin(500.0 * time), "tibant": np.cos(400.0 * time)}, index=time)
    by_file = osimopt.read_emg(write_table(frame, tmp_path / "emg.sto"))
    found = osimopt.read_emg(frame)
    assert np.array_equal(found.value, by_file.value)
    assert found.envelope == by_file.envelope
    assert found.source["path"] == "the DataFrame given as EMG"
    assert np.array_equal(osimopt.process_emg(frame).value, osimopt.process_emg(by_file).value)


Change = Callable[[pd.DataFrame], Any]


def in_words(table: pd.DataFrame) -> pd.DataFrame:
    table.attrs["in_degrees"] = "no"
    return table


WRONG: list[tuple[Change, str]] = [
    (lambda t: t.reset_index(drop=True), r"times in s as the index, got row numbers 0 to 150, and no column 'time'"),
    (lambda t: t.set_index(pd.to_timedelta(t.index, unit="s")), r"numbers in the times, got timedelta64"),
    (lambda t: t.astype(object).assign(r_elbow_flex="bent"), r"numbers in column 'r_elbow_flex', got object.*'bent'"),
    (lambda t: t.iloc[:0], r"rows and columns of numbers, got shape \(0, 2\)"),
    (lambda t: t.where(t["r_elbow_flex"] != t["r_elbow_flex"].iloc[7]), r"NaN in 'r_shoulder_elev' at 0\.07 s"),
    (lambda t: t.rename(columns={"r_elbow_flex": "r_elbow_flx"}), r"none for r_elbow_flex\. Did you mean r_elbow_flex"),
    (
        lambda t: pd.DataFrame(t.to_numpy(), t.index, t.columns),
        r"radians, as attrs.*set attrs\[\"in_degrees\"\] = True",
    ),
    (in_words, r"True or False in attrs\[\"in_degrees\"\], got 'no'"),
    (lambda t: t.iloc[::-1], "a step back: 1.5 s then 1.49 s"),
]


@pytest.mark.parametrize(("change", "words"), WRONG)
def test_what_is_refused(arm: Example, change: Change, words: str) -> None:
    with pytest.raises(InputError, match=f"^the DataFrame given as motion: expected .*{words}"):
        load_problem(arm.model, change(read_table(arm.motion)))


@pytest.mark.parametrize("loads", [("loads.xml", "loads.mot"), ("loads.xml",)])
def test_loads_are_a_path_and_a_dataframe(arm: Example, loads: Any) -> None:
    with pytest.raises(InputError, match=r"external_loads as a path, or \(path, DataFrame\), got \('loads\.xml'"):
        load_problem(arm.model, arm.motion, loads)
    with pytest.raises(InputError, match=r"external_loads as a path, or \(path, DataFrame\), got .*r_shoulder_elev"):
        load_problem(arm.model, arm.motion, read_table(arm.motion))
    with pytest.raises(InputError, match="a model as a path"):
        load_problem(read_table(arm.motion), arm.motion)


@pytest.mark.parametrize("name", ["motion", "generalized_force", "speeds"])
def test_neither_a_path_nor_a_dataframe(arm: Example, name: str) -> None:
    files = {"model": arm.model, "motion": arm.motion, name: 3}
    with pytest.raises(InputError, match=rf"expected a path or a pandas\.DataFrame as {name}, got 3"):
        load_problem(**files)
