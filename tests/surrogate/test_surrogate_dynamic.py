"""Dynamic surrogates: harmless whatever the network, better than static optimization where it learned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from limb_cases import JOINTS, NAMES, limb, parameters

from osimopt import InputError, SolverError, Status, solve_dynamic
from osimopt.muscle.degroote import passive_force_length
from osimopt.problem.reactions import JointReactions
from osimopt.solution.quantities import DERIVED
from osimopt.surrogate import folder
from osimopt.surrogate.architecture import Architecture, Scaler
from osimopt.surrogate.bodies import BodyRanges
from osimopt.surrogate.dynamic import DynamicSurrogate
from osimopt.surrogate.dynamic_training import DynamicSample, MotionExamples, train_dynamic
from osimopt.surrogate.strides import StrideInputs, features, named_features
from osimopt.surrogate.tendon import TendonNetwork, estimate
from osimopt.surrogate.training import TrainingOptions
from osimopt.training.training_data import draw_muscles

Array = np.ndarray
SMALL = Architecture("cnn", width=8, depth=2, kernel=5)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def surrogate(seed: int = 0, architecture: Architecture = SMALL, noise: float = 0.0) -> DynamicSurrogate:
    """An untrained one, saying nothing unless there is noise."""
    torch.manual_seed(seed)
    network = TendonNetwork(architecture, 2, 0.02).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight += noise * torch.randn_like(weight)
    ranges = Scaler.of(features(limb()), named_features(limb()))
    return DynamicSurrogate(architecture, network, NAMES, JOINTS, ranges, BodyRanges.of([parameters()]))


@pytest.fixture(scope="module")
def answers() -> list[DynamicSample]:
    """Dynamic solutions of the limb with other muscles, the model's own last."""
    problem, found = limb(), []
    for number, spread in enumerate((1.0, 1.0, 1.0, 0.0)):
        assert problem.parameters is not None
        own = replace(problem, parameters=draw_muscles(problem.parameters, (3, number), spread))
        solution: Any = solve_dynamic(own, mesh_interval=0.04)
        force = solution.muscle_force / own.parameters.max_isometric_force
        series = (solution.tendon_force_rate, solution.activation, solution.excitation, solution.reserve_control)
        found.append(DynamicSample(solution.problem, force, *series, {"margin": 0.1}))
    return found


@pytest.fixture(scope="module")
def trained(answers: list[DynamicSample]) -> DynamicSurrogate:
    torch.set_num_threads(1)
    options = TrainingOptions(epochs=40, batch_size=2, learning_rate=1e-2, patience=40)
    made = train_dynamic(answers[:2], answers[2:3], architecture=SMALL, rounds=2, options=options)[0]
    bodies = [draw_muscles(parameters(), (9, number), 1.3) for number in range(40)]  # two are too few for a range
    return replace(made, bodies=BodyRanges.of(bodies, parameters()))


def test_untrained_networks_answer_with_static_optimization_whose_moments_hold() -> None:
    solution = surrogate().solve(limb())
    assert solution.solved.mean() > 0.9
    good = solution.solved
    assert np.abs(solution.moment_residual[good]).max() < 0.02 * np.abs(limb().generalized_force).max()
    assert np.nanmax(solution.activation) <= 1.0
    assert np.nanmin(solution.activation) >= 0.01


def test_joint_reactions_are_of_the_tendon_forces_that_were_found() -> None:
    effect = np.stack([np.ones(5), np.arange(5.0), np.zeros(5)])
    reactions = JointReactions.from_arrays("knee", np.zeros((len(limb()), 3)), effect, NAMES)
    solution = surrogate().solve(replace(limb(), reactions=reactions))
    found = solution.joint_reactions().to_numpy()[:, :3]
    np.testing.assert_allclose(found, solution.muscle_force @ effect.T, rtol=1e-12)
    assert np.nanmax(found) > 10.0


@pytest.mark.parametrize("noise", [1.0, 30.0, np.nan])
def test_wild_networks_are_harmless(noise: float) -> None:
    solution = surrogate(noise=noise).solve(limb(), tolerance=1e-6)
    failed = ~solution.solved
    assert failed.any()
    assert (solution.status[failed] == (Status.NOT_CONVERGED if np.isnan(noise) else Status.RESIDUAL)).all()
    for series in (solution.activation, solution.excitation, solution.reserve_control):
        assert np.isnan(series[failed]).all()
        assert np.isfinite(series[~failed]).all()
    kept = solution.activation[~failed]
    assert ((kept >= 0.01) & (kept <= 1.0)).all()
    missed = np.abs(solution.moment_residual[~failed]) / np.abs(limb().generalized_force).max(axis=0)
    assert (missed <= 1e-6 + 1e-12).all()
    assert np.isfinite(solution.missed).all()
    assert set(solution.detail) == set(np.flatnonzero(failed).tolist())
    if np.isnan(noise):
        assert failed.all()
        with pytest.raises(SolverError, match="The solver stopped"):
            surrogate(noise=noise).solve(limb(), on_failure="raise")


