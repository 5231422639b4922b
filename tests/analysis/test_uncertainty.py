"""Uncertainty bands: against each sample alone, against OpenSim with the model's numbers changed, and failures."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import osimopt
from osimopt import InputError, RedundancyProblem, solve_static
from osimopt.analysis import uncertainty
from osimopt.analysis.perturb import Draws
from osimopt.datasets import Example

#: Activation; two exact solvers of the same frame.
EXACT = 1e-9
#: Relative; the curves of muscles here and in OpenSim, at numbers that a file holds in decimals.
SAME_GAIN = 1e-6
SPREADS = {"max_isometric_force": 0.1, "moment_arm": 0.05, "generalized_force": 0.03}


def small(frames: int = 3, reserves: float | None = 20.0) -> RedundancyProblem:
    """Six muscles over two coordinates, one about one of them only, with passive forces."""
    rng = np.random.default_rng(0)
    arm = rng.uniform(0.02, 0.05, (frames, 2, 6)) * rng.choice([1.0, -1.0], (2, 6))
    arm[:, 1, 0] = 0.0
    force = rng.uniform(400.0, 2000.0, (frames, 6))
    produced = np.einsum("tdm,tm->td", arm, force * rng.uniform(0.0, 0.5, (frames, 6)))
    passive = rng.uniform(0.0, 20.0, (frames, 6))
    return RedundancyProblem.from_arrays(arm, force, produced, passive_force=passive, reserves=reserves)


def by_hand(problem: RedundancyProblem, draws: Draws, sample: int) -> RedundancyProblem:
    factor = {name: factors[sample] for name, factors in draws.factors.items()}
    arms = problem.geometry.moment_arms * factor.get("moment_arm", 1.0)
    strength = factor.get("max_isometric_force", 1.0)
    return replace(
        problem,
        geometry=replace(problem.geometry, moment_arms=arms),
        max_force=problem.max_force * strength,
        passive_force=problem.passive_force * strength,
        generalized_force=problem.generalized_force * factor.get("generalized_force", 1.0),
    )


@pytest.mark.parametrize("cost", ["activation_power", "sum_stress_squared", "sum_force"])
def test_bands_are_those_of_the_samples_one_by_one(cost: str) -> None:
    problem, levels = small(), (10.0, 50.0, 100.0)
    bands = osimopt.propagate_uncertainty(problem, SPREADS, 7, 3, levels, cost=cost)
    draws = Draws.of(problem, SPREADS, 7, 3)
    alone = [solve_static(by_hand(problem, draws, sample), cost) for sample in range(7)]
    for name in ("activation", "muscle_force"):
        wanted = np.percentile([getattr(one, name) for one in alone], levels, axis=0)
        size = np.abs(wanted).max()
        np.testing.assert_allclose(getattr(bands, name), wanted, atol=EXACT * max(1.0, size))
    assert bands.activation.shape == (3, 3, 6)
    assert (bands.failed == 0).all()
    assert bands.findings() == []


def test_without_spread_the_bands_are_the_solution() -> None:
    problem = small()
    bands = osimopt.propagate_uncertainty(problem, dict.fromkeys(SPREADS, 0.0), samples=3, exponent=3)
    nominal = solve_static(problem, exponent=3)
    np.testing.assert_allclose(bands.activation, [nominal.activation] * 3, atol=EXACT)
    np.testing.assert_allclose(bands.solution.activation, nominal.activation, atol=EXACT)
    given = osimopt.propagate_uncertainty(problem, {"moment_arm": 0.0}, samples=2, nominal=nominal)
    assert given.solution is nominal


def test_one_muscle_in_closed_form() -> None:
    """The force τ/r is certain when strength is not, and the activation is τ/(r F) over the factor."""
    problem = RedundancyProblem.from_arrays([0.05], [1000.0], [10.0, 20.0])
    bands = osimopt.propagate_uncertainty(problem, {"max_isometric_force": 0.2}, samples=4000, percentiles=[5, 50, 95])
    np.testing.assert_allclose(bands.muscle_force[:, :, 0], [[200.0, 400.0]] * 3, rtol=EXACT)
    deviation = np.sqrt(np.log(1.04))
    quantiles = np.exp(0.5 * deviation**2 + deviation * np.array([-1.6448536, 0.0, 1.6448536]))
    # the percentiles of 4000 draws scatter by about 1 %; three times that
    np.testing.assert_allclose(bands.activation[:, 0, 0], 0.2 * quantiles, rtol=0.03)


def test_factors_have_mean_one_and_the_spread_asked_for() -> None:
    problem = small()
    draws = Draws.of(problem, {"max_isometric_force": 0.3, "moment_arm": 0.1, "generalized_force": 0.05}, 20000, 0)
    assert draws.factors["moment_arm"].shape == (20000, 11)
    assert draws.factors["generalized_force"].shape == (20000, 2)
    for name, deviation in (("max_isometric_force", 0.3), ("moment_arm", 0.1), ("generalized_force", 0.05)):
        factors = draws.factors[name]
        assert (factors > 0.0).all()
        # standard errors of 20,000 draws: σ/141 of the mean, σ/200 of σ for a normal and little more here
        np.testing.assert_allclose(factors.mean(axis=0), 1.0, atol=4.0 * deviation / 141.0)
        np.testing.assert_allclose(factors.std(axis=0), deviation, rtol=0.06)
        correlation = np.corrcoef(factors.T) - np.eye(factors.shape[1])
        assert np.abs(correlation).max() < 4.0 / 141.0


def test_draws_repeat_and_do_not_depend_on_what_else_is_drawn() -> None:
    problem = small()
    one = Draws.of(problem, {"moment_arm": 0.1}, 5, seed=1).factors["moment_arm"]
    both = Draws.of(problem, {"max_isometric_force": 0.2, "moment_arm": 0.1}, 5, seed=1).factors
    np.testing.assert_array_equal(one, both["moment_arm"])
    assert (Draws.of(problem, {"moment_arm": 0.1}, 5, seed=2).factors["moment_arm"] != one).all()
    first = osimopt.propagate_uncertainty(problem, SPREADS, 5, seed=4)
    np.testing.assert_array_equal(
        first.activation, osimopt.propagate_uncertainty(problem, SPREADS, 5, seed=4).activation
    )


def test_spreads_by_name_and_by_function() -> None:
    problem = small()
    named = Draws.of(problem, {"moment_arm": {"muscle_2": 0.1}, "generalized_force": {"coordinate_1": 0.2}}, 6, 0)
    drawn = (named.factors["moment_arm"] != 1.0).any(axis=0)
    assert drawn.tolist() == (problem.geometry.pair_muscle == 2).tolist()
    assert (named.factors["generalized_force"][:, 0] == 1.0).all()

    def together(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return np.repeat(rng.uniform(0.9, 1.1, (shape[0], 1)), shape[1], axis=1)

    same = Draws.of(problem, {"max_isometric_force": together}, 6, 0).factors["max_isometric_force"]
    assert (same == same[:, :1]).all()
    assert np.ptp(same[:, 0]) > 0.0
    bands = osimopt.propagate_uncertainty(problem, {"max_isometric_force": together, "moment_arm": 0.1}, samples=2)
    assert bands.provenance == {"uncertainty": {"max_isometric_force": "together", "moment_arm": 0.1}, "seed": 0}


def test_little_memory_gives_the_same_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, done = small(frames=7), []
    whole = osimopt.propagate_uncertainty(problem, SPREADS, samples=9)
    monkeypatch.setattr(uncertainty, "MEMORY", 16 * 9 * 6 * 3)
    monkeypatch.setattr(uncertainty, "STACK", 12)
    parts = osimopt.propagate_uncertainty(problem, SPREADS, samples=9, progress=lambda *now: done.append(now))
    np.testing.assert_allclose(parts.activation, whole.activation, atol=EXACT)
    assert done[-1] == (63, 63)
    assert [now for now, _ in done] == sorted({now for now, _ in done})
    assert len(done) == 3 + 3 + 1


def test_moving_reserves_are_drawn_with_their_frames() -> None:
    """An actuator whose effect changes along the motion keeps its frames in every sample."""
    problem = small()
    effect = problem.reserves.effect * np.linspace(0.2, 3.0, 3)[:, None, None]
    problem = replace(problem, reserves=replace(problem.reserves, effect=effect))
    bands = osimopt.propagate_uncertainty(problem, {"moment_arm": 0.0}, samples=2)
    np.testing.assert_allclose(bands.activation[1], solve_static(problem).activation, atol=EXACT)


@pytest.mark.slow
def test_failed_samples_are_counted_and_said() -> None:
    """At 47.5 N·m of 50, a muscle with 10 % spread is too weak in about a third of the samples; at 90, always."""
    problem = RedundancyProblem.from_arrays([0.05], [1000.0], [10.0, 47.5, 90.0])
    bands = osimopt.propagate_uncertainty(problem, {"max_isometric_force": 0.1}, samples=200)
    factors = Draws.of(problem, {"max_isometric_force": 0.1}, 200, 0).factors["max_isometric_force"][:, 0]
    strong = factors >= 0.95
    assert bands.failed.tolist() == [0, int(np.sum(~strong)), 200]
    wanted = np.percentile(0.95 / factors[strong], [5, 50, 95])
    np.testing.assert_allclose(bands.activation[:, 1, 0], wanted, atol=EXACT)
    assert np.isnan(bands.activation[:, 2]).all()
    (said,) = bands.findings()
    assert "2 of 3 frames" in said
    assert "100 %, at 2 s" in said
    assert bands.summary().loc["muscle_0", "nominal"] == pytest.approx(950.0)


def test_tables() -> None:
    problem = small()
    bands = osimopt.propagate_uncertainty(problem, SPREADS, samples=5, percentiles=[50.0, 2.5])
    frame = bands.to_dataframe()
    assert frame.columns.names == ["muscle", "percentile"]
    np.testing.assert_array_equal(frame["muscle_4", 2.5], bands.muscle_force[1, :, 4])
    np.testing.assert_array_equal(bands.to_dataframe("activation")["muscle_0", 50.0], bands.activation[0, :, 0])
    summary = bands.summary()
    assert list(summary.columns) == ["time", "nominal", "p50", "p2.5"]
    at = int(summary.loc["muscle_1", "time"])
    assert summary.loc["muscle_1", "nominal"] == bands.solution.muscle_force[:, 1].max()
    assert summary.loc["muscle_1", "p2.5"] == bands.muscle_force[1, at, 1]


@pytest.fixture(scope="module")
def arm_problem(arm: Example) -> RedundancyProblem:
    return osimopt.load_problem(arm.model, arm.motion, passive_force=True)


FACTORS = {
    "optimal_fiber_length": 1.06,
    "tendon_slack_length": 0.97,
    "pennation_angle": 1.3,
    "max_isometric_force": 0.8,
}
TAGS = {"pennation_angle": "pennation_angle_at_optimal"}


@pytest.mark.parametrize("names", [("tendon_slack_length",), tuple(FACTORS)], ids=["tendon", "all"])
def test_forces_are_those_of_a_model_with_the_numbers_changed(
    arm: Example, arm_problem: RedundancyProblem, names: tuple[str, ...], tmp_path: Path
) -> None:
    text = Path(arm.model).read_text(encoding="utf-8")
    for name in names:
        tag = TAGS.get(name, name)

        def scaled(found: re.Match[str], name: str = name) -> str:
            return f"{found[1]}{FACTORS[name] * float(found[2])!r}<"

        text, count = re.subn(rf"(<{tag}>)([^<]+)<", scaled, text)
        assert count
    model = tmp_path / "other.osim"
    model.write_text(text, encoding="utf-8")
    wanted = osimopt.load_problem(model, arm.motion, passive_force=True)
    spreads = {name: lambda rng, shape, name=name: np.full(shape, FACTORS[name]) for name in names}
    found = Draws.of(arm_problem, spreads, 2, 0).subjects(arm_problem, slice(1, 2))
    assert np.abs(wanted.max_force / arm_problem.max_force - 1.0).max() > 0.01
    np.testing.assert_allclose(found.max_force, wanted.max_force, rtol=SAME_GAIN, atol=SAME_GAIN)
    np.testing.assert_allclose(found.passive_force, wanted.passive_force, rtol=SAME_GAIN, atol=SAME_GAIN)


def test_fibre_parameters_of_the_arm(arm_problem: RedundancyProblem) -> None:
    bands = osimopt.propagate_uncertainty(arm_problem, {"tendon_slack_length": 0.02}, samples=20)
    width = bands.activation[-1] - bands.activation[0]
    assert (width >= 0.0).all()
    assert width.max() > 1e-3


def test_fibre_parameters_need_forces_that_follow_from_them(arm_problem: RedundancyProblem) -> None:
    fibre = {"optimal_fiber_length": 0.1}
    with pytest.raises(InputError, match="muscle parameters and lengths"):
        osimopt.propagate_uncertainty(small(), fibre)
    with pytest.raises(InputError, match="max_force that follows"):
        osimopt.propagate_uncertainty(replace(arm_problem, max_force=1.1 * arm_problem.max_force), fibre)
    with pytest.raises(InputError, match="passive forces that follow"):
        osimopt.propagate_uncertainty(replace(arm_problem, passive_force=arm_problem.passive_force + 9.0), fibre)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"uncertainty": {"strength": 0.1}}, "max_isometric_force"),
        ({"uncertainty": {}}, "at least one"),
        ({"uncertainty": {"moment_arm": -0.1}}, "standard deviation ≥ 0"),
        ({"uncertainty": {"moment_arm": float("nan")}}, "standard deviation ≥ 0"),
        ({"uncertainty": {"moment_arm": {"soleus": 0.1}}}, "soleus"),
        ({"uncertainty": {"generalized_force": {"muscle_0": 0.1}}}, "coordinate_0"),
        ({"uncertainty": {"moment_arm": lambda rng, shape: np.ones(3)}}, r"shape \(1000, 11\)"),
        ({"uncertainty": {"moment_arm": lambda rng, shape: np.zeros(shape)}}, "positive factors"),
        ({"uncertainty": SPREADS, "samples": 0}, "samples ≥ 1"),
        ({"uncertainty": SPREADS, "samples": 10.5}, "samples ≥ 1"),
        ({"uncertainty": SPREADS, "percentiles": (5, 150)}, "between 0 and 100"),
        ({"uncertainty": SPREADS, "percentiles": ()}, "between 0 and 100"),
        ({"uncertainty": SPREADS, "cost": "effort"}, "a cost among"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        osimopt.propagate_uncertainty(small(), **arguments)  # type: ignore[arg-type]


def test_wrong_tables_are_refused() -> None:
    with pytest.raises(InputError, match="muscle_force"):
        osimopt.propagate_uncertainty(small(), SPREADS, samples=1).to_dataframe("force")  # type: ignore[arg-type]
