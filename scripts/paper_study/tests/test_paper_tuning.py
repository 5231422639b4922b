"""Tuning: one budget, three ways; the controller learns what is rewarded."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

from osimopt import InputError, MissingDependencyError
from paper_study.controller import Controller
from paper_study.experiment import Experiment
from paper_study.tuning import METHODS, SPACE, Method, as_experiment, tune, tuned
from paper_study.windows import Sets

from .test_paper_parts import waves

pytestmark = pytest.mark.slow

BUDGET = 300


def cheap(settings: dict, epochs: int, report: object) -> float:
    """A loss that falls with epochs to what the settings allow: least for an LSTM with a rate of 2e-3."""
    value = 0.1 + abs(math.log(settings["learning_rate"] / 2e-3)) + (settings["network"] != "lstm")
    for epoch in range(1, epochs + 1):
        if report(epoch, value + 1.0 / epoch):  # type: ignore[operator]
            break
    return value


@pytest.mark.parametrize("method", METHODS)
def test_every_method_keeps_to_the_budget_and_repeats(method: Method) -> None:
    found = tune(method, cheap, BUDGET, seed=3, longest=10)
    used, least = np.array(found.history).T
    assert used[-1] == BUDGET
    assert (np.diff(used) >= 1).all()
    assert (np.diff(least) <= 0.0).all()
    assert found.value == least[-1]
    assert found.value < 0.8
    assert cheap(found.settings, 1, lambda *_: True) == found.value
    assert set(found.settings) == set(SPACE)
    again = tune(method, cheap, BUDGET, seed=3, longest=10)
    assert (again.settings, again.history) == (found.settings, found.history)


def test_hyperband_gives_up_early() -> None:
    counts = [len(tune(method, cheap, BUDGET, seed=0, longest=10).history) for method in ("random", "tpe + hyperband")]
    assert counts[0] == BUDGET / 10
    assert counts[1] > 1.3 * counts[0]


def test_the_controller_learns_what_is_rewarded() -> None:
    controller = Controller({"a": (1, 2, 3), "b": (1, 2)}, seed=0)
    for _ in range(300):
        places = controller.ask()
        controller.tell(places, 1.0 if places["a"] == 2 else 0.0)
    shares = controller.shares()
    assert shares["a"][2] > 0.9
    assert shares["b"].max() < 0.95
    assert sum(shares["a"]) == pytest.approx(1.0)


def test_one_step_is_the_policy_gradient() -> None:
    controller = Controller({"a": (1, 2, 3)}, seed=0)
    controller.tell({"a": 0}, 1.0)  # the first reward is the baseline
    assert controller.logits["a"] == pytest.approx(np.zeros(3))
    controller.tell({"a": 0}, 2.0)
    assert controller.logits["a"] == pytest.approx(0.5 * np.array([2.0 / 3.0, -1.0 / 3.0, -1.0 / 3.0]))


@pytest.mark.parametrize(("method", "budget", "says"), [("grid", 10, "tpe"), ("random", 0, "one epoch")])
def test_wrong_arguments(method: str, budget: int, says: str) -> None:
    with pytest.raises(InputError, match=says):
        tune(method, cheap, budget, 0)  # type: ignore[arg-type]


def test_without_optuna(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingDependencyError, match=r"osimopt\[study\]"):
        tune("tpe + hyperband", cheap, 10, 0)


def test_on_a_set_and_kept(tmp_path: Path) -> None:
    sets = Sets(waves(), waves("b", 0.5), waves("c", 1.0), {})
    found = tuned("random", sets, 4, 0, 2, tmp_path)
    again = tuned("random", sets, 4, 0, 2, tmp_path)
    assert (again.settings, again.value, again.history) == (found.settings, found.value, found.history)
    assert [path.name for path in tmp_path.iterdir()] == ["waves_random_4_2_0.json"]
    own = as_experiment(found, Experiment("waves", "mlp", epochs=7, seed=5))
    assert (own.epochs, own.seed, own.network) == (7, 0, found.settings["network"])
