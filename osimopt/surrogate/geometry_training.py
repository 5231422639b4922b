"""Training of the networks of a geometry surrogate, on lengths and slopes together, all muscles side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..errors import InputError, explain, some
from ..polynomial.fit import SNAPPED, UNUSUAL
from ..polynomial.geometry import Fit, MusclePolynomial, PolynomialGeometry
from ..polynomial.samples import PathErrors, PathSamples, measure_errors
from .geometry import GeometrySurrogate
from .path_network import Corrections, PathNetwork
from .training import TrainingOptions, fit

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Kind = Literal["polynomial", "network", "best"]
#: Told (networks done, networks in all, epoch, epochs).
Progress = Callable[[int, int, int, int], None]

#: What trains the 92 muscles of gait2392 to their errors in two minutes on a core.
OPTIONS = TrainingOptions(
    epochs=120, batch_size=128, optimizer="adam", learning_rate=1e-2, patience=120, weight_decay=0.0
)
WIDTH = 32
#: Share of the fitted postures that weights are chosen by, and networks against polynomials; and the fewest of them.
VALIDATE, FEWEST = 0.15, 16
#: Share of the tolerance that a polynomial's error shall be within to be left alone: other postures are a little worse.
MARGIN = 0.8
#: m; errors beyond count by their size, not by its square: they are mostly of paths about to snap.
LARGE = 1e-3
#: How much larger than its length the scaled slope of a network's first guess may be.
STEEPER = 3.0
#: m; the least that a network's output of 1 means.
LEAST_UNIT = 1e-4


@dataclass(frozen=True, eq=False)
class TrainedGeometry:
    """A surrogate with what was measured on postures held out: its errors, and those of the polynomials alone."""

    surrogate: GeometrySurrogate
    errors: PathErrors
    polynomial_errors: PathErrors
    seconds: float

    def to_dataframe(self) -> pd.DataFrame:
        """One row per muscle: whether a network, errors in mm, those of the polynomial alone, flags."""
        table = self.errors.to_dataframe()
        table.insert(0, "network", [name in self.surrogate.networked for name in table.index])
        alone = self.polynomial_errors.to_dataframe()
        for name in ("length_rms_mm", "moment_arm_rms_mm"):
            table[f"polynomial_{name}"] = alone[name]
        table["flags"] = [" ".join(self.surrogate.fits[name].flags) for name in table.index]
        return table


def train_geometry(
    polynomials: PolynomialGeometry,
    samples: PathSamples,
    *,
    kind: Kind = "best",
    tolerance: float = 1e-4,
    width: int = WIDTH,
    options: TrainingOptions = OPTIONS,
    conditions: Sequence[str] = (),
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> TrainedGeometry:
    """Train networks for what polynomials leave.

    Parameters
    ----------
    polynomials
        Of the muscles of ``samples`` that have a consistent length, in their order; the others are left alone.
    samples
        Postures; ``slope`` may be NaN where it is not known, as of ``conditions``.
    kind
        ``"best"``: a network where the polynomial misses the tolerance and the network comes nearer, on postures
        that neither was fitted to. ``"network"``: for every muscle. ``"polynomial"``: for none.
    tolerance
        In m, of the root mean square errors of length and of moment arm; it is the unit of the loss.
    width
        Of each of the two layers.
    options
        See :func:`osimopt.surrogate.training.fit`.
    conditions
        Coordinates of the samples that are scale factors.
    checkpoint
        Folder to resume from, one below it for each number of coordinates.

    Raises
    ------
    InputError
        Unknown options, or too few postures to split.
    """
    samples = samples.consistent()
    _check(polynomials, samples, kind, tolerance, width)
    before = measure_errors(polynomials, samples)
    training, validation = _split(samples, conditions, options.seed)
    inner = measure_errors(polynomials, samples, validation)
    chosen = np.zeros(len(samples.muscles), dtype=bool) if kind == "polynomial" else np.ones_like(before.snapped, bool)
    if kind == "best":
        chosen = ~inner.within(MARGIN * tolerance)
    networks, seconds = [], 0.0
    groups = _by_dimension(samples, chosen)
    for number, (dimension, members) in enumerate(groups):

        def told(epoch: int, epochs: int, *_: float, number: int = number) -> None:
            if progress is not None:
                progress(number, len(groups), epoch, epochs)

        torch.manual_seed(options.seed)
        network, rest = _prepare(polynomials, samples, members, dimension, width)
        sets = [tuple(tensor[torch.as_tensor(rows)] for tensor in rest) for rows in (training, validation)]
        folder = None if checkpoint is None else checkpoint / f"over_{dimension}"
        history = fit(network, sets[0], sets[1], _loss_in(tolerance), options, folder, told)
        seconds += history.seconds
        own = [polynomials.polynomials[muscle] for muscle in members]
        networks.append(Corrections.of([p.name for p in own], [p.coordinates for p in own], network))
    surrogate = GeometrySurrogate(polynomials, tuple(networks), tuple(conditions))
    if kind == "best" and networks:
        surrogate = _keep_better(surrogate, samples, validation, inner)
    errors = measure_errors(surrogate, samples)
    described = _describe(polynomials, errors, samples, tolerance)
    return TrainedGeometry(replace(surrogate, polynomials=described), errors, before, seconds)


def _by_dimension(samples: PathSamples, chosen: NDArray[np.bool_]) -> list[tuple[int, list[int]]]:
    """Muscles to train networks for, by the number of their coordinates."""
    spanned = samples.spans.sum(axis=0)
    counts = np.unique(spanned[chosen]).tolist()
    return [(count, np.flatnonzero(chosen & (spanned == count)).tolist()) for count in counts]


def _prepare(
    polynomials: PolynomialGeometry, samples: PathSamples, members: list[int], dimension: int, width: int
) -> tuple[PathNetwork, tuple[Tensor, ...]]:
    """An untrained network, and value (n, m, d), what is left of length (n, m) and slope (n, m, d), whether to fit.

    Lengths and slopes are NaN where they are not to be fitted, which is where OpenSim's path has snapped.
    """
    own = polynomials.select([samples.muscles[muscle] for muscle in members])
    given = own.evaluate(samples.coordinates, samples.value)
    length = samples.length[:, members] - np.asarray(given.length)
    slope = np.full((*length.shape, dimension), np.nan)
    columns = np.array([_columns(samples, p) for p in own.polynomials])
    arms, rows = given.moment_arm, {name: row for row, name in enumerate(given.coordinates)}
    pair = np.cumsum(samples.spans.ravel()).reshape(samples.spans.shape) - 1
    for index, (muscle, p) in enumerate(zip(members, own.polynomials, strict=True)):
        known = samples.slope[:, pair[columns[index], muscle]]
        slope[:, index] = known + arms[:, [rows[name] for name in p.coordinates], index]
    with np.errstate(invalid="ignore"):
        snapped = np.abs(length) > np.maximum(SNAPPED, UNUSUAL * np.nanmedian(np.abs(length), axis=0))
    length[snapped], slope[snapped] = np.nan, np.nan
    center, half = (0.5 * (samples.high + s * samples.low)[columns] for s in (1.0, -1.0))
    left, steepest = (np.nan_to_num(a).std(axis=0) for a in (length, slope * half))
    network = PathNetwork(center, half, np.maximum(np.maximum(left, steepest.max(axis=1) / STEEPER), LEAST_UNIT), width)
    return network, tuple(torch.as_tensor(a, dtype=torch.float32) for a in (samples.value[:, columns], length, slope))


def _loss_in(tolerance: float) -> Callable[..., Tensor]:
    """Logarithm of each muscle's mean error in tolerances, so that hard muscles do not drown the others; their mean."""
    limit = LARGE / tolerance

    def loss(network: nn.Module, value: Tensor, length: Tensor, slope: Tensor) -> Tensor:
        found, slopes = network(value)
        errors = torch.cat([(found - length)[..., None], slopes - slope], dim=2) / tolerance
        known = torch.isfinite(errors)
        robust = 2.0 * limit**2 * (torch.sqrt(1.0 + (torch.where(known, errors, 0.0) / limit) ** 2) - 1.0)
        return torch.log1p(robust.sum(dim=(0, 2)) / known.any(dim=2).sum(dim=0).clamp(min=1)).mean()

    return loss


