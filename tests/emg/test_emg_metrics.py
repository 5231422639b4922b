"""EMG: measures of agreement by known answers, and intervals that cover the truth as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from osimopt import InputError
from osimopt.emg.metrics import (
    best_lag,
    co_contraction,
    concordance,
    interval,
    mae,
    onset_errors,
    pearson,
    pieces_of,
    rmse,
)

RATE = 100.0


def activity(delay: float = 0.0, seconds: float = 10.0, rate: float = RATE) -> np.ndarray:
    """Bursts of activity once a second, ``delay`` s late."""
    phase = 2.0 * np.pi * (np.arange(round(seconds * rate)) / rate - delay)
    return np.exp(3.0 * (np.sin(phase) - 1.0)) + 0.3 * np.exp(6.0 * (np.sin(phase + 2.5) - 1.0))


@pytest.mark.parametrize("delay", [0.012, 0.035, 0.0517, 0.09])
@pytest.mark.parametrize(("gain", "noise"), [(1.0, 0.0), (0.2, 0.0), (3.0, 0.05)])
def test_a_known_delay_is_found_within_2_ms(delay: float, gain: float, noise: float) -> None:
    random = np.random.default_rng(0)
    measured = gain * activity() + gain * noise * random.standard_normal(1000)
    lag, r = best_lag(activity(delay), measured, RATE, 0.010, 0.100)
    assert lag == pytest.approx(delay, abs=0.002)
    assert r > 0.97 if noise else r == pytest.approx(1.0, abs=2e-3)


def test_a_shift_by_half_a_stride_is_seen_where_it_is_looked_for() -> None:
    lag, _ = best_lag(activity(0.5), activity(), RATE, -0.5, 0.5)
    assert abs(lag) == pytest.approx(0.5, abs=0.002)
    assert best_lag(activity(-0.04), activity(), RATE, -0.1, 0.1)[0] == pytest.approx(-0.04, abs=0.002)
    with pytest.raises(InputError, match="higher rate"):
        best_lag(activity(), activity(), RATE, 0.001, 0.002)


def test_amplitude_and_shape() -> None:
    a = activity()
    assert pearson(2.0 * a + 1.0, a) == pytest.approx(1.0)
    assert rmse(a + 0.1, a) == pytest.approx(0.1)
    assert mae(a - 0.1, a) == pytest.approx(0.1)
    holed = a.copy()
    holed[::7] = np.nan
    assert pearson(holed, a) == pytest.approx(1.0)
    assert np.isnan(pearson(np.ones(50), a[:50]))
    assert np.isnan(rmse(np.full(3, np.nan), a[:3]))


def test_timing() -> None:
    on = np.array([True, True, False, False])
    assert concordance(on, ~on) == 0.0
    assert concordance(on, np.array([True, False, False, False])) == 0.75
    assert onset_errors(np.array([1.05, 2.9]), np.array([1.0, 2.0, 3.0])) == pytest.approx([0.05, -0.1])
    assert len(onset_errors(np.zeros(0), np.array([1.0]))) == 0


def test_co_contraction() -> None:
    a = activity()
    assert co_contraction(a, a) == pytest.approx(1.0)
    assert co_contraction(a, np.zeros_like(a)) == 0.0
    assert co_contraction(np.array([1.0, 0.0]), np.array([1.0, 1.0])) == pytest.approx(2.0 / 3.0)
    assert np.isnan(co_contraction(np.zeros(3), np.zeros(3)))


def trial(strides: int, samples: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The same curve in every stride, and another with noise that is smooth in time."""
    kernel = np.exp(-0.5 * (np.arange(-20, 21) / 6.0) ** 2)
    noise = np.convolve(random.standard_normal(strides * samples + 40), kernel / np.linalg.norm(kernel), "valid")
    curve = np.tile(np.sin(2.0 * np.pi * np.arange(samples) / samples), strides)
    return curve, curve + noise


@pytest.mark.parametrize("strides", [5, 12])
@pytest.mark.slow
def test_the_interval_covers_the_truth_as_often_as_it_says(strides: int) -> None:
    samples, random = 100, np.random.default_rng(1)
    truth = np.sqrt(0.5 / (0.5 + 1.0))  # variance of the curve, over that with the noise's
    covered = 0
    for _ in range(500):
        a, b = trial(strides, samples, random)
        pieces, drawn = pieces_of(len(a), RATE, [(n * samples, (n + 1) * samples) for n in range(strides)])
        low, high = interval(lambda keep, a=a, b=b: pearson(a[keep], b[keep]), pieces, correlation=True)
        covered += low <= truth <= high
    assert drawn == f"{strides} strides"
    assert 0.92 <= covered / 500 <= 0.98


def test_blocks_stand_in_where_there_is_one_stride() -> None:
    pieces, drawn = pieces_of(120, RATE)
    assert drawn == "blocks of 0.25 s within one trial"
    assert [len(piece) for piece in pieces] == [25, 25, 25, 25]
    assert len(pieces_of(7, RATE)[0]) >= 3
    a, b = trial(1, 120, np.random.default_rng(0))
    low, high = interval(lambda keep: pearson(a[keep], b[keep]), pieces, correlation=True)
    assert -1.0 < low < pearson(a, b) < high < 1.0
    with pytest.raises(InputError, match="longer trial"):
        interval(lambda keep: 0.0, pieces[:2])


def test_an_interval_of_a_mean_is_students() -> None:
    values = np.array([1.0, 2.0, 4.0, 7.0])
    low, high = interval(lambda keep: float(values[keep].mean()), [np.array([n]) for n in range(4)])
    half = 3.182446305284263 * values.std(ddof=1) / 2.0
    assert (low, high) == pytest.approx((3.5 - half, 3.5 + half))
