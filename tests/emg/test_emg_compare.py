"""compare_emg: what is put in comes out, and a shifted channel is told of."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from osimopt import InputError, RedundancyProblem, RedundancySolution, load_problem, solve_static
from osimopt.emg.compare import RATE, compare_emg, through_dynamics
from osimopt.emg.mapping import EmgMapping
from osimopt.emg.quality import flags
from osimopt.emg.read import read_emg
from osimopt.emg.recording import Emg
from osimopt.files.storage import write_table

STRIDES = list(pairwise(np.arange(0.0, 8.01, 1.0)))


@pytest.fixture(scope="module")
def solution() -> RedundancySolution:
    """Two antagonists and a helper about one joint, whose moment swings once a second."""
    time = np.arange(801) / 100.0
    moment = 30.0 * np.sin(2.0 * np.pi * time) + 8.0 * np.sin(4.0 * np.pi * time + 1.0)
    arms = np.array([[[0.04, 0.02, -0.04]]]).repeat(len(time), axis=0)
    problem = RedundancyProblem.from_arrays(
        arms, np.array([1000.0, 1000.0, 1200.0]), moment[:, None], bounds=(0.0, 1.0)
    )
    return solve_static(replace(problem, time=time))


def recorded(solution: RedundancySolution, delay: float = 0.0, gain: float = 1.0, **changes: object) -> Emg:
    """EMG that the solution's activation follows ``delay`` s later."""
    activation = solution.activation[:, [0, 2]]
    time = solution.time
    value = np.stack([np.interp(time + delay, time, activation[:, place]) for place in range(2)], axis=1)
    return replace(Emg(time, gain * value, ("flexor", "extensor"), envelope=True), **changes)


def mapping(solution: RedundancySolution) -> dict[str, str]:
    names = solution.problem.muscles
    return {"flexor": names[0], "extensor": names[2]}


@pytest.mark.parametrize("delay", [0.0, 0.04])
def test_a_delay_is_given_back(solution: RedundancySolution, delay: float) -> None:
    found = compare_emg(solution, recorded(solution, delay), mapping(solution), strides=STRIDES, dynamics=False)
    assert found.table.lag.to_numpy() == pytest.approx(delay, abs=0.002)
    assert (found.table.r_delay > 0.99).all()
    assert (found.table.r_low <= found.table.r + 0.01).all()  # the strides are all alike: no width to speak of
    assert (found.table.r <= found.table.r_high + 0.01).all()
    assert found.table.onset_error.to_numpy() == pytest.approx(delay, abs=0.011)
    assert len(found.curves.strides) == 8
    assert any("8 strides" in note for note in found.notes)
    assert found.coverage[found.coverage.channel == ""].muscle.tolist() == [solution.problem.muscles[1]]


def test_amplitude_counts_only_where_it_means_something(solution: RedundancySolution) -> None:
    half = recorded(solution, gain=0.5)
    found = compare_emg(solution, half, mapping(solution), strides=STRIDES, dynamics=False)
    assert found.table.rmse.isna().all()
    assert any("MVC" in note for note in found.notes)
    assert found.table.r.to_numpy() == pytest.approx(1.0)
    known = compare_emg(
        solution, replace(half, amplitude="mvc"), mapping(solution), strides=STRIDES, dynamics=False
    ).table
    expected = np.sqrt(np.mean((0.5 * solution.activation[:, [0, 2]]) ** 2, axis=0))
    assert known.rmse.to_numpy() == pytest.approx(expected, rel=0.02)


def test_half_a_stride_away_is_told_of(solution: RedundancySolution) -> None:
    found = compare_emg(solution, recorded(solution, 0.5), mapping(solution), strides=STRIDES, dynamics=False)
    assert found.table.r.max() < 0.3
    assert np.abs(found.table.lag_anywhere.to_numpy()) == pytest.approx(0.5, abs=0.02)
    assert [flag.channel for flag in found.flags if flag.kind == "shifted"] == ["flexor", "extensor"]
    assert sum("another side" in line for line in found.findings()) == 2


def test_activations_meet_emg_after_its_dynamics(solution: RedundancySolution) -> None:
    plain, footing = (
        compare_emg(solution, recorded(solution), mapping(solution), strides=STRIDES, dynamics=dynamics)
        for dynamics in (False, True)
    )
    assert footing.footing.startswith("EMG through activation dynamics")
    late = through_dynamics(plain.curves.measured[:800, 0], RATE)  # the last sample is in no stride
    assert footing.curves.measured[:800, 0] == pytest.approx(late, abs=1e-9)


