"""Dynamic solutions to train on: blocks of time, draws that repeat, files that are whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from limb_cases import limb

from osimopt import InputError, use_degroote_muscles
from osimopt.surrogate.dynamic_training import DynamicSample
from osimopt.training import dynamic_solutions
from osimopt.training.dynamic_solutions import generate
from osimopt.training.dynamic_surrogate import train_dynamic_surrogate
from osimopt.training.subjects import OWN, Subjects, subject
from osimopt.training.training_data import BLOCKS, SPREADS, TRAIN, VALIDATE, draw_muscles, vary_muscles
from osimopt.training.windows import LEAST, MARGIN, Plan, choose_windows, lengths_of, plans

#: s of the windows here: the limb moves for 2.4 s.
SHORT = 0.1


def planned(problems: list[Any], counts: tuple[int, int, int], seed: int, duration: float | None = SHORT) -> list[Plan]:
    return plans(problems, counts, seed, choose_windows(lengths_of(problems), duration))


@pytest.mark.parametrize(("duration", "edges"), [(SHORT, (TRAIN, TRAIN + VALIDATE)), (0.36, (0.5, 0.75))])
def test_windows_lie_within_their_blocks(duration: float, edges: tuple[float, float]) -> None:
    """The limb moves for 2.4 s: windows of 0.36 s and their margins take a quarter of it."""
    problem, ends = limb(), [0.0, *edges, 1.0]
    made = planned([problem, problem], (20, 5, 5), 0, duration)
    assert {(plan.block, plan.number) for plan in made} == {
        (block, number) for block, count in zip(BLOCKS, (20, 5, 5), strict=True) for number in range(count)
    }
    for plan in made:
        first, last = (2.4 * share for share in ends[BLOCKS.index(plan.block) :][:2])
        assert first - 1e-9 <= plan.start
        assert plan.start + duration + 2 * MARGIN <= last + 1e-9
    assert {plan.trial for plan in made} == {0, 1}
    assert 0.05 < np.mean([plan.spread == 0.0 for plan in made]) < 0.6
    assert made == planned([problem, problem], (20, 5, 5), 0, duration)
    assert made != planned([problem, problem], (20, 5, 5), 1, duration)


def test_many_trials_stay_whole() -> None:
    made = planned([limb()] * 7, (30, 10, 10), 0)
    trials = {block: {plan.trial for plan in made if plan.block == block} for block in BLOCKS}
    assert trials == {"training": {0, 1, 2, 3}, "validation": {4, 5}, "test": {6}}


def check_refusal(text: str, trials: list[tuple[str, float]], duration: float | None) -> None:
    least = float(text.split("trials of ")[1].split(" s or more")[0])
    assert least > trials[0][1] - 0.005
    assert f"short.mot with {trials[0][1]:.2f} s" in text
    assert choose_windows([(name, least + 0.01) for name, _ in trials], duration).duration >= (duration or LEAST)
    if "at most" in text:
        shorter = float(text.split("at most ")[1].split(" s")[0])
        assert choose_windows(trials, shorter).duration == shorter


@pytest.mark.parametrize("whole", [False, True])
@given(length=st.floats(0.05, 40.0), others=st.floats(0.0, 10.0), duration=st.none() | st.floats(0.1, 3.0))
@settings(deadline=None, max_examples=200)
def test_windows_fit_or_are_refused_by_what_would_fit(
    whole: bool, length: float, others: float, duration: float | None
) -> None:
    """Every part of every trial holds a window; a refusal names each short trial, and trials of its length do."""
    trials = [("short.mot", length), *((f"{number}.mot", length + others) for number in range(5 if whole else 2))]
    try:
        windows = choose_windows(trials, duration)
    except InputError as error:
        check_refusal(str(error), trials, duration)
        return
    assert windows.duration == duration if duration else LEAST <= windows.duration <= 1.2
    for places in windows.places():
        for trial, first, last in places:
            assert (last - first) * trials[trial][1] >= windows.length - 1e-6
    assert bool(windows.note) == (duration is None and windows.duration < 1.2)


def test_durations_by_length() -> None:
    """1.2 s, or half of a shorter trial stays for training; below 0.2 s its parts are equal."""
    found = {length: choose_windows([("walk", length)]).duration for length in (20.0, 5.76, 4.0, 1.5, 1.1)}
    assert found == {20.0: 1.2, 5.76: 1.2, 4.0: 0.76, 1.5: 0.2, 1.1: 0.12}
    for wrong in (-1.0, 0.0, float("nan"), True, "1.2"):
        with pytest.raises(InputError, match=r"a duration \(--duration\) of 0.08 s or more"):
            choose_windows([("walk", 20.0)], wrong)  # type: ignore[arg-type]


def test_draws_repeat_and_are_as_wide_as_said() -> None:
    parameters = limb().parameters
    assert parameters is not None
    one, again, other = (draw_muscles(parameters, (0, seed)) for seed in (1, 1, 2))
    assert np.array_equal(one.max_isometric_force, again.max_isometric_force)
    assert not np.array_equal(one.max_isometric_force, other.max_isometric_force)
    for name, (own, common) in SPREADS.items():

        def values(drawn: Any, name: str = name) -> np.ndarray:
            return np.asarray(drawn.properties[name] if name in drawn.properties else getattr(drawn, name))

        logs = np.array(
            [np.log(values(draw_muscles(parameters, (0, n), 0.5)) / values(parameters)) for n in range(400)]
        )
        assert logs.std() == pytest.approx(0.5 * np.hypot(own, common), rel=0.1)
    assert np.array_equal(one.pennation_angle, parameters.pennation_angle)


def test_varied_muscles_keep_the_motion() -> None:
    problem = limb()
    assert problem.parameters is not None
    varied, own = vary_muscles(problem, (0, 1)), vary_muscles(problem, (0, 1), 0.0)
    assert own.parameters is not None
    assert np.array_equal(own.parameters.max_isometric_force, problem.parameters.max_isometric_force)
    assert np.array_equal(varied.generalized_force, problem.generalized_force)
    assert np.array_equal(varied.geometry.length, problem.geometry.length)  # type: ignore[arg-type]
    assert np.abs(varied.max_force / own.max_force - 1.0).max() > 0.02


def test_generation_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def run() -> list[Path]:
        return generate(
            [limb()], tmp_path, (2, 1, 1), 3, duration=SHORT, progress=lambda *told: said.append(told[-1]),
            mesh_interval=0.04,
        )  # fmt: skip

    first = run()
    assert sorted(path.name for path in first) == [
        "test_0000.npz", "training_0000.npz", "training_0001.npz", "validation_0000.npz",
    ]  # fmt: skip
    written = first[0].read_bytes()
    first[1].unlink()
    calls: list[Any] = []
    solve = dynamic_solutions.solve_dynamic
    monkeypatch.setattr(dynamic_solutions, "solve_dynamic", lambda *a, **k: (calls.append(a), solve(*a, **k))[1])
    assert run() == first
    assert len(calls) == 1
    assert first[0].read_bytes() == written
    assert said.count("already there") == 3

    sample = DynamicSample.read(first[1])
    assert sample.notes["block"] in BLOCKS
    time = sample.problem.time
    assert time[-1] - time[0] == pytest.approx(SHORT + 2 * MARGIN)
    kept = time[sample.inside]
    assert kept[0] == pytest.approx(time[0] + MARGIN, abs=0.02)
    assert kept[-1] == pytest.approx(time[-1] - MARGIN, abs=0.02)
    assert sample.problem.parameters is not None
    recomputed = sample.problem.max_force * sample.activation + sample.problem.passive_force
    assert np.abs(recomputed / sample.problem.parameters.max_isometric_force - sample.force).max() < 1e-9


def test_draws_without_a_solution_are_kept_as_reasons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise InputError("these muscles cannot.")

    monkeypatch.setattr(dynamic_solutions, "solve_dynamic", refuse)
    assert generate([limb()], tmp_path, (1, 0, 0), duration=SHORT) == []
    assert "cannot" in (tmp_path / "training_0000.failed").read_text(encoding="utf-8")
    assert generate([limb()], tmp_path, (1, 0, 0), duration=SHORT) == []
    with pytest.raises(InputError, match=r"none of 1 for training, .*; the first: these muscles cannot\..*--strengths"):
        train_dynamic_surrogate([limb()], tmp_path, counts=(1, 1, 1), duration=SHORT, sizes=OWN, strengths=OWN)
    assert generate([limb()], tmp_path, (1, 0, 0), 1, duration=SHORT) == []  # reasons alone block no other seed


def solution_in(folder: Path) -> None:
    (folder / "training_0000.npz").write_bytes(b"")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"seed": 1}, "got seed 0 in place of 1"),
        ({"duration": 2.0 * SHORT}, r"got duration 0\.1 in place of 0\.2"),
        ({"strengths": (0.9, 1.1)}, r"got strengths \[1\.0, 1\.0\] in place of \[0\.9, 1\.1\]"),
        ({"problems": 2}, "got 1 trials that differ from the 2 given"),
        ({"mesh_interval": 0.04}, "got mesh_interval .0.02. in place of .0.04."),
    ],
)
def test_solutions_of_something_else_are_refused(tmp_path: Path, other: dict[str, Any], said: str) -> None:
    """A folder is for one set of trials and options; more solutions of the same go on."""
    nothing = (0, 0, 0)
    for _ in range(2):
        assert generate([limb()], tmp_path, nothing, 0, duration=SHORT) == []
    solution_in(tmp_path)
    plan = (tmp_path / "plan.json").read_text()
    given = {"seed": 0, "duration": SHORT, **other}
    problems = [limb()] * given.pop("problems", 1)
    with pytest.raises(InputError, match=rf"{said}.*Give the same again"):
        generate(problems, tmp_path, nothing, **given)
    assert (tmp_path / "plan.json").read_text() == plan
    (tmp_path / "training_0000.npz").unlink()
    assert generate(problems, tmp_path, nothing, **given) == []  # without a solution nothing blocks


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sizes": (0.9, 1.1)}, "a problem with its model, to vary sizes"),
        ({"sizes": (1.1, 0.9)}, r"sizes \(--sizes\) as two factors from 0\.5 to 2"),
        ({"strengths": 1.1}, r"strengths \(--strengths\) as two factors"),
        ({"strengths": (0.0, 1.0)}, r"strengths \(--strengths\) as two factors"),
        ({"tendon": "rigid"}, "no tendon"),
        ({"counts": (1.5, 1, 1)}, "counts of solutions as a whole number"),
        ({"duration": 1.2}, r"trials of 4\.32 s or more.*trial 1 with 2\.40 s.*at most 0\.56 s"),
    ],
)
def test_refusals_leave_nothing(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        generate([limb()], tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()


def test_rigid_tendons_are_refused_before_anything_is_solved(tmp_path: Path) -> None:
    problem = use_degroote_muscles(limb(), ignore_tendon_compliance=True)
    with pytest.raises(InputError, match="muscles that ignore_tendon_compliance: hip_flexor"):
        generate([problem], tmp_path / "new", (1, 1, 1), duration=SHORT)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_stops_before_a_solution_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(dynamic_solutions, "solve_dynamic", stop)
    with pytest.raises(error):
        generate([limb()], tmp_path / "new", (1, 1, 1), duration=SHORT)
    assert not (tmp_path / "new").exists()


def test_strengths_vary_without_a_model() -> None:
    problem = limb()
    assert problem.parameters is not None
    own = problem.parameters.max_isometric_force
    factors = []
    for number in range(200):
        made, scale = subject(problem, Subjects(strengths=(0.7, 1.3)), (0, number), 0.0)
        assert made.parameters is not None
        ratio = made.parameters.max_isometric_force / own
        assert np.ptp(ratio) < 1e-12
        assert scale.size == 1.0
        factors.append(ratio[0])
        assert np.array_equal(made.generalized_force, problem.generalized_force)
    assert 0.7 <= min(factors) < 0.72
    assert 1.27 < max(factors) <= 1.3
