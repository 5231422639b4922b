"""Training of the networks of a geometry surrogate, on lengths and slopes together, all muscles at once.

Paths over wrap objects and through points that appear at an angle have kinks that polynomials do not follow, while
polynomials are accurate everywhere else. A network learns the residual of the polynomial, a millimetre or less: two
layers of tanh, whose slope is computed in closed form because it is trained on, and used, as much as the length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InputError, explain, some
from ..options import check_word
from ..polynomial.fit import SNAPPED, UNUSUAL
from ..polynomial.geometry import MusclePolynomial, PolynomialGeometry
from ..polynomial.muscle_paths import MEASURES, Fit, flag_code, flag_missed
from ..polynomial.samples import PathErrors, PathSamples, measure_errors
from ..problem.arrays import Array, Index
from .geometry import Corrections, GeometrySurrogate, respond
from .training import TrainingOptions, fit

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["polynomial", "network", "best"]
#: Called with (networks done, networks in all, epoch, epochs).
Progress = Callable[[int, int, int, int], None]

#: Defaults, with which the 92 muscles of gait2392 are trained in two minutes on a core.
OPTIONS = TrainingOptions(
    epochs=120, batch_size=128, optimizer="adam", learning_rate=1e-2, patience=120, weight_decay=0.0
)
WIDTH = 32
#: Fraction of the fitted postures for validation, and the least number of them.
VALIDATE, FEWEST = 0.15, 16
#: Fraction of the tolerance that the error of a polynomial without a network may have; other postures are worse.
MARGIN = 0.8
#: m; larger errors enter the loss linearly, not squared: most are of paths about to snap.
LARGE = 1e-3
#: Largest ratio of scaled slope to length of a network before training.
STEEPER = 3.0
#: m; smallest length that a network's output of 1 stands for.
LEAST_UNIT = 1e-4
#: Standard deviation of the initial weights, over coordinates scaled to [−1, 1]: kinks are steep.
STEEP = 2.0


class PathNetwork(nn.Module):
    """m networks of d coordinates each, of the same width, for lengths in m.

    ``center`` and ``extent`` (m, d) are the middle and half of the range of the coordinates, ``unit`` (m,) the length
    in m of a network's output of 1.
    """

    def __init__(self, center: Array, extent: Array, unit: Array, width: int) -> None:
        super().__init__()
        count, dimension = center.shape
        for name, array in (("center", center), ("extent", extent), ("unit", unit)):
            self.register_buffer(name, torch.as_tensor(array, dtype=torch.float32))
        scale = width**-0.5
        sizes = {
            "weight_1": (STEEP, dimension, width), "bias_1": (1.0, 1, width), "weight_2": (scale, width, width),
            "weight_3": (scale, width, 1),
        }  # fmt: skip
        for name, (size, *shape) in sizes.items():
            self.register_parameter(name, nn.Parameter(size * torch.randn((count, *shape))))
        self.bias_2 = nn.Parameter(torch.zeros(count, 1, width))
        self.bias_3 = nn.Parameter(torch.zeros(count, 1, 1))

    def forward(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """Lengths (n, m) in m and slopes (n, m, d) from coordinates (n, m, d) in rad or m."""
        return respond(dict(self.state_dict(keep_vars=True)), value)


@dataclass(frozen=True, eq=False)
class TrainedGeometry:
    """A surrogate, its errors on held-out postures, and those of the polynomials alone."""

    surrogate: GeometrySurrogate
    errors: PathErrors
    polynomial_errors: PathErrors
    seconds: float

    def to_dataframe(self) -> pd.DataFrame:
        """One row per muscle: whether it has a network, errors in mm, those of the polynomial alone, flags."""
        table = self.errors.to_dataframe()
        table.insert(0, "network", [name in self.surrogate.networked for name in table.index])
        alone = self.polynomial_errors.to_dataframe()[["length_rms_mm", "moment_arm_rms_mm"]]
        table = table.join(alone.add_prefix("polynomial_"))
        fits = {**self.surrogate.fits, **self.surrogate.missed}
        table["flags"] = [" ".join(fits[name].flags) for name in table.index]
        return table


def train_geometry(
    polynomials: PolynomialGeometry, samples: PathSamples, *, kind: Kind = "best", tolerance: float = 1e-4,
    width: int = WIDTH, options: TrainingOptions = OPTIONS, conditions: Sequence[str] = (),
    checkpoint: Path | None = None, progress: Progress | None = None,
) -> TrainedGeometry:  # fmt: skip
    """Train networks for the residuals of polynomials.

    Parameters
    ----------
    polynomials
        Of the muscles of ``samples`` with a consistent length, in their order; other muscles are not trained.
    samples
        Postures; ``slope`` may be NaN where it is unknown, as for ``conditions``.
    kind
        ``"best"``: a network where the polynomial exceeds the tolerance and the network has a smaller error on
        postures that neither was fitted to. ``"network"``: for every muscle. ``"polynomial"``: for none.
    tolerance
        Of the root mean square errors of length and moment arm, in m; it is the unit of the loss.
    width
        Units of each of the two layers.
    options
        See :func:`osimopt.surrogate.training.fit`.
    conditions
        Coordinates of the samples that are scale factors.
    checkpoint
        Folder to resume from, with a folder for each number of coordinates.
    progress
        Called with (networks done, networks in all, epoch, epochs).

    Raises
    ------
    InputError
        Unknown options, or too few postures to split.
    """
    samples = samples.consistent()
    _check(polynomials, samples, kind, tolerance, width)
    before = measure_errors(polynomials, samples)
    training, validation = _split(samples, conditions, options.seed)
    alone = measure_errors(polynomials, samples, validation)
    chosen = ~alone.within(MARGIN * tolerance) if kind == "best" else np.full(len(samples.muscles), kind == "network")
    networks, seconds = [], 0.0
    spanned = samples.spans.sum(axis=0)
    groups = [(int(d), np.flatnonzero(chosen & (spanned == d)).tolist()) for d in np.unique(spanned[chosen])]
    for number, (dimension, members) in enumerate(groups):

        def report(epoch: int, epochs: int, *_: float, number: int = number) -> None:
            if progress is not None:
                progress(number, len(groups), epoch, epochs)

        torch.manual_seed(options.seed)
        network, tensors = _prepare(polynomials, samples, members, dimension, width)
        sets = [tuple(tensor[torch.as_tensor(rows)] for tensor in tensors) for rows in (training, validation)]
        folder = None if checkpoint is None else checkpoint / f"over_{dimension}"
        history = fit(network, sets[0], sets[1], _loss_in(tolerance), options, folder, report)
        seconds += history.seconds
        group = [polynomials.polynomials[muscle] for muscle in members]
        weights = {name: tensor.double().cpu().numpy() for name, tensor in network.state_dict().items()}
        networks.append(Corrections(tuple(p.name for p in group), tuple(p.coordinates for p in group), weights))
    surrogate = GeometrySurrogate(polynomials, tuple(networks), tuple(conditions))
    if kind == "best" and networks:
        surrogate = _keep_better(surrogate, samples, validation, alone)
    errors = measure_errors(surrogate, samples)
    described = _describe(polynomials, errors, samples, tolerance)
    return TrainedGeometry(replace(surrogate, polynomials=described), errors, before, seconds)


def _prepare(
    polynomials: PolynomialGeometry, samples: PathSamples, members: list[int], dimension: int, width: int
) -> tuple[PathNetwork, tuple[Tensor, ...]]:
    """Make an untrained network, and coordinates (n, m, d) with residuals of length (n, m) and slope (n, m, d).

    Residuals are NaN where OpenSim's path has snapped; they are not fitted there.
    """
    group = polynomials.select([samples.muscles[muscle] for muscle in members])
    given = group.evaluate(samples.coordinates, samples.value)
    length = samples.length[:, members] - np.asarray(given.length)
    slope = np.full((*length.shape, dimension), np.nan)
    columns = np.array([_columns(samples, p) for p in group.polynomials])
    arms, rows = given.moment_arm, {name: row for row, name in enumerate(given.coordinates)}
    pair = np.cumsum(samples.spans.ravel()).reshape(samples.spans.shape) - 1
    for index, (muscle, p) in enumerate(zip(members, group.polynomials, strict=True)):
        known = samples.slope[:, pair[columns[index], muscle]]
        slope[:, index] = known + arms[:, [rows[name] for name in p.coordinates], index]
    with np.errstate(invalid="ignore"):
        snapped = np.abs(length) > np.maximum(SNAPPED, UNUSUAL * np.nanmedian(np.abs(length), axis=0))
    length[snapped], slope[snapped] = np.nan, np.nan
    center, half = (0.5 * (samples.high + s * samples.low)[columns] for s in (1.0, -1.0))
    spread, steepest = (np.nan_to_num(a).std(axis=0) for a in (length, slope * half))
    unit = np.maximum(np.maximum(spread, steepest.max(axis=1) / STEEPER), LEAST_UNIT)
    return PathNetwork(center, half, unit, width), tuple(
        torch.as_tensor(a, dtype=torch.float32) for a in (samples.value[:, columns], length, slope)
    )


def _loss_in(tolerance: float) -> Callable[..., Tensor]:
    """Mean over the muscles of the logarithm of their error in tolerances: hard muscles do not dominate the others."""
    limit = LARGE / tolerance

    def loss(network: nn.Module, value: Tensor, length: Tensor, slope: Tensor) -> Tensor:
        found, slopes = network(value)
        errors = torch.cat([(found - length)[..., None], slopes - slope], dim=2) / tolerance
        known = torch.isfinite(errors)
        robust = 2.0 * limit**2 * (torch.sqrt(1.0 + (torch.where(known, errors, 0.0) / limit) ** 2) - 1.0)
        return torch.log1p(robust.sum(dim=(0, 2)) / known.any(dim=2).sum(dim=0).clamp(min=1)).mean()

    return loss


def _keep_better(
    surrogate: GeometrySurrogate, samples: PathSamples, validation: Index, alone: PathErrors
) -> GeometrySurrogate:
    """Drop the networks of muscles whose polynomials are as accurate without."""
    together = measure_errors(surrogate, samples, validation)
    worst, best = (np.fmax(errors.length_rms, errors.moment_arm_rms) for errors in (alone, together))
    names = [name for name, good in zip(samples.muscles, best < worst, strict=True) if good]
    return surrogate.keep_networks(names)


def _split(samples: PathSamples, conditions: Sequence[str], seed: int) -> tuple[Index, Index]:
    """Split fitted postures into training and validation; those of other bodies validate where there are several."""
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
    """Return the polynomials with fits that describe polynomial and network together."""
    described: list[MusclePolynomial] = []
    for index, (p, good) in enumerate(zip(polynomials.polynomials, errors.within(tolerance), strict=True)):
        spanned, missed = _columns(samples, p), () if good else (flag_missed(tolerance),)
        kept = (flag for flag in (p.fit.flags if p.fit else ()) if flag_code(flag) != "missed")
        measures = {name: float(getattr(errors, name)[index]) for name in MEASURES}
        measures["left_out"] = float(errors.snapped[index])
        fit = Fit(samples.low[spanned], samples.high[spanned], **measures, flags=(*missed, *kept))
        described.append(replace(p, fit=fit))
    return replace(polynomials, polynomials=tuple(described))


def _columns(samples: PathSamples, polynomial: MusclePolynomial) -> Index:
    """Positions of a muscle's coordinates among those of the samples."""
    return np.array([samples.coordinates.index(name) for name in polynomial.coordinates], dtype=np.intp)


def _check(polynomials: PolynomialGeometry, samples: PathSamples, kind: str, tolerance: float, width: int) -> None:
    check_word("kind", kind, get_args(Kind))
    if not tolerance > 0.0:
        raise InputError(explain("a tolerance in m above 0", f"{tolerance}", "The default is 1e-4."))
    if width < 1:
        raise InputError(explain("a width of at least 1", f"{width}", f"The default is {WIDTH}."))
    if int(VALIDATE * samples.fitted) < FEWEST:
        least = int(np.ceil(FEWEST / VALIDATE))
        raise InputError(explain(f"at least {least} postures to fit to", f"{samples.fitted}", "Increase postures."))
    known = {p.name: set(p.coordinates) for p in polynomials.polynomials}
    names = np.array(samples.coordinates)
    spanned = {name: set(names[span].tolist()) for name, span in zip(samples.muscles, samples.spans.T, strict=True)}
    if other := [name for name, span in spanned.items() if known.get(name) != span]:
        expected = "a polynomial in the coordinates that each sampled muscle spans"
        got = f"other coordinates, or no polynomial, for {some(other)}"
        raise InputError(explain(expected, got, "Fit them to these samples."))