def test_activation_dynamics_rise_and_fall_as_they_should() -> None:
    step = np.r_[np.zeros(10), np.ones(100), np.zeros(200)]
    found = through_dynamics(step, 1000.0)
    assert found[10 + 14] == pytest.approx(1.0 - np.exp(-1.0), abs=1e-9)  # 15 ms after the rise
    assert found[110 + 59] == pytest.approx(found[109] * np.exp(-1.0), abs=1e-9)  # 60 ms after the fall


def test_several_muscles_count_by_their_area(solution: RedundancySolution) -> None:
    problem = replace(solution.problem, pcsa=np.array([30.0, 10.0, 20.0]))
    own = replace(solution, problem=problem)
    emg = recorded(solution)
    names = problem.muscles
    found = compare_emg(own, emg, {"flexor": names[:2]}, strides=STRIDES, dynamics=False)
    expected = 0.75 * solution.activation[:, 0] + 0.25 * solution.activation[:, 1]
    assert found.curves.simulated[:, 0] == pytest.approx(expected, abs=1e-6)


def test_failed_frames_are_left_out(solution: RedundancySolution) -> None:
    activation = solution.activation.copy()
    activation[300:310] = np.nan
    found = compare_emg(
        replace(solution, activation=activation), recorded(solution), mapping(solution), strides=STRIDES, dynamics=False
    )
    missing = np.isnan(found.curves.simulated).all(axis=1)
    assert np.flatnonzero(missing).tolist() == list(range(300, 310))
    assert found.table.r.min() > 0.99


def test_what_cannot_be_compared(solution: RedundancySolution) -> None:
    emg, own = recorded(solution), mapping(solution)
    with pytest.raises(InputError, match="clocks"):
        compare_emg(solution, replace(emg, time=emg.time + 100.0), own)
    with pytest.raises(InputError, match="EMG channels"):
        compare_emg(solution, emg, {"flexr": own["flexor"]})
    with pytest.raises(InputError, match="muscles among"):
        compare_emg(solution, emg, {"flexor": "soleus"})


def test_strides_are_compared_one_by_one(solution: RedundancySolution) -> None:
    emg = recorded(solution)
    emg.value[100:200, 0] = emg.value[100:200, 0][::-1]  # one stride is wrong
    found = compare_emg(solution, emg, mapping(solution), strides=STRIDES, dynamics=False)
    r = found.by_stride["r"].unstack()
    assert r.loc["flexor", 1] < 0.9 < r.loc["flexor"].drop(1).min()
    assert found.table.loc["flexor", "r_stride_mean"] == pytest.approx(r.loc["flexor"].mean())
    only = compare_emg(solution, emg, mapping(solution), strides=STRIDES[2:], dynamics=False)
    assert only.table.r.min() > 0.999, "what is outside the strides does not count"


def test_files_presets_and_raw_signals(solution: RedundancySolution, tmp_path: Path) -> None:
    names = solution.problem.muscles
    emg = recorded(solution)
    path = write_table(emg.to_dataframe(), tmp_path / "emg.sto")
    toml = tmp_path / "map.toml"
    toml.write_text(f'[channels]\nflexor = "{names[0]}"\nextensor = "{names[2]}"\n')
    found = compare_emg(solution, path, toml, dynamics=False)
    assert found.table.r.min() > 0.999
    assert found.provenance["mapping"] == {"flexor": [names[0]], "extensor": [names[2]]}
    with pytest.raises(InputError, match="gait2392 has muscles for"):
        compare_emg(solution, path, "gait2392")
    rng = np.random.default_rng(0)
    time = np.arange(8001) / 1000.0
    burst = np.stack([np.interp(time, emg.time, column) for column in emg.value.T], axis=1)
    raw = Emg(time, burst * rng.standard_normal(burst.shape), emg.channels)
    made = compare_emg(solution, raw, mapping(solution), dynamics=False)
    assert made.table.r.min() > 0.8
    assert any("default settings" in note for note in made.notes)
    assert [step["step"] for step in made.provenance["emg"]["chain"]][1] == "band-pass"


def test_a_clock_that_is_off_is_told_once(solution: RedundancySolution) -> None:
    found = compare_emg(solution, recorded(solution, 0.2), mapping(solution), strides=STRIDES, dynamics=False)
    assert any("+0.20" in note for note in found.notes)
    assert sum("EMG is 0.20" in line and "Clocks" in line for line in found.findings()) == 1
    level = compare_emg(
        solution, recorded(solution, 0.2), mapping(solution), strides=STRIDES[:-1], dynamics=False, shift=0.2
    )
    assert level.table.lag_anywhere.to_numpy() == pytest.approx(0.0, abs=0.005)
    assert "200 ms later" in level.footing


