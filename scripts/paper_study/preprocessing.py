"""What windows go through before a network: scaled, filled where nothing was measured, and denoised; kept as JSON.

Everything looks at one window only, so that what is said of a window does not depend on those beside it, and no window
borrows from the future. Scaling comes first: filters do not mind, and noise is given on the scale [0, 1].
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from osimopt.errors import InputError, MissingDependencyError, explain
from osimopt.files.storage import write_atomically

from .scaling import Scaling
from .windows import Windows

Array = NDArray[np.float64]
Imputation = Literal["linear", "knn"]

#: Neighbours that a missing value is the mean of, and training frames that are kept to be neighbours.
NEIGHBOURS, KEPT = 5, 500
#: Median absolute deviation of a standard normal variable.
MAD = 0.6744897501960817


@dataclass(frozen=True)
class Cleaning:
    """What to do: ``median`` frames (odd; 1: none), ``wavelet`` of PyWavelets ("": none), ``level`` of it at most.

    Raises
    ------
    InputError
        A median of an even number of frames, or an unknown imputation or scaling.
    """

    imputation: Imputation = "linear"
    median: int = 1
    wavelet: str = ""
    level: int = 3
    scaling: Literal["min-max", "standard"] = "min-max"

    def __post_init__(self) -> None:
        if self.median < 1 or self.median % 2 == 0:
            raise InputError(explain("a median over an odd number of frames", str(self.median), "1 leaves it out."))
        for name, allowed in (("imputation", get_args(Imputation)), ("scaling", ("min-max", "standard"))):
            if getattr(self, name) not in allowed:
                got = repr(getattr(self, name))
                raise InputError(explain(f"{name} among {', '.join(allowed)}", got, "Choose one of them."))


#: As the paper does, with kernels that fit a window of 20 frames.
DENOISED = Cleaning(median=5, wavelet="db2")


@dataclass(frozen=True, eq=False)
class Pipeline:
    """A cleaning with what it learned from training windows: limits, and frames that missing values are like."""

    cleaning: Cleaning
    scaling: Scaling
    frames: Array = field(default_factory=lambda: np.zeros((0, 0)))

    @classmethod
    def of(cls, training: Windows, cleaning: Cleaning = Cleaning()) -> Pipeline:
        """Learn from training windows, and nothing else.

        Raises
        ------
        InputError
            An unknown wavelet.
        MissingDependencyError
            A package of the extra ``study`` is not installed.
        """
        if cleaning.wavelet and cleaning.wavelet not in _wavelets().wavelist(kind="discrete"):
            raise InputError(explain("a discrete wavelet of PyWavelets", repr(cleaning.wavelet), "For example 'db2'."))
        scaling = Scaling.of(training, cleaning.scaling)
        if cleaning.imputation == "linear":
            return cls(cleaning, scaling)
        frames = scaling.inputs(training).reshape(-1, training.inputs.shape[-1])
        frames = frames[np.isfinite(frames).all(axis=1)]
        every = np.unique(np.linspace(0, len(frames) - 1, KEPT).astype(int))
        return cls(cleaning, scaling, frames[every])

    def clean(self, scaled: Array) -> Array:
        """Scaled inputs (N, T, C) without gaps, denoised."""
        filled = _by_neighbours(scaled, self.frames) if self.cleaning.imputation == "knn" else _along_time(scaled)
        return denoise(filled, self.cleaning)

    def inputs(self, windows: Windows) -> Array:
        """Inputs (N, T, C) of a network."""
        return self.clean(self.scaling.inputs(windows))

    def write(self, path: Path) -> None:
        """As JSON."""
        told = {**asdict(self.cleaning), "scales": self.scaling.to_dict(), "frames": self.frames.tolist()}
        write_atomically(path, json.dumps(told) + "\n")

    @classmethod
    def read(cls, path: Path) -> Pipeline:
        """What :meth:`write` wrote."""
        told = json.loads(path.read_text(encoding="utf-8"))
        scaling, frames = Scaling.from_dict(told.pop("scales")), np.asarray(told.pop("frames"), dtype=float)
        return cls(Cleaning(**told), scaling, frames.reshape(-1, len(scaling.input_low)))


def denoise(inputs: Array, cleaning: Cleaning) -> Array:
    """Median filter, then soft thresholds on wavelet coefficients, along time (N, T, C); neither moves a signal.

    Thresholds are σ √(2 ln T), σ of each window and signal by the median of its finest coefficients (Donoho and
    Johnstone's universal threshold).
    """
    if cleaning.median > 1:
        from scipy.ndimage import median_filter

        inputs = median_filter(inputs, size=(1, cleaning.median, 1), mode="mirror")  # a spike at an end is alone
    if not cleaning.wavelet:
        return inputs
    wavelets, frames = _wavelets(), inputs.shape[1]
    level = min(cleaning.level, wavelets.dwt_max_level(frames, cleaning.wavelet))
    if level < 1:
        return inputs
    rough, *details = wavelets.wavedec(inputs, cleaning.wavelet, mode="symmetric", level=level, axis=1)
    noise = np.median(np.abs(details[-1]), axis=1, keepdims=True) / MAD
    limit = noise * np.sqrt(2.0 * np.log(frames))
    kept = [np.sign(detail) * np.maximum(np.abs(detail) - limit, 0.0) for detail in details]
    return np.asarray(wavelets.waverec([rough, *kept], cleaning.wavelet, mode="symmetric", axis=1)[:, :frames])


def imputation_errors(scaled: Array, frames: Array, share: float, burst: int, seed: int) -> dict[str, float]:
    """Root mean square errors of either imputation where ``share`` of the values of (N, T, C) are masked.

    ``burst`` values in a row are masked at a time; neighbours are among ``frames`` (K, C).
    """
    random = np.random.default_rng(seed)
    count, length, columns = scaled.shape
    starts = random.random((count, length, columns)) < share / burst
    masked = np.zeros_like(starts)
    for later in range(burst):
        masked[:, later:] |= starts[:, : length - later]
    holed = np.where(masked, np.nan, scaled)
    filled = {"linear": _along_time(holed), "knn": _by_neighbours(holed, frames)}
    return {name: float(np.sqrt(np.mean((values - scaled)[masked] ** 2))) for name, values in filled.items()}


def _along_time(scaled: Array) -> Array:
    """Straight lines between what was measured, and the nearest beyond; the middle where nothing was."""
    missing = ~np.isfinite(scaled)
    if not missing.any():
        return scaled
    filled, time = scaled.copy(), np.arange(scaled.shape[1])
    for window, column in zip(*np.nonzero(missing.any(axis=1)), strict=True):
        known = ~missing[window, :, column]
        value = scaled[window, known, column]
        filled[window, :, column] = np.interp(time, time[known], value) if known.any() else 0.5
    return filled


def _by_neighbours(scaled: Array, frames: Array) -> Array:
    """Means of the training frames that are most like what was measured at that instant."""
    flat = scaled.reshape(-1, scaled.shape[-1])
    rows = ~np.isfinite(flat).all(axis=1)
    if not rows.any():
        return scaled
    try:
        from sklearn.impute import KNNImputer
    except ImportError:
        raise _extra("imputation by neighbours", "scikit-learn") from None
    filled = flat.copy()
    filled[rows] = KNNImputer(n_neighbors=NEIGHBOURS, keep_empty_features=True).fit(frames).transform(flat[rows])
    return filled.reshape(scaled.shape)


def _wavelets() -> Any:
    try:
        import pywt
    except ImportError:
        raise _extra("denoising by wavelets", "PyWavelets") from None
    return pywt


def _extra(what: str, package: str) -> MissingDependencyError:
    return MissingDependencyError(
        explain(f"{package}, for {what}", "it is not installed", "pip install 'osimopt[study]'")
    )
