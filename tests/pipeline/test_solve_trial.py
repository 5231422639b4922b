"""What becomes of frames that a surrogate cannot answer."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import numpy as np
import pytest

from osimopt import RedundancyProblem, SealedSolution, solve_static
from osimopt.pipeline.methods import solve_by_surrogate

FAILED = "Maximum_Iterations_Exceeded."


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Of a dynamic surrogate whose last frame asks for more than the muscles have."""
    importlib.import_module("osimopt.dynamic.solve")  # before the patch: its modules keep what they import
    monkeypatch.setattr("osimopt.muscle.conversion.use_degroote_muscles", lambda problem: problem)
    return SimpleNamespace(kind="dynamic", solve=lambda problem: solve_static(problem, on_failure="return"))


@pytest.fixture
def problem() -> RedundancyProblem:
    return RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], [[12.0], [20.0], [90.0]])


def test_where_collocation_fails_the_surrogates_answer_is_kept(network, problem, monkeypatch) -> None:
    asked = []

    def fail(own, **given):
        asked.append((own, given))
        return SealedSolution(solve_static(own, on_failure="return"), FAILED)

    monkeypatch.setattr("osimopt.dynamic.solve.solve_dynamic", fail)
    text = f"{FAILED} The surrogate's answer is kept: 1 of 3 frames have none."
    with pytest.warns(UserWarning, match="no answer in 1 of 3"), pytest.warns(UserWarning, match=text):
        kept = solve_by_surrogate(problem, network, n_jobs=1)
    assert text in kept.provenance["warnings"]
    assert kept.solved.tolist() == [True, True, False]
    assert np.isnan(kept.activation[2]).all()
    ((own, given),) = asked
    assert own is problem
    assert given["initial_guess"].solved.tolist() == [True, True, False]
    assert given["n_jobs"] == 1


def test_collocation_answers_where_it_can(network, problem, monkeypatch) -> None:
    whole = solve_static(problem.frames(slice(0, 2)))
    monkeypatch.setattr("osimopt.dynamic.solve.solve_dynamic", lambda own, **given: whole)
    with pytest.warns(UserWarning, match="no answer in 1 of 3 frames"):
        assert solve_by_surrogate(problem, network) is whole


def test_nothing_else_is_asked_where_all_frames_hold_or_no_fallback_is_wanted(network, problem, monkeypatch) -> None:
    monkeypatch.setattr("osimopt.dynamic.solve.solve_dynamic", lambda *_, **__: pytest.fail("asked"))
    assert solve_by_surrogate(problem.frames(slice(0, 2)), network).success
    assert not solve_by_surrogate(problem, network, "none").success