def test_antagonists_and_their_co_contraction(solution: RedundancySolution) -> None:
    emg = recorded(solution)
    found = compare_emg(solution, emg, mapping(solution), strides=STRIDES, dynamics=False).co_contraction
    assert found.index.tolist() == ["flexor / extensor"]
    assert found["coordinate"].tolist() == ["coordinate_0"]
    assert found["error"].to_numpy() == pytest.approx(0.0, abs=1e-9)
    both = replace(emg, value=emg.value + 0.3)
    more = compare_emg(solution, both, mapping(solution), strides=STRIDES, dynamics=False).co_contraction
    assert more["measured"].item() > 0.5 > more["simulated"].item()


def test_every_channel_at_1_was_divided_by_its_own_maximum(solution: RedundancySolution) -> None:
    emg = recorded(solution, amplitude="mvc")
    own = replace(emg, value=emg.value / emg.value.max(axis=0))
    found = compare_emg(solution, own, mapping(solution), strides=STRIDES, dynamics=False)
    assert {flag.kind for flag in found.flags} >= {"own maximum"}
    assert found.table.rmse.isna().all()
    assert sum("divided by its own" in line for line in found.findings()) == 1, "one sentence for both channels"


def test_plain_data(solution: RedundancySolution) -> None:
    found = compare_emg(solution, recorded(solution), mapping(solution), strides=STRIDES, dynamics=False)
    told = json.loads(json.dumps(found.summary()))
    assert [row["channel"] for row in told["table"]] == ["flexor", "extensor"]
    assert told["table"][0]["rmse"] is None
    assert len(told["strides"]) == 8
    assert repr(found).startswith("<EmgComparison: 2 channels, 8 strides, median r 1.00")


def test_what_emg_says_of_muscles(solution: RedundancySolution) -> None:
    """Activations that EMG shows give back the cost that made them."""
    emg = recorded(solution, amplitude="mvc")
    found = compare_emg(solution, emg, mapping(solution), dynamics=False)
    problem = solution.problem.frames(slice(0, 100))
    said = found.measured_activation(problem.time, problem.muscles)
    assert np.isnan(said[:, 1]).all()
    assert said[:, [0, 2]] == pytest.approx(solution.activation[:100, [0, 2]], abs=1e-6)


def test_strides_that_are_elsewhere(solution: RedundancySolution) -> None:
    with pytest.raises(InputError, match="strides within"):
        compare_emg(solution, recorded(solution), mapping(solution), strides=[(20.0, 21.0)])


@pytest.mark.filterwarnings("ignore:.*header declares", "ignore:.*columns.*disagree with the model")
@pytest.mark.slow
def test_the_traps_of_the_public_data(real_data: Path) -> None:
    """Each is caught by a flag: copies, negatives, gain steps, own maxima, EMG that was moved by half a stride."""
    kinds = {}
    for name, path in (
        ("treadmill", "walk_treadmill_emg/EMG_allMuscles.sto"), ("gait", "gait_9emg/emgFilt.sto"),
        ("walk", "walk_80muscles/electromyography.sto"),
    ):  # fmt: skip
        kinds[name] = {flag.kind for flag in flags(read_emg(real_data / path))}
    assert kinds["treadmill"] >= {"duplicate", "negative"}
    assert kinds["gait"] >= {"gain step", "negative"}
    assert kinds["walk"] >= {"own maximum", "negative"}
    folder = real_data / "walk_18muscles"
    problem = load_problem(
        folder / "subject_walk_armless_18musc.osim", folder / "coordinates.mot", folder / "external_loads.xml",
        time_range=(0.83, 2.0), lowpass_hz=6.0,
    )  # fmt: skip
    moved = read_emg(folder / "emg.sto")
    found = compare_emg(
        solve_static(problem, on_failure="return"), moved, EmgMapping.preset("gait10dof18musc", moved.channels, "r")
    )
    shifted = {flag.channel for flag in found.flags if flag.kind == "shifted"}
    assert shifted >= {"soleus", "tibialis_anterior", "hamstrings"}


def test_dropped_channels_and_silent_muscles_are_named(solution: RedundancySolution) -> None:
    emg = recorded(solution)
    more = replace(emg, value=np.hstack([emg.value, emg.value[:, :1]]), channels=(*emg.channels, "GM"))
    still = replace(solution, activation=np.where([True, False, False], 0.01, solution.activation))
    found = compare_emg(still, more, mapping(solution), dynamics=False)
    assert any("GM (gastrocnemius medialis or gluteus medius" in note for note in found.notes)
    assert [flag.channel for flag in found.flags if flag.kind == "silent"] == ["flexor"]
