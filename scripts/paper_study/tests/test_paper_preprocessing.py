"""Preprocessing of the study: nothing leaks, nothing lags, gaps are filled, and what is kept is read back."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from osimopt import InputError, MissingDependencyError
from paper_study.preprocessing import DENOISED, Cleaning, Pipeline, denoise, imputation_errors

from .test_paper_parts import waves

pytestmark = pytest.mark.slow

#: Frames of a signal, and its periods.
FRAMES, PERIODS = 400, 3


def signal() -> np.ndarray:
    """(1, T, 2) slow waves on the scale [0, 1]."""
    time = np.linspace(0.0, 2.0 * np.pi * PERIODS, FRAMES)
    return 0.5 + 0.5 * np.stack([np.sin(time), np.cos(time)], axis=1)[None]


@pytest.mark.parametrize("cleaning", [DENOISED, Cleaning(median=5), Cleaning(wavelet="db2"), Cleaning(wavelet="sym4")])
def test_denoising_raises_the_signal_to_noise_ratio_and_moves_nothing(cleaning: Cleaning) -> None:
    clean = signal()
    noisy = clean + 0.05 * np.random.default_rng(0).standard_normal(clean.shape)
    done = denoise(noisy, cleaning)
    assert np.mean((done - clean) ** 2) < 0.6 * np.mean((noisy - clean) ** 2)
    kept = denoise(clean, cleaning)
    assert np.sqrt(np.mean((kept - clean) ** 2)) < 0.01 * np.ptp(clean)
    for column in range(2):
        own, other = done[0, :, column] - 0.5, clean[0, :, column] - 0.5
        lag = np.argmax(np.correlate(own, other, mode="full")) - (FRAMES - 1)
        assert lag == 0


def test_a_spike_goes_even_at_the_end() -> None:
    spiked = signal()[:, :20].copy()
    spiked[0, -1, 0], spiked[0, 7, 1] = 1.0, 0.0
    done = denoise(spiked, Cleaning(median=5))
    assert np.abs(done - signal()[:, :20]).max() < 0.1


def test_a_window_does_not_depend_on_those_beside_it() -> None:
    many = np.random.default_rng(1).random((6, 20, 3))
    alone = np.concatenate([denoise(one[None], DENOISED) for one in many])
    assert np.array_equal(alone, denoise(many, DENOISED))


def test_it_learns_from_training_windows_alone(tmp_path: Path) -> None:
    training = waves()
    Pipeline.of(training, Cleaning(imputation="knn")).write(tmp_path / "a.json")
    other = replace(waves("b", 1.0), inputs=1e3 * waves("b").inputs)
    pipeline = Pipeline.of(training, Cleaning(imputation="knn"))
    pipeline.inputs(other)
    pipeline.write(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize("scaling", ["min-max", "standard"])
@pytest.mark.parametrize("imputation", ["linear", "knn"])
def test_what_is_kept_is_read_back(tmp_path: Path, scaling: str, imputation: str) -> None:
    cleaning = replace(DENOISED, scaling=scaling, imputation=imputation)  # type: ignore[arg-type]
    pipeline = Pipeline.of(waves(), cleaning)
    pipeline.write(tmp_path / "it.json")
    again = Pipeline.read(tmp_path / "it.json")
    assert again.cleaning == cleaning
    holed = replace(waves("b", 0.5), inputs=np.where(waves().inputs > 0.4, np.nan, waves().inputs))
    assert np.array_equal(again.inputs(holed), pipeline.inputs(holed))
    assert np.isfinite(pipeline.inputs(holed)).all()


def test_standardised_inputs_have_mean_0() -> None:
    training = waves()
    scaled = Pipeline.of(training, Cleaning(scaling="standard")).inputs(training)
    assert scaled.mean(axis=(0, 1)) == pytest.approx(0.0, abs=1e-12)
    assert scaled.std(axis=(0, 1)) == pytest.approx(1.0, rel=1e-12)


def test_lines_fill_lines() -> None:
    ramp = np.linspace(0.0, 1.0, 20)[None, :, None] * np.ones((3, 1, 2))
    holed = ramp.copy()
    holed[0, 4:9, 0] = np.nan
    holed[1, 0, 1] = holed[1, -1, 1] = np.nan
    holed[2, :, 0] = np.nan
    filled = Pipeline.of(waves()).clean(holed)
    assert filled[0] == pytest.approx(ramp[0])
    assert filled[1, [0, -1], 1] == pytest.approx(ramp[1, [1, -2], 1])
    assert filled[2, :, 0] == pytest.approx(0.5)


def test_gaps_grow_dearer() -> None:
    scaled = np.concatenate([signal()[:, first : first + 20] for first in range(0, 380, 10)])
    told = [imputation_errors(scaled, scaled[:20].reshape(-1, 2), 0.1, burst, 0) for burst in (1, 5)]
    assert 0.0 < told[0]["linear"] < told[1]["linear"]
    assert told[0]["knn"] > told[0]["linear"]  # a smooth signal: the neighbours in time know best
    assert told[0] == imputation_errors(scaled, scaled[:20].reshape(-1, 2), 0.1, 1, 0)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"median": 4}, "odd"), ({"imputation": "mean"}, "linear, knn"), ({"scaling": "log"}, "min-max, standard")],
)
def test_wrong_settings(wrong: dict, says: str) -> None:
    with pytest.raises(InputError, match=says):
        Cleaning(**wrong)


def test_an_unknown_wavelet_and_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="db2"):
        Pipeline.of(waves(), Cleaning(wavelet="ripple"))
    monkeypatch.setitem(sys.modules, "pywt", None)
    with pytest.raises(MissingDependencyError, match=r"osimopt\[study\]"):
        Pipeline.of(waves(), DENOISED)
