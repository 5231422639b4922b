"""The geometry surrogate: networks for what polynomials leave of muscle paths, and their exact slopes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from osimopt import InputError, PolynomialGeometry, load_problem
from osimopt.datasets import Example
from osimopt.polynomial.fixed_order import fit_order
from osimopt.polynomial.geometry import MusclePolynomial
from osimopt.polynomial.muscle_paths import MusclePaths
from osimopt.polynomial.samples import PathSamples
from osimopt.surrogate import folder
from osimopt.surrogate.geometry import GeometrySurrogate, respond
from osimopt.surrogate.geometry_training import OPTIONS, PathNetwork, TrainedGeometry, train_geometry
from osimopt.training.geometry_network import fit_geometry_network

Array = np.ndarray

#: What float64 leaves of the difference between a slope and its derivation by torch: lengths are of order 1 m.
CONSISTENT = 1e-10
#: m; issue's target, and epochs that reach it for two muscles.
TOLERANCE = 1e-4
QUICK = replace(OPTIONS, epochs=60)
NAMES = ("hip", "knee")
LOW, HIGH = np.array([-0.5, -1.5]), np.array([1.0, 0.1])


def lengths(value: Array, scale: Array | float = 1.0) -> tuple[Array, Array]:
    """Two muscles (n, 2), one smooth over both joints, one of the knee with a kink; slopes (n, coordinate, muscle)."""
    hip, knee = value[:, 0], value[:, 1]
    bend = np.logaddexp(0.0, (knee + 0.6) / 0.05) * 0.05
    turn = 1.0 / (1.0 + np.exp(-(knee + 0.6) / 0.05))
    length = np.stack([0.4 + 0.05 * np.sin(hip) + 0.03 * np.cos(knee), 0.3 - 0.04 * knee + 0.01 * bend], axis=1)
    zero = np.zeros_like(hip)
    slope = np.array([[0.05 * np.cos(hip), -0.03 * np.sin(knee)], [zero, -0.04 + 0.01 * turn]])
    return np.asarray(scale)[..., None] * length, np.asarray(scale)[..., None, None] * slope.transpose(2, 1, 0)


def sampled(count: int = 1024, scale: tuple[float, float] | None = None) -> PathSamples:
    """Samples of the two muscles, over bodies of different size where a range of scales is given."""
    random = np.random.default_rng(0)
    value = random.uniform(LOW, HIGH, (count + count // 4, 2))
    spans = np.array([[True, False], [True, True]])
    if scale is None:
        length, slope = lengths(value)
        flat = slope[:, spans]
        coordinates, low, high = NAMES, LOW, HIGH
    else:
        size = random.uniform(*scale, len(value))
        length, slope = lengths(value, size)
        value = np.hstack([value, size[:, None]])
        flat = np.hstack([slope[:, spans], np.full((len(value), 2), np.nan)])
        spans = np.vstack([spans, [True, True]])
        coordinates = (*NAMES, "size")
        low, high = np.append(LOW, scale[0]), np.append(HIGH, scale[1])
    paths = tuple(f"/jointset/{name}" for name in coordinates)
    return PathSamples(
        ("/forceset/smooth", "/forceset/kinked"), paths, spans, low, high, value, length, flat, count, np.zeros(2)
    )


def polynomials_of(samples: PathSamples, order: int = 4) -> PolynomialGeometry:
    made: dict[int, MusclePolynomial] = {}
    for members, own in samples.groups():
        train, _ = samples.targets(members, own)
        reached, coefficients = fit_order(train, samples.low[own], samples.high[own], order)
        paths = tuple(samples.coordinate_paths[index] for index in own)
        for column, muscle in enumerate(members):
            path = samples.muscle_paths[muscle]
            made[muscle] = MusclePolynomial(path, paths, reached, coefficients[:, column].copy())
    return PolynomialGeometry(tuple(made[muscle] for muscle in sorted(made)))


@pytest.fixture(scope="module")
def trained() -> TrainedGeometry:
    samples = sampled()
    return train_geometry(polynomials_of(samples), samples, kind="network", options=QUICK)


@pytest.fixture(scope="module")
def surrogate(trained: TrainedGeometry) -> GeometrySurrogate:
    return trained.surrogate


@pytest.fixture(scope="module")
def value() -> Array:
    return np.random.default_rng(5).uniform(LOW, HIGH, (300, 2))


def untrained(muscles: int = 3, dimension: int = 2, width: int = 8) -> PathNetwork:
    torch.manual_seed(0)
    network = PathNetwork(np.zeros((muscles, dimension)), np.full((muscles, dimension), 0.7), np.ones(muscles), width)
    return network.double()


# ------------------------------------------------------------------------------------------------------ exactness


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_slope_is_the_derivative_of_the_length(dimension: int) -> None:
    network = untrained(dimension=dimension)
    value = torch.randn(20, 3, dimension, dtype=torch.float64, requires_grad=True)
    length, slope = network(value)
    derived = torch.autograd.grad(length.sum(), value)[0]
    assert float((slope - derived).detach().abs().max()) < CONSISTENT
    assert float(slope.detach().abs().max()) > 0.1  # so that agreement says something


def test_gradients_of_length_and_slope_are_right() -> None:
    """The loss is of the slopes, too: their derivatives by the weights have to be right."""
    weights = {name: tensor.detach() for name, tensor in untrained(2, 2, 3).state_dict().items()}
    value = torch.randn(4, 2, 2, dtype=torch.float64)

    def of(first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return respond({**weights, "weight_1": first, "weight_2": second}, value)

    assert torch.autograd.gradcheck(of, tuple(weights[name].requires_grad_() for name in ("weight_1", "weight_2")))


@pytest.mark.slow
def test_moment_arms_of_the_whole_are_the_derivative(surrogate: GeometrySurrogate, value: Array) -> None:
    given = torch.tensor(value, requires_grad=True)
    length = surrogate.lengths(NAMES, given)
    found = surrogate.evaluate(NAMES, value)
    assert found.length is not None
    np.testing.assert_allclose(length.detach().numpy(), found.length, atol=CONSISTENT)
    for muscle in range(2):
        slope = torch.autograd.grad(length[:, muscle].sum(), given, retain_graph=True)[0].numpy()
        np.testing.assert_allclose(found.moment_arm[:, :, muscle], -slope, atol=CONSISTENT)


@pytest.mark.slow
def test_lengthening_speed_is_slope_times_speed(surrogate: GeometrySurrogate, value: Array) -> None:
    speed = np.random.default_rng(6).normal(size=value.shape)
    found = surrogate.evaluate(NAMES, value, speed)
    expected = -np.einsum("tdm,td->tm", found.moment_arm, speed)
    np.testing.assert_allclose(np.asarray(found.lengthening_speed), expected, atol=CONSISTENT)
    assert surrogate.evaluate(NAMES, value).lengthening_speed is None


@pytest.mark.slow
def test_each_muscle_depends_on_what_it_spans(surrogate: GeometrySurrogate, value: Array) -> None:
    moved = value + np.array([0.3, 0.0])
    before, after = (np.asarray(surrogate.evaluate(NAMES, q).length) for q in (value, moved))
    np.testing.assert_array_equal(before[:, 1], after[:, 1])
    assert np.abs(before[:, 0] - after[:, 0]).min() > 0.0


@pytest.mark.slow
def test_chunks_and_no_frames(surrogate: GeometrySurrogate, value: Array) -> None:
    many = np.tile(value, (5, 1))  # more than a chunk
    found = np.asarray(surrogate.evaluate(NAMES, many).length)
    np.testing.assert_allclose(found[-len(value) :], np.asarray(surrogate.evaluate(NAMES, value).length), atol=1e-15)
    assert np.asarray(surrogate.evaluate(NAMES, value[:0]).length).shape == (0, 2)


# ------------------------------------------------------------------------------------------------------- accuracy


@pytest.mark.slow
def test_network_follows_a_kink_that_the_polynomial_misses(trained: TrainedGeometry) -> None:
    assert trained.polynomial_errors.moment_arm_rms[1] > 5.0 * TOLERANCE
    assert trained.errors.within(TOLERANCE).all()
    assert trained.errors.moment_arm_p99.max() < 1e-3
    table = trained.to_dataframe()
    assert list(table["network"]) == [True, True]
    assert table.loc["kinked", "moment_arm_rms_mm"] == pytest.approx(1e3 * trained.errors.moment_arm_rms[1])


@pytest.mark.slow
def test_errors_are_those_of_unseen_postures(trained: TrainedGeometry, value: Array) -> None:
    length, slope = lengths(value)
    found = trained.surrogate.evaluate(NAMES, value)
    arms = np.sqrt(np.mean((found.moment_arm + slope) ** 2, axis=0)).max(axis=0)
    rms = np.sqrt(np.mean((np.asarray(found.length) - length) ** 2, axis=0))
    # 300 postures against 256: two estimates of the same error
    np.testing.assert_allclose(arms, trained.errors.moment_arm_rms, rtol=0.6)
    np.testing.assert_allclose(rms, trained.errors.length_rms, rtol=0.6)


@pytest.mark.slow
def test_best_takes_a_network_only_where_it_is_needed() -> None:
    samples = sampled()
    best = train_geometry(polynomials_of(samples, 5), samples, kind="best", options=QUICK)
    assert best.surrogate.networked == ("kinked",)
    assert best.errors.within(TOLERANCE).all()
    none = train_geometry(polynomials_of(samples, 5), samples, kind="polynomial")
    assert none.surrogate.networked == ()
    np.testing.assert_array_equal(none.errors.moment_arm_rms, none.polynomial_errors.moment_arm_rms)
    assert none.surrogate.fits["kinked"].flags == ("Not within 0.1 mm.",)
    assert none.surrogate.fits["smooth"].flags == ()


def test_a_useless_network_is_dropped() -> None:
    samples = sampled(256)
    one_step = replace(OPTIONS, epochs=1, batch_size=256, learning_rate=1e-6)
    best = train_geometry(polynomials_of(samples, 3), samples, options=one_step, tolerance=1e-6)
    assert best.surrogate.networked == ()
    np.testing.assert_array_equal(best.errors.length_rms, best.polynomial_errors.length_rms)


@pytest.mark.slow
def test_snapped_postures_do_not_spoil_the_rest() -> None:
    """A path that jumps by 5 mm at the end of the range: fitted as well as one that does not."""
    samples = sampled()
    snapped = samples.value[:, 0] > 0.9
    length = samples.length + 5e-3 * snapped[:, None] * np.array([1.0, 0.0])
    found = train_geometry(polynomials_of(samples), replace(samples, length=length), kind="network", options=QUICK)
    assert found.errors.length_rms[0] < 0.1 * TOLERANCE  # 6e-5 m where the jump is fitted, 2e-7 m where it is not
    assert found.errors.snapped[0] == pytest.approx(snapped[samples.fitted :].mean())
    assert found.errors.length_max[0] == pytest.approx(5e-3, rel=0.01)


def test_the_same_seed_gives_the_same_surrogate() -> None:
    samples = sampled(256)
    options = replace(QUICK, epochs=3)
    geometry = polynomials_of(samples)
    first, again = (train_geometry(geometry, samples, kind="network", options=options).surrogate for _ in range(2))
    for one, other in zip(first.networks, again.networks, strict=True):
        for name, array in one.weights.items():
            np.testing.assert_array_equal(array, other.weights[name])


# ----------------------------------------------------------------------------------------------------- body scale


@pytest.fixture(scope="module")
def sized() -> GeometrySurrogate:
    samples = sampled(1024, (0.8, 1.2))
    return train_geometry(
        polynomials_of(samples, 5), samples, kind="network", options=QUICK, conditions=("size",)
    ).surrogate


@pytest.mark.slow
def test_scale_factors_are_given_before_use(sized: GeometrySurrogate, value: Array) -> None:
    """Their slopes are not known in training, and left out of it."""
    assert sized.coordinates == NAMES
    with pytest.raises(InputError, match=r"scale factors of size.*scaled\("):
        sized.evaluate(NAMES, value)
    for size in (0.9, 1.15):
        length, slope = lengths(value, np.full(len(value), size))
        found = sized.scaled({"size": size}).evaluate(NAMES, value, np.ones_like(value))
        assert found.coordinates == NAMES
        assert np.sqrt(np.mean((np.asarray(found.length) - length) ** 2)) < TOLERANCE
        assert np.sqrt(np.mean((found.moment_arm + slope) ** 2, axis=0)).max() < 5.0 * TOLERANCE
        expected = -found.moment_arm.sum(axis=1)
        np.testing.assert_allclose(np.asarray(found.lengthening_speed), expected, atol=CONSISTENT)


@pytest.mark.slow
def test_lengths_are_differentiable_by_the_scale(sized: GeometrySurrogate, value: Array) -> None:
    given = torch.tensor(np.hstack([value, np.full((len(value), 1), 1.1)]), requires_grad=True)
    length = sized.lengths((*NAMES, "size"), given)
    fixed = sized.scaled({"size": 1.1})
    np.testing.assert_allclose(length.detach(), fixed.lengths(NAMES, torch.tensor(value)), atol=CONSISTENT)
    slope = torch.autograd.grad(length[:, 0].sum(), given)[0][:, 2]
    expected = lengths(value)[0][:, 0]  # a length is proportional to the size
    assert float(np.sqrt(np.mean((slope.numpy() - expected) ** 2))) < 0.01


@pytest.mark.slow
def test_a_scale_beyond_training_is_outside(sized: GeometrySurrogate, value: Array) -> None:
    assert sized.scaled({"size": 1.1}).outside(NAMES, value) == {}
    assert sized.scaled({"size": 1.5}).outside(NAMES, value) == {"smooth": len(value), "kinked": len(value)}


@pytest.mark.slow
@pytest.mark.parametrize("factors", [{}, {"size": 0.0}, {"size": float("nan")}, {"size": 1.0, "femur": 1.0}])
def test_wrong_factors(sized: GeometrySurrogate, factors: dict[str, float]) -> None:
    with pytest.raises(InputError, match="positive scale factors of size"):
        sized.scaled(factors)


@pytest.mark.slow
def test_factors_are_kept_in_the_folder(sized: GeometrySurrogate, value: Array, tmp_path: Path) -> None:
    sized.save(tmp_path / "any")
    sized.scaled({"size": 1.1}).save(tmp_path / "one")
    any_size, one = (GeometrySurrogate.load(tmp_path / name) for name in ("any", "one"))
    assert any_size.conditions == ("size",)
    expected = sized.scaled({"size": 1.1}).evaluate(NAMES, value).moment_arms
    np.testing.assert_array_equal(one.evaluate(NAMES, value).moment_arms, expected)
    np.testing.assert_array_equal(any_size.scaled({"size": 1.1}).evaluate(NAMES, value).moment_arms, expected)


# --------------------------------------------------------------------------------------------------- as geometry


@pytest.mark.slow
def test_it_answers_as_polynomials_do(surrogate: GeometrySurrogate, value: Array) -> None:
    assert isinstance(surrogate, MusclePaths)
    assert isinstance(surrogate.polynomials, MusclePaths)
    one, other = surrogate.evaluate(NAMES, value), surrogate.polynomials.evaluate(NAMES, value)
    assert (one.muscles, one.coordinates) == (other.muscles, other.coordinates)
    np.testing.assert_array_equal(one.pair_muscle, other.pair_muscle)
    assert np.abs(one.moment_arms - other.moment_arms).max() > TOLERANCE


@pytest.mark.slow
def test_select(surrogate: GeometrySurrogate, value: Array) -> None:
    turned = surrogate.select(["kinked", "smooth"])
    one, other = (np.asarray(own.evaluate(NAMES, value).length) for own in (surrogate, turned))
    np.testing.assert_array_equal(one[:, ::-1], other)
    alone = surrogate.select(["kinked"])
    assert alone.coordinates == ("knee",)
    np.testing.assert_array_equal(np.asarray(alone.evaluate(("knee",), value[:, 1:]).length)[:, 0], other[:, 0])
    with pytest.raises(InputError, match="none for soleus"):
        surrogate.select(["kinked", "soleus"])


@pytest.mark.slow
def test_columns_in_another_order(surrogate: GeometrySurrogate, value: Array) -> None:
    one = surrogate.evaluate(NAMES, value)
    other = surrogate.evaluate(("knee", "pelvis_tx", "hip"), np.stack([value[:, 1], value[:, 0], value[:, 0]], axis=1))
    np.testing.assert_array_equal(np.asarray(one.length), np.asarray(other.length))
    np.testing.assert_array_equal(one.moment_arm[:, 0], other.moment_arm[:, other.coordinates.index("hip")])
    with pytest.raises(InputError, match="a column for hip"):
        surrogate.evaluate(("knee",), value[:, 1:])


@pytest.mark.slow
def test_postures_outside_are_counted(surrogate: GeometrySurrogate, value: Array) -> None:
    assert surrogate.outside(NAMES, value) == {}
    far = value.copy()
    far[:7, 0], far[:2, 1] = HIGH[0] + 0.01, LOW[1] - 0.01
    assert surrogate.outside(NAMES, far) == {"smooth": 7, "kinked": 2}


# --------------------------------------------------------------------------------------------------------- folder


@pytest.mark.slow
def test_folder(surrogate: GeometrySurrogate, value: Array, tmp_path: Path) -> None:
    surrogate.save(tmp_path / "paths")
    again = GeometrySurrogate.load(tmp_path / "paths")
    speed = np.ones_like(value)
    for one, other in zip(answers(surrogate, value, speed), answers(again, value, speed), strict=True):
        np.testing.assert_array_equal(one, other)
    assert again.to_dataframe().equals(surrogate.to_dataframe())
    assert again.outside(NAMES, value + 1.0) == surrogate.outside(NAMES, value + 1.0)
    assert sorted(path.name for path in (tmp_path / "paths").iterdir()) == [folder.DESCRIPTION, folder.WEIGHTS]


def answers(surrogate: GeometrySurrogate, value: Array, speed: Array) -> Sequence[Any]:
    found = surrogate.evaluate(NAMES, value, speed)
    return found.length, found.moment_arms, found.lengthening_speed


@pytest.mark.slow
def test_another_surrogate_is_refused(surrogate: GeometrySurrogate, tmp_path: Path) -> None:
    surrogate.save(tmp_path / "paths")
    told = json.loads((tmp_path / "paths" / folder.DESCRIPTION).read_text(encoding="utf-8"))
    told["kind"] = "static"
    (tmp_path / "paths" / folder.DESCRIPTION).write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(InputError, match=r"kind 'geometry'.*static"):
        GeometrySurrogate.load(tmp_path / "paths")
    with pytest.raises(InputError, match="no such folder"):
        GeometrySurrogate.load(tmp_path / "nothing")


@pytest.mark.slow
def test_device(surrogate: GeometrySurrogate, tmp_path: Path) -> None:
    surrogate.save(tmp_path / "paths")
    assert GeometrySurrogate.load(tmp_path / "paths", "torch").device == "cpu"
    with pytest.raises(InputError, match="device among"):
        GeometrySurrogate.load(tmp_path / "paths", "warp")


# ------------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kind": "spline"}, "kind among polynomial, network, best"),
        ({"tolerance": 0.0}, "tolerance"),
        ({"width": 0}, "width"),
    ],
)
def test_wrong_options(options: dict[str, Any], says: str) -> None:
    samples = sampled(256)
    with pytest.raises(InputError, match=says):
        train_geometry(polynomials_of(samples), samples, **options)


def test_too_few_postures() -> None:
    samples = sampled()
    with pytest.raises(InputError, match="postures to fit to"):
        train_geometry(polynomials_of(samples), replace(samples, fitted=60))


def test_polynomials_of_other_muscles() -> None:
    samples = sampled(256)
    geometry = polynomials_of(samples)
    with pytest.raises(InputError, match="for kinked"):
        train_geometry(geometry.select(["smooth"]), samples)
    other = replace(geometry.polynomials[1], coordinate_paths=("/jointset/ankle",))
    with pytest.raises(InputError, match="for kinked"):
        train_geometry(PolynomialGeometry((geometry.polynomials[0], other)), samples)


# ----------------------------------------------------------------------------------------------------- front door


@pytest.fixture(scope="module")
def arm_paths(arm: Example) -> TrainedGeometry:
    told: list[str] = []
    trained = fit_geometry_network(
        arm.model, [arm.motion], kind="network", postures=256, options=replace(QUICK, batch_size=64),
        progress=lambda stage, done, total: told.append(f"{stage} {done <= total}"),
    )  # fmt: skip
    assert {"sampling True", "training True"} == set(told)
    return trained


@pytest.mark.slow
def test_load_problem_takes_it(arm: Example, arm_paths: TrainedGeometry, tmp_path: Path) -> None:
    arm_paths.surrogate.save(tmp_path / "paths")
    exact = load_problem(arm.model, arm.motion)
    fast = load_problem(arm.model, arm.motion, geometry=GeometrySurrogate.load(tmp_path / "paths"))
    assert fast.muscles == exact.muscles
    assert fast.coordinates == exact.coordinates
    # m; the worst frame of the motion, at the edge of the sampled range
    assert np.abs(fast.moment_arm - exact.moment_arm).max() < 10.0 * TOLERANCE
    length, expected = np.asarray(fast.geometry.length), np.asarray(exact.geometry.length)
    assert np.abs(length - expected).max() < 10.0 * TOLERANCE
    assert fast.provenance["options"]["geometry"].startswith("6 networks, sha256 ")
    between = fast.resample(0.5 * (exact.time[1:] + exact.time[:-1]))
    assert np.abs(between.moment_arm - 0.5 * (fast.moment_arm[1:] + fast.moment_arm[:-1])).max() < TOLERANCE


@pytest.mark.slow
def test_provenance(arm: Example, arm_paths: TrainedGeometry) -> None:
    told = arm_paths.surrogate.provenance
    assert [model["file"] for model in told["models"]] == [arm.model.name]
    assert len(told["models"][0]["sha256"]) == 64
    assert set(told["errors"]["moment_arm_rms"]) == set(arm_paths.surrogate.muscles)
    assert told["options"]["postures"] == 256


@pytest.mark.slow
def test_a_model_with_other_muscles_is_refused(surrogate: GeometrySurrogate, arm: Example) -> None:
    with pytest.raises(InputError, match="none for TRIlong"):
        load_problem(arm.model, arm.motion, geometry=surrogate)


@pytest.mark.parametrize(
    ("factors", "says"),
    [
        ([{}], "the same scale factors"),
        ([{"size": 1.1}, {"length": 1.1}], "the same scale factors"),
        ([{"size": 1.0}], "not all 1"),
        ([{"size": 1.1}, {"size": 0.9}], "at least 4 scaled models for 1 factors, got 2"),
        ([{"size": -1.1}], "positive factors"),
    ],
)
def test_wrong_scaled_models(arm: Example, factors: list[dict[str, float]], says: str) -> None:
    with pytest.raises(InputError, match=says):
        fit_geometry_network(arm.model, scaled=[(arm.model, own) for own in factors])