def test_reserves_are_priced_and_never_what_is_missing() -> None:
    heavy = replace(limb(), generalized_force=8.0 * limb().generalized_force)
    solution = surrogate().solve(heavy, tolerance=1e9)
    assert np.abs(solution.moment_residual).max() > 10.0
    assert not surrogate().solve(heavy).solved.all()
    without = surrogate().solve(limb(reserves=None), tolerance=1e9)
    assert without.reserve_control.shape == (len(limb()), 0)


def test_order_of_muscles_does_not_matter() -> None:
    problem, order = limb(), np.array([3, 0, 4, 2, 1])
    assert problem.parameters is not None
    strides = StrideInputs.of([problem])
    moved = StrideInputs.from_tensors(
        [
            t[..., order] if t.shape[-1] == 5 and t.shape[-2:] != (2, 2) else t
            for t in strides.tensors
        ]
    )  # fmt: skip
    network = TendonNetwork(SMALL, 2, 0.02).double()
    with torch.no_grad():
        for weight in network.parameters():
            weight += 0.1 * torch.randn_like(weight)
        one, other = network(strides, estimate(strides))[-1], network(moved, estimate(moved))[-1]
    assert torch.allclose(one[..., order], other, atol=1e-9)


@pytest.mark.slow
def test_training_beats_static_optimization(answers: list[DynamicSample], trained: DynamicSurrogate) -> None:
    unseen = answers[-1]
    untrained = DynamicSurrogate(
        SMALL, TendonNetwork(SMALL, 2, 0.02).eval(), NAMES, JOINTS, trained.ranges, trained.bodies
    )

    def error(of: DynamicSurrogate) -> float:
        force = of.force(unseen.problem, unseen.problem.time).numpy()
        return float(np.sqrt(np.mean((force - unseen.force)[unseen.inside] ** 2)))

    assert error(trained) < 0.7 * error(untrained)


@pytest.mark.slow
def test_as_initial_guess(trained: DynamicSurrogate) -> None:
    problem = limb()
    guess = trained.solve(problem)
    assert guess.tendon_force_rate is not None
    exact: Any = solve_dynamic(problem, mesh_interval=0.04)
    again: Any = solve_dynamic(problem, mesh_interval=0.04, initial_guess=guess)
    assert np.abs(again.activation - exact.activation).max() < 1e-3
    assert again.total_objective == pytest.approx(exact.total_objective, rel=1e-4)
    assert guess.solved.mean() > 0.9
    needed, without = (one.provenance["rounds"][-1]["iterations"] for one in (again, exact))
    assert needed < without


@pytest.mark.slow
def test_saved_surrogates_answer_alike(tmp_path: Path, trained: DynamicSurrogate) -> None:
    trained.save(tmp_path / "saved")
    again = DynamicSurrogate.read(*folder.load(tmp_path / "saved"), "cpu")
    one, other = trained.solve(limb()), again.solve(limb())
    assert np.array_equal(one.activation, other.activation, equal_nan=True)
    assert again.provenance == trained.provenance
    assert (again.muscles, again.coordinates) == (NAMES, JOINTS)
    assert again.ranges.names == trained.ranges.names


@pytest.mark.slow
def test_variants_are_what_each_of_them_would_be(trained: DynamicSurrogate) -> None:
    problem = limb()
    assert problem.parameters is not None
    parameters = [draw_muscles(problem.parameters, (5, number)) for number in range(3)]
    told: list[tuple[int, int]] = []
    found = trained.solve_variants(problem, parameters, progress=lambda done, count: told.append((done, count)))
    assert told == [(3, 3)]
    assert found.coordinates == JOINTS
    assert ((found.activation >= np.float32(0.01)) & (found.activation <= 1.0)).all()
    for number, own in enumerate(parameters):
        one = trained.solve(replace(problem, parameters=own), tolerance=10.0)
        assert np.abs(found.muscle_force[number] - one.muscle_force).max() < 0.02 * own.max_isometric_force.max()
        assert np.median(np.abs(found.activation[number] - one.activation)) < 1e-3
        held = found.solved[number]
        assert (np.abs(found.moment_residual[number][held]) <= 0.0201 * np.abs(problem.generalized_force).max()).all()
    assert found.outside.any()
    assert "lie beyond training" in " ".join(found.findings())


@pytest.mark.slow
def test_answers_at_other_times(trained: DynamicSurrogate) -> None:
    problem, times = limb(), np.array([0.3, 0.317, 0.33, 0.351, 0.4, 0.43, 0.44, 0.46])
    solution, whole = trained.solve(problem, times=times), trained.solve(problem)
    assert np.array_equal(solution.time, times)
    between = np.stack([np.interp(times, whole.time, column) for column in whole.muscle_force.T], axis=1)
    assert np.abs(solution.muscle_force - between).max() < 0.03 * 2500.0
    coarse = replace(problem.frames(slice(0, None, 2)))
    difference = trained.force(coarse, coarse.time) - trained.force(problem, coarse.time)
    assert float(difference.abs().max()) < 0.02


