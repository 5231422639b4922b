"""calibrate: planted muscles are found again, derivatives are exact, assisted frames are the minimum, errors speak."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from limb_cases import NAMES, limb
from scipy.optimize import LinearConstraint, minimize

import osimopt
from osimopt import Emg, InputError, Prior
from osimopt.calibration.calibrate import _residuals, _sharing
from osimopt.calibration.noise import Left, Noise, noise_of
from osimopt.calibration.parameters import KINDS, gain_of_mvc, strain_of, with_strain
from osimopt.calibration.preparation import prepare
from osimopt.calibration.residuals import nearest

MAPPING = {name: name for name in NAMES}
TRIALS = ("slow", "fast")


def envelope(seed: int, time: np.ndarray) -> np.ndarray:
    random = np.random.default_rng(seed)
    phase = random.uniform(0.0, 2.0 * np.pi, (2, len(NAMES)))
    waves = np.sin(2.0 * np.pi * time[:, None] / 1.2 + phase[0]) + 0.5 * np.sin(6.0 * np.pi * time[:, None] + phase[1])
    return np.asarray(np.clip(0.35 + 0.25 * waves, 0.0, 1.0))


def recorded(seed: int) -> Emg:
    time = np.arange(-0.3, 2.6, 0.005)
    return Emg(time, envelope(seed, time), NAMES, envelope=True)


def planted(sharing: Any, seed: int = 0, size: float = 0.7, tendon: Any = "rigid") -> tuple[Any, Any, Any, Any]:
    """Problems whose moments are those of drawn parameters, EMG, and the truth by kind."""
    problems, emg = dict.fromkeys(TRIALS, limb()), {name: recorded(number) for number, name in enumerate(TRIALS)}
    setup = prepare(problems, emg, MAPPING, None, (), True, tendon == "compliant")
    trials = tuple(setup.trial(name, problems[name], emg[name], 0.0) for name in TRIALS)
    unknowns = _residuals(trials, setup, _sharing(sharing, tendon), {}, "driven").unknowns
    low, high = unknowns.bounds()
    truth = np.clip(size * np.random.default_rng(seed).standard_normal(len(low)), 0.9 * low, 0.9 * high)
    moments = [trial.drive(unknowns, truth).moment for trial in trials]
    made = {n: replace(problems[n], generalized_force=m) for n, m in zip(TRIALS, moments, strict=True)}
    return made, emg, unknowns, truth


@pytest.mark.parametrize("tendon", ["rigid", "compliant"])
def test_planted_parameters_are_found(tendon: Any) -> None:
    kinds = ["max_isometric_force", "optimal_fiber_length", "gain", "delay"]
    problems, emg, unknowns, truth = planted(kinds, tendon=tendon)
    found = osimopt.calibrate(problems, emg, MAPPING, kinds, tendon=tendon, starts=1)
    sure = found.table["determined"].to_numpy() > 0.999
    assert sure.sum() >= 12
    error = (found.best.x - truth) * unknowns.scale
    assert np.abs(error[sure]).max() < 0.01  # 1 %, or 10 ms of nothing: all but the delay are logarithms
    assert found.moments["nrmse"].max() < 1e-3 < found.moments["nrmse_before"].min()


@pytest.mark.slow
def test_intervals_hold_the_truth() -> None:
    """Noise of 3 %: about 95 % of 95 % intervals, over parameters and draws."""
    kinds = ["optimal_fiber_length", "gain", "delay"]
    covered = []
    for seed in range(4):
        problems, emg, _, truth = planted(kinds, seed)
        random = np.random.default_rng(100 + seed)
        noisy = {}
        for name, problem in problems.items():
            white = random.standard_normal(problem.generalized_force.shape)
            noise = np.stack([np.convolve(own, np.hanning(9), "same") for own in white.T], axis=1)
            noise *= 0.03 * np.ptp(problem.generalized_force, axis=0) / noise.std(axis=0)
            noisy[name] = replace(problem, generalized_force=problem.generalized_force + noise)
        found = osimopt.calibrate(noisy, emg, MAPPING, kinds, starts=1)
        half = 1.96 * np.sqrt(np.clip(1.0 - found.table["determined"].to_numpy(), 0.0, 1.0))
        covered.append(np.abs(found.best.x - truth) <= half)
    assert 0.85 <= np.mean(covered) <= 1.0


@pytest.mark.parametrize(("mode", "tendon"), [("driven", "rigid"), ("driven", "compliant"), ("assisted", "rigid")])
def test_jacobians_are_exact(mode: Any, tendon: Any) -> None:
    kinds = [kind for kind in KINDS if tendon == "compliant" or kind != "tendon_strain"]
    problems, emg, unknowns, truth = planted(kinds, tendon=tendon)
    setup = prepare(problems, emg, MAPPING, ("hip", "knee"), ("two_joint",), False, tendon == "compliant")
    trials = tuple(setup.trial(name, problems[name], emg[name], 0.0) for name in TRIALS)
    residuals = _residuals(trials, setup, _sharing(kinds, tendon), {}, mode, passive=0.05)
    x = 0.5 * np.random.default_rng(3).standard_normal(len(residuals.unknowns.items))
    x = np.clip(x, *(0.9 * one for one in residuals.unknowns.bounds()))
    exact, step = residuals.jacobian(x), 1e-6
    for column in range(len(x)):
        ahead, behind = x.copy(), x.copy()
        ahead[column] += step
        behind[column] -= step
        slope = (residuals.values(ahead) - residuals.values(behind)) / (2.0 * step)
        off = np.abs(slope - exact[:, column]) / max(np.abs(slope).max(), 1e-3)
        assert np.quantile(off, 0.995) < 1e-5  # a bound is met within a step of a few frames
    assert unknowns is not None
    assert len(truth)


def test_assisted_frames_are_the_minimum() -> None:
    """Against SLSQP."""
    random = np.random.default_rng(0)
    aim, spread, noise = random.uniform(0.0, 0.6, (4, 5)), np.array([0.05, 0.05, 0.3, 0.3, 0.05]), np.array([2.0, 3.0])
    gain, wanted, lower = 100.0 * random.standard_normal((4, 2, 5)), 40.0 * random.standard_normal((4, 2)), np.zeros(5)
    found, multipliers = nearest(aim, spread, lower, gain, wanted, noise)
    for frame in range(4):

        def cost(a: Any, frame: int = frame) -> float:
            missed = (wanted[frame] - gain[frame] @ a) / noise
            return float(0.5 * np.sum(((a - aim[frame]) / spread) ** 2) + 0.5 * missed @ missed)

        judge = minimize(
            cost, aim[frame], bounds=[(0.0, 1.0)] * 5, method="SLSQP", options={"ftol": 1e-14, "maxiter": 500}
        )
        assert cost(found[frame]) <= judge.fun * (1.0 + 1e-8)
        np.testing.assert_allclose(found[frame], judge.x, atol=1e-4)
    np.testing.assert_allclose(multipliers, (wanted - np.einsum("tdm,tm->td", gain, found)) / noise**2, rtol=1e-8)


def test_solutions_of_whole_problems() -> None:
    """All moments are met, and no activations are nearer to EMG: SLSQP on single frames."""
    arm = osimopt.datasets.arm26()
    problem = osimopt.load_problem(arm.model, arm.motion, time_range=(0.2, 0.6))
    static = osimopt.solve_static(problem, exponent=3)
    emg = Emg(problem.time, static.activation, problem.muscles, envelope=True)
    mapping = {name: name for name in problem.muscles[:4]}
    kinds = ["gain", "max_isometric_force"]
    calibrated = osimopt.calibrate(problem, emg, mapping, kinds, starts=1, coordinates=["r_elbow_flex"])
    solution = calibrated.solve(problem, emg)
    assert solution.success
    assert np.abs(solution.moment_residual).max() < 1e-8
    new = solution.problem
    strength = calibrated.model_values()["max_isometric_force"]
    for name, value in strength.items():
        assert new.parameters.max_isometric_force[new.muscles.index(name)] == value
    assert "near EMG" in solution.objective_terms
    for frame in (3, 20):
        A, b = new.system(frame)
        start = np.concatenate([solution.activation[frame], solution.reserve_control[frame]])
        objective = solution.objective[frame]
        driven = calibrated.drive(problem, emg).activation
        spread, aim = np.full(len(start), 0.3), np.zeros(len(start))
        aim[: len(new.muscles)] = new.lower
        for column, name in enumerate(calibrated.muscles):
            at = new.muscles.index(name)
            aim[at] = np.interp(new.time[frame], calibrated.best.residuals.trials[0].time, driven[:, column])
            spread[at] = 0.05 if calibrated.setup.share[column].any() else 0.3

        def cost(x: Any, aim: Any = aim, spread: Any = spread) -> float:
            return float(np.sum(((x - aim) / spread) ** 2))

        bounds = list(zip(*new.bounds(), strict=True))
        judge = minimize(cost, start, bounds=bounds, constraints=[LinearConstraint(A, b, b)], method="SLSQP",
                         options={"ftol": 1e-14, "maxiter": 500})  # fmt: skip
        assert cost(start) == pytest.approx(objective, rel=1e-9)
        assert judge.fun >= objective * (1.0 - 1e-7)


def test_noise_is_found_again() -> None:
    """Smooth noise of moments and of envelopes, although 30 parameters fit a part of it."""
    random = np.random.default_rng(0)
    time = np.arange(240) / 50.0
    slopes = np.stack([np.sin(time[:, None] * f + p) for f, p in zip((3.0, 5.0), (0.0, 1.0), strict=True)], axis=1)
    slopes = 20.0 * slopes * random.standard_normal((1, 2, 30)) * np.cos(time[:, None, None] * np.arange(30) / 3.0)
    pull = 40.0 * np.abs(np.sin(2.0 * time[:, None, None] + np.arange(4))) * np.ones((1, 2, 1))
    truth = Noise(np.array([2.0, 3.0]), 0.06, 0.1, 0.06)
    found = []
    for _ in range(5):
        left = Left(time, np.zeros((240, 2)), slopes, pull)
        errors = [random.multivariate_normal(np.zeros(2 * len(b.time)), truth.covariance(b)) for b in left.blocks()]
        missing = np.concatenate(errors).reshape(-1, 2) + slopes @ random.standard_normal(30)
        found.append(noise_of([Left(time, missing, slopes, pull)], np.array([5.0, 5.0]), np.array([1e-3, 1e-3])))
    np.testing.assert_allclose(np.mean([one.deviation for one in found], axis=0), truth.deviation, rtol=0.2)
    assert np.mean([one.emg for one in found]) == pytest.approx(truth.emg, rel=0.2)
    assert np.mean([one.time for one in found]) == pytest.approx(truth.time, rel=0.3)


def test_profiles_agree_with_curvature_where_the_problem_is_nearly_linear() -> None:
    kinds = ["gain", "delay"]
    problems, emg, _, _ = planted(kinds)
    one = {name: replace(p, generalized_force=p.generalized_force + 0.2) for name, p in problems.items()}
    linear = osimopt.calibrate(one, emg, MAPPING, kinds, starts=1)
    profiled = osimopt.calibrate(one, emg, MAPPING, kinds, starts=1, profiles=["delay"])
    assert profiled.table.loc[("delay", "all"), "interval"] == "profile"
    low, value, high = (profiled.table.loc[("delay", "all"), c] for c in ("low", "value", "high"))
    assert low < value < high
    assert linear.table["value"].to_numpy() == pytest.approx(profiled.table["value"].to_numpy())


def test_same_seed_same_bytes_and_progress() -> None:
    problems, emg, _, _ = planted(["gain", "delay"])
    steps: list[tuple[int, int]] = []
    runs = [
        osimopt.calibrate(problems, emg, MAPPING, ["gain", "delay"], seed=5, progress=lambda *s: steps.append(s))
        for _ in range(2)
    ]
    assert runs[0].best.x.tobytes() == runs[1].best.x.tobytes()
    assert steps[-1][0] == steps[-1][1]


def test_what_is_not_determined_stays_and_is_listed() -> None:
    """Strength and gain of a straight muscle are one number: only their product is determined."""
    problems, emg, _, _ = planted(["gain"])
    wave = 4.0 * np.sin(40.0 * limb().time[:, None] + np.arange(2))
    noisy = {name: replace(p, generalized_force=p.generalized_force + wave) for name, p in problems.items()}
    found = osimopt.calibrate(noisy, emg, MAPPING, {"max_isometric_force": "each", "gain": "each"}, starts=1)
    both = found.combinations.iloc[-3:]
    assert (both["from_data"] < 0.9).all()
    assert all("max_isometric_force" in text or "gain" in text for text in both["members"])
    open_ = found.table["determined"] < 0.5
    assert open_.any()
    assert any(line.startswith("Not determined by the data") for line in found.findings())


def test_judging_on_another_trial_and_channels_left_out() -> None:
    problems, emg, _, _ = planted(["gain", "delay"])
    found = osimopt.calibrate({"slow": problems["slow"]}, {"slow": emg["slow"]}, MAPPING, ["gain", "delay"], starts=1)
    judged = found.judge({"fast": problems["fast"]}, {"fast": emg["fast"]})
    assert judged.moments["nrmse"].max() < 0.01
    assert list(judged.channels.loc["fast"].index) == list(NAMES)
    knee = judged.channels.loc[("fast", "knee_extensor"), "r"]
    assert knee > 0.9  # the only extensor: the others tell what it has to do


def test_clocks_of_emg() -> None:
    """A shift that is taken out changes nothing."""
    problems, emg, _, _ = planted(["gain", "delay"])
    moved = {name: one.retimed(0.15) for name, one in emg.items()}
    straight = osimopt.calibrate(problems, emg, MAPPING, ["gain", "delay"], starts=1)
    back = osimopt.calibrate(problems, moved, MAPPING, ["gain", "delay"], shift=-0.15, starts=1)
    np.testing.assert_allclose(back.best.x, straight.best.x, atol=1e-4)


def test_strains_of_every_class() -> None:
    own = limb().parameters
    assert own is not None
    np.testing.assert_allclose(strain_of(with_strain(own, np.full(5, 1.2))), 1.2 * strain_of(own))


def test_priors() -> None:
    assert gain_of_mvc(0.8).mean == pytest.approx(np.log(0.8))
    with pytest.raises(InputError, match=r"within its bounds, got 1, 0\.5 to 2"):
        Prior(1.0, 0.1, 0.5, 2.0)
    with pytest.raises(InputError, match="deviation above 0"):
        Prior(0.0, 0.0, 0.5, 2.0)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"parameters": ["strength"]}, "expected parameters among .*got strength"),
    ({"parameters": []}, "at least one parameter, got none"),
    ({"parameters": ["tendon_strain"]}, "elastic tendons with tendon_strain, got tendon='rigid'"),
    ({"parameters": {"gain": "some"}}, "who shares gain, got 'some'"),
    ({"parameters": {"gain": {"a": ["knee_flexor"], "b": ["knee_flexor"]}}}, "knee_flexor in two"),
    ({"mode": "free"}, "mode"),
    ({"mode": "assisted", "tendon": "compliant"}, "rigid tendons in the assisted mode"),
    ({"coordinates": ["ankle"]}, "ankle"),
    ({"shift": 5.0}, "EMG of trial from 0 to 2.4 s, got 4.7 to 7"),
    ({"left_out": NAMES}, "at least one channel of EMG, got all are left out"),
    ({"starts": 0}, "at least one start, got 0"),
    ({"passive": -1.0}, "passive above 0, got -1"),
    ({"priors": {"gain": Prior(1.0, 0.1, 0.5, 2.0, log=False)}}, "a Prior of gain with log=True"),
    ({"mapping": {"knee_extensor": "knee_extensor"}}, "a coordinate with EMG of 80%"),
    ({"mapping": {"knee": "knee_extensor"}}, "knee"),
]


@pytest.mark.parametrize(("given", "message"), WRONG, ids=lambda own: next(iter(own)) if isinstance(own, dict) else "")
def test_errors_say_what_to_do(given: dict[str, Any], message: str) -> None:
    given = {"mapping": MAPPING, **given}
    with pytest.raises(InputError, match=message):
        osimopt.calibrate(limb(), recorded(0), **given)


def test_trials_belong_together() -> None:
    with pytest.raises(InputError, match="EMG of the trials"):
        osimopt.calibrate({"a": limb(), "b": limb()}, {"a": recorded(0), "c": recorded(1)}, MAPPING)
    with pytest.raises(InputError, match="EMG for each of a, b, got one for all"):
        osimopt.calibrate({"a": limb(), "b": limb()}, recorded(0), MAPPING)
    other = limb()
    assert other.parameters is not None
    weaker = replace(other, parameters=replace(other.parameters, max_isometric_force=np.full(5, 100.0)))
    with pytest.raises(InputError, match="the muscles of a in every trial, got others in b"):
        osimopt.calibrate({"a": limb(), "b": weaker}, {"a": recorded(0), "b": recorded(1)}, MAPPING)
    gap = recorded(0)
    value = gap.value.copy()
    value[100, 2] = np.nan
    with pytest.raises(InputError, match="1 samples missing in two_joint"):
        osimopt.calibrate(limb(), replace(gap, value=value), MAPPING)
