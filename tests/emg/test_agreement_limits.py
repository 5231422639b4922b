"""The values at which verdicts turn: agreement with EMG and between solutions, faults of channels, errors of paths.

Each limit has one value inside and one outside of it, less than a factor of 2 away.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import osimopt
from osimopt import (
    Emg,
    EmgOptions,
    InputError,
    PolynomialGeometry,
    RedundancyProblem,
    Result,
    find_strides,
    process_emg,
    solve_static,
)
from osimopt.analysis import compartments, feasible, identify, ranges
from osimopt.analysis.bands import UncertaintyBands
from osimopt.analysis.scaled_paths import check_factors
from osimopt.analysis.static_vs_dynamic import Comparison, agreement
from osimopt.emg import compare, metrics
from osimopt.emg.comparison import ChannelCurves
from osimopt.emg.mapping import EmgMapping
from osimopt.emg.metrics import interval, on_by_threshold, onset_errors, pearson, pieces_of
from osimopt.emg.quality import flags
from osimopt.emg.read import _envelopes
from osimopt.polynomial import Fit, MusclePolynomial
from osimopt.polynomial.samples import PathSamples, measure_errors
from osimopt.problem.reactions import JointReactions

RATE = 1000.0
#: Bursts twice a second, over a rest of a tenth: noise alone would be a fault.
NOISE = np.random.default_rng(0).standard_normal(10_000)
NOISE *= 0.1 + np.clip(np.sin(2.0 * np.pi * 2.0 * np.arange(10_000) / RATE), 0.0, None)
#: An envelope of 20 s with two bursts a second, none like the other.
LEVEL = np.clip(np.sin(2.0 * np.pi * 2.0 * np.arange(20_000) / RATE), 0.0, None) ** 2
LEVEL *= 1.0 + 0.05 * np.sin(0.37 * np.arange(20_000) / RATE)
LEVEL += 0.1 + 0.002 * np.sin(61.0 * np.arange(20_000) / RATE)


def kinds(*columns: np.ndarray, envelope: bool = False, window: tuple[float, float] | None = None) -> set[str]:
    names = tuple("abcdefgh"[: len(columns)])
    emg = Emg(np.arange(len(columns[0])) / RATE, np.stack(columns, axis=1), names, envelope=envelope)
    return {flag.kind for flag in flags(emg, window)}


# ------------------------------------------------------------------------------------------- agreement with EMG


def test_samples_and_onsets() -> None:
    ramp = np.arange(5.0)
    assert pearson(ramp, ramp) == pytest.approx(1.0)
    assert np.isnan(pearson(ramp[:4], ramp[:4]))
    assert onset_errors(np.array([1.15]), np.array([1.0])) == pytest.approx([0.15])
    assert not len(onset_errors(np.array([1.3]), np.array([1.0])))


def test_on_and_off() -> None:
    value = np.r_[np.zeros(50), np.ones(50), np.full(50, 0.25), np.full(50, 0.15)]
    assert on_by_threshold(value[:, None], 100.0)[:, 0].tolist() == [False] * 50 + [True] * 100 + [False] * 50
    bursts = np.zeros((200, 1))
    bursts[20:40] = bursts[80:83] = bursts[120:122] = 1.0  # 200, 30 and 20 ms
    assert on_by_threshold(bursts, 100.0)[:, 0].sum() == 23


@pytest.mark.parametrize(
    ("seconds", "strides", "expected"), [(10.0, (), 0.5), (1.0, (), 0.4), (10.0, ((0, 120),), 0.6)]
)
def test_the_range_of_lags(seconds: float, strides: tuple[tuple[int, int], ...], expected: float) -> None:
    time = np.arange(round(100.0 * seconds) + 1) / 100.0
    curves = ChannelCurves(time, 100.0, time[:, None], time[:, None], ("a",), strides, amplitude=False)
    assert curves.half_stride == pytest.approx(expected)


def test_lags_within_the_delay_of_emg() -> None:
    time = np.arange(1001) / 100.0

    def lag(delay: float) -> float:
        both = (np.sin(3.0 * (time - by))[:, None] for by in (delay, 0.0))
        return float(ChannelCurves(time, 100.0, *both, ("a",), (), amplitude=False).pooled()[0]["lag"].item())

    assert lag(0.08) == pytest.approx(0.08, abs=1e-3)
    assert lag(0.15) == pytest.approx(0.1)


def test_a_shifted_channel() -> None:
    columns = ["r_anywhere", "r_delay", "lag_anywhere", "lag_anywhere_at_limit"]
    rows = {"far": (0.65, 0.45, 0.4, True), "weak": (0.55, 0.0, 0.4, False), "near": (0.9, 0.8, 0.4, False)}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    (flag,) = compare._shifted(table)
    assert flag.channel == "far"
    assert "at least +0.40 s away" in flag.text


@pytest.mark.parametrize(("end", "passes"), [(0.95, True), (0.85, False)])
def test_emg_must_cover_the_solution(end: float, passes: bool) -> None:
    result, emg = (SimpleNamespace(time=np.array([0.0, last])) for last in (1.0, end))
    assert compare._covered(result, emg).passes is passes  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("share", "opposite", "found"), [(0.6, 100, True), (0.4, 100, False), (1.0, 95, True), (1.0, 85, False)]
)
def test_antagonists(share: float, opposite: int, found: bool) -> None:
    """Channel a acts by ``share`` of its largest moment arm on the knee, against b in ``opposite`` of 100 frames."""
    sign = np.where(np.arange(100) < opposite, 1.0, -1.0)
    arms = 0.04 * np.stack([share * sign, np.ones(100), -np.ones(100)], axis=1)
    geometry = SimpleNamespace(
        moment_arms=arms, pair_coordinate=[0, 1, 0], pair_muscle=[0, 0, 1], coordinates=("knee", "hip"),
        muscles=("a", "b"), served=[True, True],
    )  # fmt: skip
    result: Any = SimpleNamespace(geometry=geometry, pcsa=np.ones(2))
    assert compare.antagonists(result, {"a": ["a"], "b": ["b"]}) == ([("a", "b", "knee")] if found else [])


def test_similar_names() -> None:
    with pytest.raises(InputError, match="Did you mean soleus"):
        EmgMapping({"soles": ("m",)}).check(["soleus"], ["m"])
    with pytest.raises(InputError, match="Check the names"):
        EmgMapping({"psoas": ("m",)}).check(["soleus"], ["m"])  # a similarity of 0.55


# ---------------------------------------------------------------------------------------------- faults of channels


@pytest.mark.parametrize(("samples", "found"), [(25, {"clipped"}), (15, set())])
def test_clipped(samples: int, found: set[str]) -> None:
    assert kinds(np.minimum(NOISE, np.sort(NOISE)[-samples])) == found


@pytest.mark.parametrize(("milliseconds", "found"), [(130, {"flat"}), (80, set())])
def test_flat(milliseconds: int, found: set[str]) -> None:
    value = NOISE.copy()
    value[1000 : 1000 + milliseconds] = 0.1
    assert kinds(value) == found


@pytest.mark.parametrize(("share", "found"), [(0.03, {"hum"}), (0.013, set())])
def test_hum(share: float, found: set[str]) -> None:
    time = np.arange(len(NOISE)) / RATE
    size = NOISE.std() * np.sqrt(2.0 * share / (1.0 - share))
    assert kinds(NOISE + size * np.sin(2.0 * np.pi * 50.0 * time)) == found


@pytest.mark.parametrize(("noise", "found"), [(0.15, {"duplicate"}), (0.25, set())])
def test_copies(noise: float, found: set[str]) -> None:
    """Signals that are correlated by 0.989 and 0.970, also a sample late."""
    other = np.random.default_rng(1).standard_normal(len(NOISE)) * NOISE.std()
    assert kinds(NOISE, NOISE + noise * other) == found
    assert kinds(NOISE, np.roll(NOISE + noise * other, 1)) == found


@pytest.mark.parametrize(("noise", "found"), [(0.02, {"duplicate"}), (0.06, set())])
def test_copies_of_envelopes(noise: float, found: set[str]) -> None:
    """Correlated by 0.9998 and 0.9982."""
    other = np.random.default_rng(1).standard_normal(len(LEVEL)) * LEVEL.std()
    assert kinds(LEVEL, np.abs(LEVEL + noise * other), envelope=True) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (2.3 - LEVEL, {"inverted"}), (LEVEL, set()),
        (LEVEL + np.linspace(0.0, 0.35, 20_000), {"drift"}), (LEVEL + np.linspace(0.0, 0.15, 20_000), set()),
        (LEVEL * np.where(np.arange(20_000) > 9_000, 1.7, 1.0), {"gain step"}),
        (LEVEL * np.where(np.arange(20_000) > 9_000, 1.35, 1.0), set()),
        (0.8 + 0.3 * LEVEL, {"noise"}), (0.3 + 0.3 * LEVEL, set()),
        (LEVEL + 3.0 * (np.arange(20_000) == 7_000), {"spike"}), (LEVEL + 1.0 * (np.arange(20_000) == 7_000), set()),
    ],
    ids=lambda own: "-".join(own) or "none" if isinstance(own, set) else "",
)  # fmt: skip
def test_faults_of_envelopes(value: np.ndarray, found: set[str]) -> None:
    assert kinds(value, envelope=True) == found


@pytest.mark.parametrize(("largest", "found"), [(4.0, {"per cent"}), (2.0, set())])
def test_per_cent(largest: float, found: set[str]) -> None:
    emg = Emg(np.arange(20_000) / RATE, largest / LEVEL.max() * LEVEL[:, None], ("a",), "mvc", envelope=True)
    assert {flag.kind for flag in flags(emg)} == found


def test_clipping_before_noise() -> None:
    cut = np.clip(NOISE, -1.0, 1.0)
    assert kinds(cut + 0.01 * np.random.default_rng(1).standard_normal(len(NOISE))) == {"clipped"}


def test_envelopes_among_signals() -> None:
    """Each channel is one or the other; only signals are filtered."""
    emg = Emg(
        np.arange(10_000) / RATE, np.stack([NOISE, LEVEL[:10_000]], axis=1), ("raw", "smooth"), smooth=("smooth",)
    )
    assert flags(emg) == []
    done = process_emg(emg)
    assert done.envelope
    assert done.smooth == ()
    np.testing.assert_array_equal(done.of("smooth"), LEVEL[:10_000])
    assert done.of("raw").min() >= 0.0
    assert process_emg(emg.select(["raw"])).of("raw") == pytest.approx(done.of("raw"))


@pytest.mark.parametrize(("least", "found"), [(-0.007, {"negative"}), (-0.003, set())])
def test_negative_envelopes(least: float, found: set[str]) -> None:
    assert kinds(np.r_[np.linspace(0.0, 2.0, 999), 2.0 * least], envelope=True) == found


@pytest.mark.parametrize(("away", "found"), [(0.7e-6, {"own maximum"}), (1.5e-6, set())])
def test_maxima_of_one(away: float, found: set[str]) -> None:
    ramp = np.linspace(0.0, 1.0, 1000)
    assert kinds(ramp * (1.0 + away), ramp**2 * (1.0 + away), envelope=True) == found


@pytest.mark.parametrize(("inside", "found"), [(0.93, {"outside"}), (0.97, set())])
def test_a_maximum_outside_the_window(inside: float, found: set[str]) -> None:
    value = np.r_[np.linspace(0.0, inside, 500), 1.0, np.linspace(0.5, 0.0, 499)]
    assert kinds(value, envelope=True, window=(0.0, 0.4995)) == found


@pytest.mark.parametrize(("deviation", "even"), [(0.04, True), (0.07, False)])
def test_even_samples(deviation: float, even: bool) -> None:
    step = np.full(1000, 0.01)
    step[500] *= 1.0 + deviation
    assert Emg(np.r_[0.0, np.cumsum(step)], np.zeros((1001, 1)), ("a",)).even is even


@pytest.mark.parametrize(("rate", "least", "envelope"), [(300.0, -1.0, False), (200.0, -1.0, True),
                                                         (1000.0, -0.3, False), (1000.0, -0.2, True)])  # fmt: skip
def test_envelopes_are_recognised(rate: float, least: float, envelope: bool) -> None:
    value = np.linspace(least, 1.0, 100)
    assert bool(_envelopes(Emg(np.arange(100) / rate, value[:, None], ("a",)))) is envelope


def test_a_notch_is_2_hz_wide() -> None:
    """1 Hz beside the hum each of two passes lets 1/√2 through."""
    time = np.arange(20_000) / RATE
    emg = Emg(time, np.sin(2.0 * np.pi * 51.0 * time)[:, None], ("a",))
    done = process_emg(emg, EmgOptions(band=None, notch=50.0, lowpass=None))
    assert done.value[5000:-5000].max() == pytest.approx(0.5, abs=0.02)


# --------------------------------------------------------------------------------------------------------- strides


def contacts_of(force: float = 800.0, stance: float = 0.6, durations: tuple[float, ...] = (1.0,) * 4) -> Any:
    """Strides found where a foot presses with a force in N for a time in s, after strides of given durations."""
    time = np.arange(1000) / 100.0
    begins = 0.5 + np.cumsum([0.0, *durations])
    on = np.any([(time >= begin) & (time < begin + stance) for begin in begins], axis=0)
    return find_strides(pd.DataFrame({"ground_force_r_vy": force * on}, index=time), "r")


def test_three_strides_make_an_interval() -> None:
    strides = [(0, 50), (50, 100), (100, 150)]
    assert pieces_of(200, 100.0, strides)[1] == "3 strides"
    assert pieces_of(200, 100.0, strides[:2])[1].startswith("blocks of 0.25 s")
    pieces = [np.arange(first, last) for first, last in strides]
    assert np.isfinite(interval(lambda keep: float(np.mean(keep)), pieces)).all()
    with pytest.raises(InputError, match="at least 3 strides or blocks, got 2"):
        interval(lambda keep: float(np.mean(keep)), pieces[:2])


def test_contacts() -> None:
    assert len(contacts_of(force=25.0)) == len(contacts_of(stance=0.15)) == 4
    for none in ({"force": 15.0}, {"stance": 0.07}):
        with pytest.raises(InputError, match="0 contacts"):
            contacts_of(**none)


def test_odd_strides() -> None:
    found = contacts_of(durations=(1.0, 1.1, 1.0, 1.2, 1.0))
    assert (len(found.times), len(found.left_out)) == (4, 1)
    assert np.diff(found.left_out[0]) == pytest.approx(1.2, abs=0.02)


# ------------------------------------------------------------------------------------------------------- solutions


@pytest.mark.parametrize(("r", "agrees"), [(0.85, True), (0.75, False)])
def test_correlation_of_forces(r: float, agrees: bool) -> None:
    time = np.linspace(0.0, 1.0, 1001)
    sine, cosine = np.sin(2.0 * np.pi * time), np.cos(2.0 * np.pi * time)
    curves = (1.0 + 0.05 * sine)[:, None], (1.0 + 0.05 * (r * sine + np.sqrt(1.0 - r**2) * cosine))[:, None]
    table = agreement(["m"], time, np.ones(1001, dtype=bool), curves, curves)
    assert table["correlation"].item() == pytest.approx(r, abs=1e-3)
    assert bool(table["agrees"].item()) is agrees


@pytest.mark.parametrize(("difference", "agrees"), [(0.08, True), (0.12, False)])
def test_difference_of_forces(difference: float, agrees: bool) -> None:
    curves = np.ones((11, 1)), np.full((11, 1), 1.0 - difference)
    table = agreement(["m"], np.arange(11.0), np.ones(11, dtype=bool), curves, curves)
    assert bool(table["agrees"].item()) is agrees


@pytest.mark.parametrize(("deviation", "constant"), [(0.7e-3, True), (1.5e-3, False)])
def test_constant_forces(deviation: float, constant: bool) -> None:
    time = np.linspace(0.0, 1.0, 101)
    curve = 1.0 + deviation * np.sqrt(2.0) * np.sin(2.0 * np.pi * time)[:, None]
    table = agreement(["m"], time, np.ones(101, dtype=bool), (curve, curve), (curve, curve))
    assert bool(table["correlation"].isna().item()) is constant


@pytest.mark.parametrize(("share", "mentioned"), [(0.011, True), (0.009, False)])
def test_a_derivative_penalty_is_mentioned(share: float, mentioned: bool) -> None:
    provenance = {"solver": {"tendon": "rigid"}}
    dynamic = SimpleNamespace(provenance=provenance, integrals={"derivative_penalty": share}, total_objective=1.0)
    static = SimpleNamespace(provenance=provenance, solved=np.ones(3, dtype=bool), time=np.arange(3.0))
    assert bool(Comparison(static, dynamic, {})._remarks()) is mentioned  # type: ignore[arg-type]


@pytest.mark.parametrize(("failed", "found"), [(15, 1), (7, 0)])
def test_failed_samples_are_a_finding(failed: int, found: int) -> None:
    solution: Any = SimpleNamespace(time=np.zeros(1))
    none = np.zeros((1, 1, 1))
    assert len(UncertaintyBands(solution, np.ones(1), none, none, 1000, np.array([failed])).findings()) == found


def test_a_muscle_is_demanded() -> None:
    one, zero = np.ones((1, 2)), np.zeros((1, 2))
    minimum = np.array([[0.7e-6, 1.5e-6]])
    found = ranges.FeasibleRanges(np.zeros(1), ("a", "b"), minimum, one, one, zero, one, zero, np.zeros(2))
    assert found.summary()["demanded"].tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("gap", "missed", "again"), [(1.5e-8, 0.0, True), (0.7e-8, 0.0, False), (0.0, 1.5e-9, True), (0.0, 0.7e-9, False)]
)
def test_programs_that_are_solved_again(
    gap: float, missed: float, again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []
    monkeypatch.setattr("scipy.optimize.linprog", lambda *_, **__: calls.append(0) or SimpleNamespace(status=1))
    one, start = np.ones((1, 1)), np.full((1, 1), 0.5)
    found: Any = SimpleNamespace(x=start + missed, value=np.array([0.5]), bound=np.array([0.5 + gap]))
    feasible._proved(one[None], one, np.zeros(1), np.ones(1), start, found)
    assert bool(calls) is again


@pytest.mark.parametrize(("width", "told"), [(1.5e-3, True), (0.7e-3, False)])
def test_centres_of_compartments_are_apart(width: float, told: bool) -> None:
    with nullcontext() if told else pytest.raises(InputError, match="centres that differ"):
        osimopt.Compartments("knee", (0.0, 0.0, width), (0.0, 0.5, 0.0), "tibia")


@pytest.mark.parametrize(("share", "told"), [(1.5e-6, True), (0.7e-6, False)])
def test_a_moment_in_the_frontal_plane(share: float, told: bool) -> None:
    problem = RedundancyProblem.from_arrays([0.05, 0.03], [100.0, 100.0], 1.0)
    knee = JointReactions.from_arrays("knee", np.zeros(6), np.eye(6)[:, 1:3] * 1e-9, problem.muscles)
    split = osimopt.Compartments("knee", (0.0, 0.0, 0.02), (0.0, 0.0, -0.02), "knee")
    wrench = np.array([[0.0, -700.0, 0.0, 700.0 * 0.04 * share, 5.0, 5.0]])
    with nullcontext() if told else pytest.raises(osimopt.ModelError, match="frontal plane"):
        compartments.refuse_untold(split, problem, knee, wrench)


@pytest.mark.parametrize(("share", "free"), [(0.7e-6, True), (1.5e-6, False)])
def test_a_joint_free_to_turn_in_the_frontal_plane(share: float, free: bool) -> None:
    """What muscles do there is what they do about a coordinate, but for a share."""
    problem = RedundancyProblem.from_arrays([0.03, 0.04], [100.0, 100.0], 1.0)
    other = np.array([0.04, -0.03])
    assert compartments._balanced(problem, np.array([[0.03, 0.04] + share * other])) is free


def test_ratios_of_weights_that_are_determined() -> None:
    without = np.array([[0.0, 0.007, 0.015]])
    assert identify._comparable(np.eye(3), without, 3) == [[0, 1]]
    along = np.array([[0.015, 0.015, 0.007]])
    assert identify._comparable(along, np.zeros((1, 3)), 3) == [[0, 1]]


def test_directions_that_are_determined(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.vstack([np.diag([1.0, 1.5e-4, 0.7e-4]), np.zeros((3, 3))])
    monkeypatch.setattr(identify.CostFit, "jacobian", lambda fit, theta: rows)
    problem = RedundancyProblem.from_arrays([0.05] * 3, [100.0] * 3, 1.0)
    fit = identify.CostFit(problem, np.zeros((1, 3)), np.eye(3), 2.0, 0.0)
    assert [len(part) for part in fit.directions(np.zeros(3))] == [2, 1]


# ---------------------------------------------------------------------------------------------------- muscle paths


def paths(length: np.ndarray, mismatch: float = 0.0) -> tuple[PathSamples, PolynomialGeometry]:
    """Postures of one coordinate, held out, whose lengths are off by ``length`` from a polynomial of 0.3 m."""
    value = np.linspace(-1.0, 1.0, len(length))[:, None]
    samples = PathSamples(("/f/m",), ("/j/a",), np.array([[True]]), -np.ones(1), np.ones(1), value,
                          0.3 + length[:, None], np.zeros_like(value), 0, np.array([mismatch]))  # fmt: skip
    return samples, PolynomialGeometry((MusclePolynomial("/f/m", ("/j/a",), 1, np.array([0.3, 0.0])),))


@pytest.mark.parametrize(("usual", "largest", "snapped"), [(0.0, 7e-4, True), (0.0, 4e-4, False),
                                                           (1e-3, 12e-3, True), (1e-3, 6e-3, False)])  # fmt: skip
def test_snapped_paths(usual: float, largest: float, snapped: bool) -> None:
    samples, geometry = paths(np.r_[np.full(9, usual), largest])
    assert bool(measure_errors(geometry, samples).snapped[0]) is snapped


@pytest.mark.parametrize(("mismatch", "left"), [(1.5e-3, {"m": 1.5e-3}), (0.7e-3, {})])
def test_inconsistent_paths(mismatch: float, left: dict[str, float]) -> None:
    assert paths(np.zeros(3), mismatch)[0].left == left


@pytest.mark.parametrize(("beyond", "counted"), [(1.5e-5, {"m": 1}), (0.7e-5, {})])
def test_outside_of_the_fitted_range(beyond: float, counted: dict[str, int]) -> None:
    _, geometry = paths(np.zeros(3))
    fitted = replace(geometry.polynomials[0], fit=Fit(-np.ones(1), np.ones(1), 0.0, 0.0, 0.0, 0.0))
    assert PolynomialGeometry((fitted,)).outside(["a"], np.array([[1.0 + beyond]])) == counted


def test_few_scaled_models() -> None:
    assert check_factors([{"size": size} for size in (0.9, 1.0, 1.1, 1.2)]) == ("size",)
    with pytest.raises(InputError, match="at least 4 scaled models"):
        check_factors([{"size": size} for size in (0.9, 1.0, 1.1)])


def test_a_lag_at_the_limit_is_no_lag() -> None:
    time = np.arange(1001) / 100.0

    def row(delay: float) -> pd.Series:
        both = (np.sin(3.0 * (time - by))[:, None] for by in (delay, 0.0))
        return ChannelCurves(time, 100.0, *both, ("a",), (), amplitude=False).pooled()[0].iloc[0]

    assert [bool(row(delay)["lag_at_limit"]) for delay in (-0.05, 0.04, 0.15)] == [True, False, True]
    words = [metrics.lag_in_ms(row(delay)["lag"], row(delay)["lag_at_limit"]) for delay in (-0.05, 0.04, 0.15)]
    assert words == ["≤ 0", "40", "≥ 100"]
    assert metrics.lag_in_ms(float("nan"), False) == "–"


def test_antagonists_act_on_one_coordinate() -> None:
    """Rectus femoris and gluteus medius do not: one flexes the hip, one abducts it, though both turn it either way."""
    coordinates = ("hip_flexion_r", "hip_adduction_r", "knee_angle_r", "hip_flexion_l")
    arms = {"rf": (0.043, -0.017, 0.046, 0.0), "gmed": (-0.025, -0.047, 0.0, 0.0), "gmax": (-0.067, 0.003, 0.0, 0.0),
            "bf": (-0.059, 0.026, -0.034, 0.0), "other": (0.0, 0.0, 0.0, 0.05)}  # fmt: skip
    arm = np.repeat(np.array(list(arms.values())).T[None], 5, axis=0)
    problem = RedundancyProblem.from_arrays(
        arm, np.full(5, 1000.0), np.zeros((5, 4)), time=np.arange(5.0), muscles=tuple(arms), coordinates=coordinates,
        reserves=1.0,
    )  # fmt: skip
    result = Result.of(solve_static(problem))
    found = {frozenset(pair[:2]): pair[2] for pair in compare.antagonists(result, {name: [name] for name in arms})}
    assert found == {
        frozenset(("rf", "gmax")): "hip_flexion_r", frozenset(("rf", "bf")): "hip_flexion_r",
    }  # fmt: skip