def _keep_better(
    surrogate: GeometrySurrogate, samples: PathSamples, validation: NDArray[np.intp], alone: PathErrors
) -> GeometrySurrogate:
    """Drop the networks of muscles whose polynomials are as good alone."""
    together = measure_errors(surrogate, samples, validation)
    worst, best = (np.fmax(errors.length_rms, errors.moment_arm_rms) for errors in (alone, together))
    names = [name for name, good in zip(samples.muscles, best < worst, strict=True) if good]
    networks = tuple(kept for network in surrogate.networks if (kept := network.keep(names)).muscles)
    return replace(surrogate, networks=networks)


def _split(samples: PathSamples, conditions: Sequence[str], seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Fitted postures to train on, and to choose by: of other bodies, where there are several."""
    random = np.random.default_rng(seed)
    if not conditions:
        order = random.permutation(samples.fitted)
        count = int(VALIDATE * samples.fitted)
        return order[count:], order[:count]
    columns = [samples.coordinates.index(name) for name in conditions]
    bodies, body = np.unique(samples.value[: samples.fitted, columns], axis=0, return_inverse=True)
    chosen = random.permutation(len(bodies))[: max(1, int(VALIDATE * len(bodies)))]
    held = np.isin(body.ravel(), chosen)
    return np.flatnonzero(~held), np.flatnonzero(held)


def _describe(
    polynomials: PolynomialGeometry, errors: PathErrors, samples: PathSamples, tolerance: float
) -> PolynomialGeometry:
    """The polynomials, their fits saying what the whole was measured to do."""
    described: list[MusclePolynomial] = []
    for index, (own, good) in enumerate(zip(polynomials.polynomials, errors.within(tolerance), strict=True)):
        spanned = _columns(samples, own)
        missed = f"Not within {1e3 * tolerance:g} mm."
        flags = tuple(flag for flag in (own.fit.flags if own.fit else ()) if not flag.startswith("Not within"))
        of_all: Mapping[str, Array] = {
            name: getattr(errors, name) for name in ("length_rms", "length_max", "moment_arm_rms", "moment_arm_max")
        }
        fit = Fit(
            samples.low[spanned], samples.high[spanned], **{name: float(a[index]) for name, a in of_all.items()},
            left_out=float(errors.snapped[index]), flags=flags if good else (missed, *flags),
        )  # fmt: skip
        described.append(replace(own, fit=fit))
    return replace(polynomials, polynomials=tuple(described))


def _columns(samples: PathSamples, own: MusclePolynomial) -> NDArray[np.intp]:
    """Where a muscle's coordinates are among those of the samples."""
    return np.array([samples.coordinates.index(name) for name in own.coordinates], dtype=np.intp)


def _check(polynomials: PolynomialGeometry, samples: PathSamples, kind: str, tolerance: float, width: int) -> None:
    if kind not in get_args(Kind):
        raise InputError(explain(f"kind among {', '.join(get_args(Kind))}", repr(kind), "Choose one of them."))
    if not tolerance > 0.0:
        raise InputError(explain("a tolerance in m above 0", f"{tolerance}", "The default is 1e-4."))
    if width < 1:
        raise InputError(explain("a width of at least 1", f"{width}", f"The default is {WIDTH}."))
    if int(VALIDATE * samples.fitted) < FEWEST:
        least = int(np.ceil(FEWEST / VALIDATE))
        raise InputError(explain(f"at least {least} postures to fit to", f"{samples.fitted}", "Ask for more."))
    known = {p.name: set(p.coordinates) for p in polynomials.polynomials}
    names = np.array(samples.coordinates)
    spanned = {name: set(names[own].tolist()) for name, own in zip(samples.muscles, samples.spans.T, strict=True)}
    if other := [name for name, own in spanned.items() if known.get(name) != own]:
        got = f"others, or none, for {some(other)}"
        raise InputError(explain("a polynomial of what each sampled muscle spans", got, "Fit them to these samples."))
