"""Static surrogates: whatever the network says, the answer is within bounds, checked, and that of the exact solver."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from osimopt import InputError, Status, solve_static
from osimopt.problem.costs import get_cost
from osimopt.problem.problem import RedundancyProblem
from osimopt.problem.reactions import JointReactions
from osimopt.surrogate.architecture import Architecture, Scaler
from osimopt.surrogate.dual import FrameNetwork, SetNetwork, Whitened, settle, whiten
from osimopt.surrogate.static import StaticSurrogate, decode_unconstrained
from osimopt.surrogate.static_training import BOUNDS, SUPERVISED, Examples, active_bounds, loss_of, supervised
from osimopt.surrogate.training import TrainingOptions
from osimopt.training.static_surrogate import errors, judge_static, train_static_surrogate
from osimopt.training.training_data import Split, pick, vary

Array = np.ndarray
SET = Architecture(kind="set", width=16, depth=2)


def trial(seed: int = 0, frames: int = 240, muscles: int = 16, coordinates: int = 4) -> RedundancyProblem:
    """Moments that some activations make, changing smoothly."""
    random = np.random.default_rng(seed)
    time = np.linspace(0.0, 2.0, frames)
    turns = 2.0 * np.pi * (time[:, None] * random.uniform(0.5, 1.5, muscles) + random.uniform(size=muscles))
    activation = np.clip(0.4 + 0.6 * np.sin(turns), 0.0, 1.0) ** 2
    arms = 0.05 * random.standard_normal((coordinates, muscles)) * (random.uniform(size=(coordinates, muscles)) < 0.7)
    arms[0, arms.any(axis=0) == 0.0] = 0.04
    swing = 1.0 + 0.2 * np.sin(2.0 * np.pi * time)[:, None, None]
    force = random.uniform(300.0, 2000.0, muscles)
    moment = np.einsum("tdm,m,tm->td", arms * swing, force, activation)
    return RedundancyProblem.from_arrays(
        arms * swing, force, moment, time=time, reserves=1.0, muscles=[f"m{number}" for number in range(muscles)]
    )


def untrained(problem: RedundancyProblem, kind: str = "set", noise: float = 1.0, window: int = 1) -> StaticSurrogate:
    """A network of random weights."""
    torch.manual_seed(1)
    architecture = Architecture(kind=kind, width=16, depth=2)
    network: SetNetwork | FrameNetwork
    if kind == "set":
        network = SetNetwork(architecture)
    else:
        count = 3 * len(problem.muscles)
        network = FrameNetwork(architecture, len(problem.muscles), Scaler.of(np.eye(count)), window)
    with torch.no_grad():
        for weights in network.parameters():
            weights += noise * torch.randn_like(weights)
    return StaticSurrogate(
        architecture, network, "activation_power", problem.muscles, problem.coordinates, Scaler.of(np.ones((3, 6)))
    )


@pytest.fixture(scope="module")
def problem() -> RedundancyProblem:
    return trial()


@pytest.fixture(scope="module")
def trained(problem: RedundancyProblem) -> Any:
    options = TrainingOptions(epochs=10, batch_size=64, learning_rate=2e-2, seed=3, patience=50)
    return train_static_surrogate([problem], architecture=SET, frames=1200, options=options)


# ------------------------------------------------------------------------------------------ what always holds


def test_the_whitened_dual_is_that_of_the_exact_solver(problem: RedundancyProblem) -> None:
    """And δ = 0 is the answer where no bound holds."""
    exact = solve_static(problem)
    frames, whitening = whiten(problem, get_cost("activation_power"))
    u = torch.einsum("tji,tj->ti", whitening.factor, torch.from_numpy(exact.multipliers[:, whitening.rows]))
    x = whitening.unknowns(frames.answer(u))
    assert x[:, : len(problem.muscles)] == pytest.approx(exact.activation, abs=1e-9)
    assert x[:, len(problem.muscles) :] == pytest.approx(exact.reserve_control, abs=1e-7)
    assert whitening.multipliers(u, len(problem.coordinates)) == pytest.approx(exact.multipliers, rel=1e-9, abs=1e-9)
    gram = frames.matrix @ frames.matrix.transpose(1, 2)
    assert torch.allclose(gram, torch.eye(gram.shape[1], dtype=gram.dtype).expand_as(gram), atol=1e-9)
    wide = replace(problem, lower=np.full(16, -1e3), upper=np.full(16, 1e3))
    free = solve_static(wide)
    assert decode_unconstrained(wide, "activation_power") == pytest.approx(free.activation, abs=1e-8)


@pytest.mark.parametrize("size", [0.0, 1.0, 1e3, 1e12])
def test_bounds_hold_for_any_dual(problem: RedundancyProblem, size: float) -> None:
    frames, whitening = whiten(problem, get_cost("activation_power"))
    random = torch.Generator().manual_seed(0)
    for _ in range(50):
        u = size * torch.randn(frames.target.shape, generator=random, dtype=torch.float64)
        activation = whitening.unknowns(frames.answer(u))[:, : len(problem.muscles)]
        assert (activation >= problem.lower).all()
        assert (activation <= problem.upper).all()


@pytest.mark.parametrize("kind", ["set", "mlp", "cnn", "lstm", "cnn+lstm", "cnn+lstm+attention"])
def test_untrained_networks_are_harmless(problem: RedundancyProblem, kind: str) -> None:
    exact = solve_static(problem)
    surrogate = untrained(problem, kind, window=1 if kind in ("set", "mlp") else 8)
    predicted = surrogate.predict(problem)
    assert (predicted.activation >= problem.lower).all()
    assert (predicted.activation <= problem.upper).all()
    solution = surrogate.solve(problem)
    assert solution.success
    assert solution.activation == pytest.approx(exact.activation, abs=1e-7)
    assert np.abs(solution.moment_residual).max() < 1e-8 * np.abs(problem.generalized_force).max()
    assert solution.reserve_force == pytest.approx(exact.reserve_force, abs=1e-6)
    assert solution.provenance["surrogate"]["frames_beyond_polish"] == int((solution.iterations > 3).sum())


def test_joint_reactions_follow_the_answer(problem: RedundancyProblem) -> None:
    """As of any solution: those of the exact solver."""
    none, effect = np.zeros((len(problem), 3)), np.ones((3, len(problem.muscles)))
    known = replace(problem, reactions=JointReactions.from_arrays("knee", none, effect, problem.muscles))
    found, exact = (one.joint_reactions().to_numpy() for one in (untrained(known).solve(known), solve_static(known)))
    np.testing.assert_allclose(found, exact, rtol=1e-6)
    assert exact[:, 0].max() > 100.0


def test_a_network_that_returns_nan_is_harmless(problem: RedundancyProblem) -> None:
    surrogate = untrained(problem)
    with torch.no_grad():
        for weights in surrogate.network.parameters():
            weights.fill_(torch.nan)
    solution = surrogate.solve(problem)
    assert solution.activation == pytest.approx(solve_static(problem).activation, abs=1e-9)
    assert (surrogate.predict(problem).activation <= 1.0).all()


@pytest.mark.slow
def test_a_network_of_another_model(trained: Any) -> None:
    """A set network knows no muscles by name; it may be wrong, and nothing comes of it."""
    other = trial(5, muscles=14, coordinates=3)
    solution = trained.surrogate.solve(other)
    assert solution.activation == pytest.approx(solve_static(other).activation, abs=1e-7)


def test_muscles_that_a_network_does_not_know_are_refused_by_name(problem: RedundancyProblem) -> None:
    names = ("other", *problem.muscles[1:])
    renamed = replace(problem, geometry=replace(problem.geometry, muscles=names))
    with pytest.raises(InputError, match=r"muscles that the network was trained on.*others \(other\), without m0"):
        untrained(problem, "mlp").solve(renamed)
    untrained(problem, "set").solve(renamed)


def test_fallback_none_fails_frames_that_polish_does_not_finish(problem: RedundancyProblem) -> None:
    surrogate = untrained(problem)
    solution = surrogate.solve(problem, fallback="none", polish_steps=1, on_failure="return")
    late = solution.iterations > 1
    assert late.any()
    assert (solution.status[late] == Status.NOT_CONVERGED).all()
    assert np.isnan(solution.activation[late]).all()
    assert np.isnan(solution.gap[late]).all()
    assert solution.solved[~late].all()
    assert any("failed (fallback='none')" in line for line in solution.findings())
    with pytest.raises(InputError, match="fallback 'exact' or 'none'"):
        surrogate.solve(problem, fallback="hope")  # type: ignore[arg-type]


def test_order_and_names_of_muscles_do_not_matter(problem: RedundancyProblem) -> None:
    order = np.random.default_rng(2).permutation(len(problem.muscles))
    turned = RedundancyProblem.from_arrays(
        problem.moment_arm[:, :, order], problem.max_force[:, order], problem.generalized_force, time=problem.time,
        reserves=1.0,
    )  # fmt: skip
    surrogate = untrained(problem, noise=0.1)
    one, other = surrogate.predict(problem).activation[:, order], surrogate.predict(turned).activation
    assert other == pytest.approx(one, abs=1e-4)


def test_history_changes_nothing(problem: RedundancyProblem) -> None:
    """Each frame is a problem of its own: in another order its answer is the same, whatever window a network sees."""
    shuffled = np.random.default_rng(3).permutation(len(problem))
    mixed = pick(problem, shuffled)
    for kind, window in (("mlp", 1), ("cnn", 8)):
        surrogate = untrained(problem, kind, window=window)
        assert surrogate.solve(mixed).activation == pytest.approx(
            surrogate.solve(problem).activation[shuffled], abs=1e-7
        )


# --------------------------------------------------------------------------------------------------- training


@pytest.mark.slow
def test_a_trained_network_beats_the_answer_without_bounds(trained: Any) -> None:
    accuracy = trained.accuracy
    assert accuracy["raw"]["rmse"] < 0.3 * accuracy["unconstrained"]["rmse"]
    assert accuracy["steps_median"] < accuracy["steps_cold_median"]
    assert accuracy["largest_difference_from_exact"] < 1e-7
    assert accuracy["certified_share"] == 1.0
    assert accuracy == judge_static(trained.surrogate, trained.split.test)


def test_models_of_different_size_are_learned_together() -> None:
    problems = [trial(0), trial(1, muscles=6, coordinates=2)]
    options = TrainingOptions(epochs=1, batch_size=64, seed=0)
    both = train_static_surrogate(problems, architecture=SET, frames=200, options=options)
    for problem in problems:
        assert both.surrogate.solve(problem).success


def test_padding_changes_nothing(problem: RedundancyProblem) -> None:
    frames, _ = whiten(problem, get_cost("activation_power"))
    wide = frames.padded(frames.matrix.shape[1] + 2, frames.matrix.shape[2] + 3)
    network = untrained(problem).network.double()
    alone, filled = network(frames)[0][-1], network(wide)[0][-1]
    assert torch.allclose(filled[:, : alone.shape[1]], alone, atol=1e-6)


def test_gradients_of_losses(problem: RedundancyProblem) -> None:
    """By finite differences, in double precision, away from the kinks."""
    examples = Examples.of([problem.frames(slice(0, 5))], "activation_power")
    frames, answer = examples.frames.to(torch.float64, "cpu"), examples.answer.double()
    random = torch.Generator().manual_seed(4)
    logits = torch.randn(*frames.lower.shape, 3, generator=random, dtype=torch.float64, requires_grad=True)

    def losses(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return supervised(frames, answer, settle(frames, logits)), active_bounds(frames, answer, logits)

    assert torch.autograd.gradcheck(losses, (logits,), eps=1e-7, atol=1e-4, rtol=1e-3)


def test_the_loss_is_least_at_the_answer(problem: RedundancyProblem) -> None:
    exact = solve_static(problem)
    frames, whitening = whiten(problem, get_cost("activation_power"))
    u = torch.einsum("tji,tj->ti", whitening.factor, torch.from_numpy(exact.multipliers[:, whitening.rows]))
    labels = whitening.labels(np.hstack([exact.activation, exact.reserve_control]))
    assert supervised(frames, labels, u) < 1e-10 < supervised(frames, labels, u + 0.1)


def test_the_sum_of_losses(problem: RedundancyProblem) -> None:
    """Early rounds have a tenth of the weight of the last."""
    examples = Examples.of([problem], "activation_power")
    network = SetNetwork(Architecture(kind="set", width=16, depth=2))
    found = network(examples.frames)
    parts = [
        SUPERVISED * supervised(examples.frames, examples.answer, u)
        + BOUNDS * active_bounds(examples.frames, examples.answer, logits)
        for u, logits in zip(*found, strict=True)
    ]
    whole = float(loss_of(network, examples.frames, examples.answer).detach())
    assert whole == pytest.approx(float((0.1 * parts[0] + parts[1]).detach()), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cost": "sum_force"}, "a cost of exponent 2"),
        ({"cost": "sum_moment_ratio_cubed"}, "a cost of exponent 2"),
    ],
)
def test_wrong_options(problem: RedundancyProblem, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        train_static_surrogate([problem], frames=100, **options)


def test_too_short_to_split() -> None:
    with pytest.raises(InputError, match=r"trials of 50 frames or more.*got trial 1 with 20"):
        train_static_surrogate([trial(frames=20)])


# -------------------------------------------------------------------------------------------------------- data


def test_trials_are_split_by_time_and_as_wholes(problem: RedundancyProblem) -> None:
    split = Split.of([problem])
    ends = [part[0].time[[0, -1]] for part in (split.training, split.validation, split.test)]
    assert all(first[1] < second[0] for first, second in pairwise(ends))
    whole = Split.of([trial(seed) for seed in range(6)])
    assert [len(part) for part in (whole.training, whole.validation, whole.test)] == [3, 2, 1]


def test_variations(problem: RedundancyProblem) -> None:
    one, same, other = vary(problem, 60, 1), vary(problem, 60, 1), vary(problem, 60, 2)
    assert np.array_equal(one.max_force, same.max_force)
    assert not np.array_equal(one.max_force, other.max_force)
    assert (np.sign(one.geometry.moment_arms) == np.sign(vary(problem, 60, 1, 0.0).geometry.moment_arms)).all()
    windows = vary(problem, 60, 1, window=6)
    ratio = windows.max_force / problem.max_force[0]
    assert np.ptp(ratio.reshape(10, 6, -1), axis=1).max() == pytest.approx(0.0, abs=1e-12)
    still = vary(problem, 60, 1, 0.0)
    assert all((frame == problem.generalized_force).all(axis=1).any() for frame in still.generalized_force)


def test_errors() -> None:
    told = errors(np.array([[0.0, 1.0]]), np.array([[0.0, 0.5]]))
    assert told == pytest.approx({"rmse": np.sqrt(0.125), "largest": 0.5, "r": 1.0})


# ------------------------------------------------------------------------------------------------------- files


@pytest.mark.slow
def test_saved_and_loaded(trained: Any, problem: RedundancyProblem, tmp_path: Path) -> None:
    from osimopt import Surrogate

    folder = trained.surrogate.save(tmp_path / "surrogate")
    again = Surrogate.load(folder)
    assert isinstance(again, StaticSurrogate)
    assert np.array_equal(again.predict(problem).activation, trained.surrogate.predict(problem).activation)
    assert again.provenance == trained.surrogate.provenance
    assert again.ranges.names == trained.surrogate.ranges.names
    for name in ("mean", "std", "low", "high"):
        assert np.array_equal(getattr(again.ranges, name), getattr(trained.surrogate.ranges, name))
    assert {path.suffix for path in folder.iterdir()} == {".safetensors", ".json"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("cost", "effort", "a cost among"),
        ("muscles", 3, "fits its weights"),
        ("architecture", {"kind": "set", "layers": 3}, "fits its weights"),
        ("architecture", ["set"], "fits its weights"),
        ("window", 0, "window as a whole number"),
    ],
)
def test_a_description_that_was_changed(trained: Any, tmp_path: Path, key: str, value: Any, said: str) -> None:
    from osimopt import InputError, Surrogate

    file = trained.surrogate.save(tmp_path / "surrogate") / "surrogate.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), key: value}))
    with pytest.raises(InputError, match=said):
        Surrogate.load(tmp_path / "surrogate")


@pytest.mark.slow
def test_frames_beyond_training_are_flagged(trained: Any, problem: RedundancyProblem) -> None:
    assert not trained.surrogate.predict(problem.frames(slice(0, 100))).outside.any()
    heavy = replace(problem, generalized_force=20.0 * problem.generalized_force)
    assert trained.surrogate.predict(heavy).outside.mean() > 0.5
    solution = trained.surrogate.solve(heavy)
    assert any("beyond what the surrogate was trained on" in line for line in solution.findings())
    flagged = [frame for frame, said in solution.detail.items() if "Beyond what the surrogate" in said]
    assert flagged == np.flatnonzero(trained.surrogate.predict(heavy).outside).tolist()


@pytest.mark.slow
def test_one_frame(trained: Any, problem: RedundancyProblem) -> None:
    assert trained.surrogate.solve(problem.frames(slice(3, 4))).success


@pytest.mark.slow
def test_a_frame_that_has_no_solution_is_proved_so(trained: Any, problem: RedundancyProblem) -> None:
    weak = replace(problem.with_reserves(None), generalized_force=1e3 * problem.generalized_force)
    solution = trained.surrogate.solve(weak, on_failure="return")
    assert Status.INFEASIBLE in set(solution.status)


def test_whitened_frames_travel(problem: RedundancyProblem) -> None:
    frames, _ = whiten(problem, get_cost("activation_power"))
    single = frames.to(torch.float32, "cpu")
    assert isinstance(single, Whitened)
    assert single.matrix.dtype == torch.float32
