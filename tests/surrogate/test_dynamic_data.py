"""Dynamic solutions to train on: blocks of time, draws that repeat, files that are whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from limb_cases import limb

from osimopt import InputError
from osimopt.surrogate.dynamic_training import DynamicSample
from osimopt.training import dynamic_surrogate
from osimopt.training.dynamic_surrogate import generate
from osimopt.training.training_data import (
    BLOCKS,
    MARGIN,
    SPREADS,
    TRAIN,
    VALIDATE,
    draw_muscles,
    plans,
    vary_muscles,
)

#: s of the windows here: the limb moves for 2.4 s.
SHORT = 0.1


def test_windows_lie_within_their_blocks() -> None:
    problem = limb()
    edges = {"training": (0.0, TRAIN), "validation": (TRAIN, TRAIN + VALIDATE), "test": (TRAIN + VALIDATE, 1.0)}
    made = plans([problem, problem], (20, 5, 5), 0, SHORT)
    assert {(plan.block, plan.number) for plan in made} == {
        (block, number) for block, count in zip(BLOCKS, (20, 5, 5), strict=True) for number in range(count)
    }
    for plan in made:
        first, last = (2.4 * share for share in edges[plan.block])
        assert first - 1e-9 <= plan.start
        assert plan.start + SHORT + 2 * MARGIN <= last + 1e-9
    assert {plan.trial for plan in made} == {0, 1}
    assert 0.05 < np.mean([plan.spread == 0.0 for plan in made]) < 0.6
    assert made == plans([problem, problem], (20, 5, 5), 0, SHORT)
    assert made != plans([problem, problem], (20, 5, 5), 1, SHORT)
    with pytest.raises(InputError, match="in each block of a trial"):
        plans([problem], (1, 1, 1), 0, 1.2)


def test_many_trials_stay_whole() -> None:
    made = plans([limb()] * 7, (30, 10, 10), 0, SHORT)
    trials = {block: {plan.trial for plan in made if plan.block == block} for block in BLOCKS}
    assert trials == {"training": {0, 1, 2, 3}, "validation": {4, 5}, "test": {6}}


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
    solve = dynamic_surrogate.solve_dynamic
    monkeypatch.setattr(dynamic_surrogate, "solve_dynamic", lambda *a, **k: (calls.append(a), solve(*a, **k))[1])
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

    monkeypatch.setattr(dynamic_surrogate, "solve_dynamic", refuse)
    assert generate([limb()], tmp_path, (1, 0, 0), duration=SHORT) == []
    assert "cannot" in (tmp_path / "training_0000.failed").read_text(encoding="utf-8")
    assert generate([limb()], tmp_path, (1, 0, 0), duration=SHORT) == []


def test_solutions_of_something_else_are_refused(tmp_path: Path) -> None:
    """A folder is for one set of trials, seed and duration; more solutions of the same go on."""
    nothing = (0, 0, 0)
    for _ in range(2):
        assert generate([limb()], tmp_path, nothing, 0, duration=SHORT) == []
    with pytest.raises(InputError, match="got seed 0 in place of 1"):
        generate([limb()], tmp_path, nothing, 1, duration=SHORT)
    with pytest.raises(InputError, match=r"got duration .* in place of"):
        generate([limb()], tmp_path, nothing, 0, duration=2.0 * SHORT)
    with pytest.raises(InputError, match="got 1 trials that differ from the 2 given"):
        generate([limb(), limb()], tmp_path, nothing, 0, duration=SHORT)