@pytest.mark.slow
def test_frames_beyond_training_are_flagged(trained: DynamicSurrogate) -> None:
    problem = limb()
    known = surrogate()
    heavier = replace(problem, generalized_force=3.0 * problem.generalized_force)
    assert not known.solve(problem.frames(slice(10, 50))).outside.any()
    assert 0.5 < known.outside(heavier).mean() < 1.0
    assert "beyond what the surrogate was trained on" in " ".join(trained.solve(heavier).findings())


#: Passive force is what active force leaves of the fibre's, which a network computes in single precision.
SINGLE = 1e-5


@pytest.mark.slow
def test_tables_of_a_prediction(trained: DynamicSurrogate, tmp_path: Path) -> None:
    solution = trained.solve(limb())
    for quantity in solution.quantities:
        assert len(solution.to_dataframe(quantity)) == len(limb())
    solution.write(tmp_path / "result", outputs=("fiber_length", "passive_fiber_force"))
    assert (tmp_path / "result" / "excitation.sto").is_file()
    muscles = parameters()
    shown = {name: solution.to_dataframe(name).to_numpy()[solution.solved] for name in DERIVED if "joint" not in name}
    length, velocity = shown["normalized_fiber_length"], shown["normalized_fiber_velocity"]
    np.testing.assert_allclose(shown["fiber_length"], length * muscles.optimal_fiber_length, rtol=1e-12)
    passive = passive_force_length(length, 0.6) + 0.01 * velocity
    assert len(passive) > 100
    normalised = shown["passive_fiber_force"] / muscles.max_isometric_force
    np.testing.assert_allclose(normalised, passive, rtol=0, atol=SINGLE)


@pytest.mark.slow
def test_what_does_not_go_is_refused(trained: DynamicSurrogate) -> None:
    problem = limb()
    renamed = replace(problem.geometry, muscles=("psoas", *NAMES[1:]))
    with pytest.raises(InputError, match=r"psoas.*without hip_flexor"):
        trained.solve(replace(problem, geometry=renamed))
    turned = replace(problem.geometry, coordinates=("hip", "ankle"))
    with pytest.raises(InputError, match="ankle"):
        trained.solve(replace(problem, geometry=turned))
    with pytest.raises(InputError, match="2 frames"):
        trained.solve(problem.frames(slice(0, 1)))
    with pytest.raises(InputError, match="solve_dynamic"):
        trained.solve(problem, fallback="exact")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="one without muscle parameters"):
        trained.solve(replace(problem, parameters=None))
    assert problem.parameters is not None
    with pytest.raises(InputError, match=r"frames 0\.02 s apart"):
        trained.solve_variants(problem.frames(slice(0, None, 2)), [problem.parameters])
    with pytest.raises(InputError, match="one variant"):
        trained.solve_variants(problem, [])
    with pytest.raises(InputError, match="variant 0"):
        trained.solve_variants(problem, [replace(problem.parameters, names=("psoas", *NAMES[1:]))])


@pytest.mark.slow
def test_training_without_solutions_is_refused(answers: list[DynamicSample]) -> None:
    with pytest.raises(InputError, match="for validation"):
        train_dynamic(answers, [])
    with pytest.raises(InputError, match="for training"):
        train_dynamic([], answers)
    renamed = replace(answers[0].problem.geometry, muscles=("psoas", *NAMES[1:]))
    other = replace(answers[0], problem=replace(answers[0].problem, geometry=renamed))
    with pytest.raises(InputError, match="same muscles"):
        train_dynamic(answers[:1], [other])


@pytest.mark.slow
def test_examples_are_the_solutions_at_the_networks_step(answers: list[DynamicSample]) -> None:
    examples = MotionExamples.of(answers[:2], 0.02, phases=2)
    assert examples.force.shape == (4, 120, 5)
    assert np.abs(examples.force[0].numpy() - answers[0].force[:120]).max() < 1e-6
    assert 0.85 < float(examples.weight.mean()) < 0.95


@pytest.mark.slow
def test_interrupted_training_goes_on_to_the_same_result(answers: list[DynamicSample], tmp_path: Path) -> None:
    options = TrainingOptions(epochs=4, batch_size=2, patience=10)

    def run(checkpoint: Path | None, progress: Any = None) -> dict[str, torch.Tensor]:
        given: dict[str, Any] = {"architecture": SMALL, "rounds": 2, "options": options, "checkpoint": checkpoint}
        return train_dynamic(answers[:2], answers[2:3], progress=progress, **given)[0].network.state_dict()

    def stop(epoch: int, *rest: Any) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stop)
    resumed, whole = run(tmp_path), run(None)
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"fallback": "exact"}, "fallback='none' of a dynamic surrogate"),
        ({"on_failure": "ignore"}, "on_failure='raise' or 'return'"),
        ({"tolerance": 0.0}, "a tolerance above 0"),
        ({"tolerance": float("nan")}, "a tolerance above 0"),
    ],
)
def test_unknown_options_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        surrogate().solve(limb(), **options)
