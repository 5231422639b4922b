"""The geometry surrogate: muscle lengths as polynomials, plus networks for the residual of the polynomials.

Each muscle's length is one function l(q) of the coordinates that it spans, and its moment arms are exactly −∂l/∂q, so
that the moments do the work that the muscle does. Trained on scaled models, the length is a function of the scale
factors too (after Van Wouwe et al., PLoS Computational Biology 2024), which are given before use.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..devices import Device
from ..errors import InputError, explain, some
from ..polynomial.geometry import MusclePolynomial, PolynomialGeometry
from ..polynomial.muscle_paths import Fit
from ..polynomial.terms import list_exponents
from ..problem.arrays import Array, Index, MuscleGeometry
from ..problem.path_record import PathRecord
from . import folder

if TYPE_CHECKING:
    import pandas as pd


#: Postures evaluated at once: 80 muscles of width 32 take 100 MB.
CHUNK = 1024


def respond(weights: Mapping[str, Tensor], value: Tensor) -> tuple[Tensor, Tensor]:
    """Lengths (n, m) in m of m networks of d coordinates each, and their exact derivatives (n, m, d).

    A network has two layers of tanh; ``weights`` are those of :class:`osimopt.surrogate.geometry_training.PathNetwork`.
    """
    scaled = ((value - weights["center"]) / weights["extent"]).transpose(0, 1)
    first = torch.tanh(torch.baddbmm(weights["bias_1"], scaled, weights["weight_1"]))
    second = torch.tanh(torch.baddbmm(weights["bias_2"], first, weights["weight_2"]))
    length = torch.baddbmm(weights["bias_3"], second, weights["weight_3"])[..., 0].transpose(0, 1)
    back = (1.0 - second * second) * weights["weight_3"].transpose(1, 2)
    back = torch.bmm(back, weights["weight_2"].transpose(1, 2)) * (1.0 - first * first)
    slope = torch.bmm(back, weights["weight_1"].transpose(1, 2)).transpose(0, 1) / weights["extent"]
    return weights["unit"] * length, weights["unit"][:, None] * slope


@dataclass(frozen=True, eq=False)
class Corrections:
    """Trained networks of muscles with the same number of coordinates, their weights in float64."""

    muscles: tuple[str, ...]
    coordinates: tuple[tuple[str, ...], ...]
    weights: Mapping[str, Array] = field(default_factory=dict)

    def keep(self, muscles: Sequence[str]) -> Corrections:
        """Return the networks of these muscles."""
        index = [place for place, name in enumerate(self.muscles) if name in set(muscles)]
        return Corrections(
            tuple(self.muscles[place] for place in index),
            tuple(self.coordinates[place] for place in index),
            {name: array[index] for name, array in self.weights.items()},
        )

    def columns(self, names: Sequence[str]) -> Index:
        """(m, d) positions of each muscle's coordinates among ``names``."""
        return np.array([[names.index(name) for name in spanned] for spanned in self.coordinates], dtype=np.intp)

    def lengths(self, names: Sequence[str], value: Tensor) -> Tensor:
        """Lengths (T, m) in m, of the type and on the device of ``value`` (T, N), differentiable."""
        weights = {name: value.new_tensor(array) for name, array in self.weights.items()}
        return respond(weights, value[:, torch.as_tensor(self.columns(names), device=value.device)])[0]

    def evaluate(self, names: Sequence[str], value: Array, device: str = "cpu") -> tuple[Array, Array]:
        """Lengths (T, m) in m and slopes (T, m, d), in float64."""
        weights = {name: torch.as_tensor(array, device=device) for name, array in self.weights.items()}
        columns = self.columns(names)
        parts = []
        for start in range(0, max(len(value), 1), CHUNK):
            chunk = torch.as_tensor(value[start : start + CHUNK, columns], dtype=torch.float64, device=device)
            parts.append([tensor.cpu().numpy() for tensor in respond(weights, chunk)])
        length, slope = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return length, slope


@dataclass(frozen=True, eq=False)
class GeometrySurrogate:
    """Muscle paths as polynomials plus networks, made by :func:`osimopt.fit_geometry_network`.

    ``load_problem(geometry=…)`` accepts it. The ``fit`` of each polynomial describes polynomial and network together:
    range, errors on held-out postures, flags. ``conditions`` are the scale factors that lengths depend on, ``factors``
    their values, set by :meth:`scaled`.
    """

    polynomials: PolynomialGeometry
    networks: tuple[Corrections, ...]
    conditions: tuple[str, ...] = ()
    factors: Mapping[str, float] = field(default_factory=dict)
    device: str = "cpu"
    provenance: Mapping[str, Any] = field(default_factory=dict)

    kind = "networks"

    @property
    def muscles(self) -> tuple[str, ...]:
        """Names of the muscles."""
        return self.polynomials.muscles

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of the coordinates that at least one muscle depends on."""
        return tuple(name for name in self.polynomials.coordinates if name not in self.conditions)

    @property
    def left(self) -> Mapping[str, float]:
        """Muscles that were not trained because −∂l/∂q is not their moment arm, with the difference in m."""
        return self.polynomials.left

    @property
    def missed(self) -> Mapping[str, Fit]:
        """Muscles whose exact paths neither polynomial nor network follows, with their errors."""
        return self.polynomials.missed

    @property
    def record(self) -> PathRecord:
        """Which paths were fitted, by muscle."""
        return self.polynomials.record

    @property
    def fits(self) -> dict[str, Fit]:
        """Ranges (of coordinates and scale factors) and errors of the muscles."""
        return self.polynomials.fits

    @property
    def networked(self) -> tuple[str, ...]:
        """Muscles with a network; the others are polynomials alone."""
        corrected = {name for network in self.networks for name in network.muscles}
        return tuple(name for name in self.muscles if name in corrected)

    def scaled(self, factors: Mapping[str, float]) -> GeometrySurrogate:
        """Return the paths of a body with these scale factors, one for each of ``conditions``.

        Raises
        ------
        InputError
            Factors are missing, unknown, or not positive.
        """
        wrong = {name: value for name, value in factors.items() if not (np.isfinite(value) and value > 0.0)}
        if set(factors) != set(self.conditions) or wrong:
            names = some(self.conditions, 12) or "nothing: it was not trained on scaled models"
            expected = f"positive scale factors of {names}"
            raise InputError(explain(expected, repr(dict(factors)), "Give each of them once."))
        return replace(self, factors={name: float(factors[name]) for name in self.conditions})

    def select(self, muscles: Sequence[str]) -> GeometrySurrogate:
        """Return the surrogate of these muscles, in this order.

        Raises
        ------
        InputError
            An unknown muscle.
        """
        return replace(self.keep_networks(muscles), polynomials=self.polynomials.select(muscles))

    def keep_networks(self, muscles: Sequence[str]) -> GeometrySurrogate:
        """Return the surrogate with the networks of these muscles only."""
        networks = tuple(kept for network in self.networks if (kept := network.keep(muscles)).muscles)
        return replace(self, networks=networks)

    def evaluate(self, names: Sequence[str], value: Array, speed: Array | None = None) -> MuscleGeometry:
        """Return lengths, moment arms and lengthening speeds, as :meth:`PolynomialGeometry.evaluate`.

        Raises
        ------
        InputError
            A coordinate is missing, scale factors were not given, or shapes do not agree.
        """
        names, value, speed = self._with_factors(names, value, speed)
        given = self.polynomials.evaluate(names, value, speed)
        arms, length, lengthening = given.moment_arms, np.asarray(given.length), given.lengthening_speed
        pairs = zip(given.pair_coordinate.tolist(), given.pair_muscle.tolist(), strict=True)
        pair = {(given.coordinates[row], muscle): index for index, (row, muscle) in enumerate(pairs)}
        muscles = self.muscles
        for network in self.networks:
            columns = network.columns(names)
            added, slope = network.evaluate(names, value, self.device)
            for index, (name, spanned) in enumerate(zip(network.muscles, network.coordinates, strict=True)):
                muscle = muscles.index(name)
                length[:, muscle] += added[:, index]
                arms[:, [pair[coordinate, muscle] for coordinate in spanned]] -= slope[:, index]
                if lengthening is not None and speed is not None:
                    lengthening[:, muscle] += np.sum(slope[:, index] * speed[:, columns[index]], axis=1)
        rows = np.flatnonzero(~np.isin(given.coordinates, self.conditions))
        return replace(given, length=length).select(rows)

    def lengths(self, names: Sequence[str], value: Tensor) -> Tensor:
        """Lengths (T, M) in m from coordinates (T, N), differentiable by torch and on the tensor's device.

        Columns are those of ``names``; scale factors may be columns too.
        """
        if extra := [name for name in self.factors if name not in names]:
            names = (*names, *extra)
            row = value.new_tensor([self.factors[name] for name in extra])
            value = torch.cat([value, row.expand(len(value), -1)], dim=1)
        columns = self.polynomials.columns(names, value)
        lengths = []
        for p in self.polynomials.polynomials:
            exponents = torch.tensor(list_exponents(len(p.coordinates), p.order), device=value.device)
            variables = value[:, None, [columns[name] for name in p.coordinates]]
            lengths.append(torch.prod(variables**exponents, dim=2) @ value.new_tensor(p.coefficients))
        muscles = self.muscles
        for network in self.networks:
            for name, added in zip(network.muscles, network.lengths(names, value).T, strict=True):
                muscle = muscles.index(name)
                lengths[muscle] = lengths[muscle] + added
        return torch.stack(lengths, dim=1)

    def outside(self, names: Sequence[str], value: Array) -> dict[str, int]:
        """Number of frames outside the training range by muscle, scale factors included; only muscles with any."""
        names, value, _ = self._with_factors(names, value, None)
        return self.polynomials.outside(names, value)

    def to_dataframe(self) -> pd.DataFrame:
        """One row per muscle: whether it has a network, and the columns of :meth:`PolynomialGeometry.to_dataframe`."""
        table = self.polynomials.to_dataframe()
        table.insert(0, "network", [name in self.networked for name in table.index])
        return table

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write a folder: numbers as safetensors, everything else as JSON."""
        polynomials = self.polynomials.polynomials
        tensors = {f"polynomial.{number}": torch.as_tensor(p.coefficients) for number, p in enumerate(polynomials)}
        for number, network in enumerate(self.networks):
            tensors |= {f"network.{number}.{name}": torch.as_tensor(a) for name, a in network.weights.items()}
        description = {
            "kind": "geometry", "muscles": self.muscles, "coordinates": self.coordinates,
            "conditions": self.conditions, "factors": dict(self.factors),
            "units": {"length": "m", "coordinates": "rad or m"},
            "polynomials": [
                {"path": p.path, "coordinate_paths": p.coordinate_paths, "order": p.order, "fit": fit and asdict(fit)}
                for p, fit in ((p, p.fit) for p in polynomials)
            ],
            "left": dict(self.left), "record": self.record.plain(),
            "missed": {name: asdict(fit) for name, fit in self.missed.items()},
            "networks": [{"muscles": n.muscles, "coordinates": n.coordinates} for n in self.networks],
            "provenance": dict(self.provenance),
        }  # fmt: skip
        return folder.save(path, tensors, description, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str], device: str = "cpu") -> GeometrySurrogate:
        """Read the folder that :meth:`save` wrote.

        Raises
        ------
        InputError
            No such folder, another kind of folder or surrogate, a changed one, or no such device.
        """
        tensors, description = folder.load(path)
        if (kind := description.get("kind")) != "geometry":
            fix = "Give the folder of a geometry surrogate."
            raise InputError(explain("a surrogate of kind 'geometry'", repr(kind), fix, path))
        return cls.read(tensors, description, Device.of(device).name or "cpu")

    @classmethod
    def read(cls, tensors: dict[str, Tensor], description: dict[str, Any], device: str) -> GeometrySurrogate:
        """Make a surrogate from the result of :func:`osimopt.surrogate.folder.load`."""
        polynomials = [
            MusclePolynomial(
                p["path"], tuple(p["coordinate_paths"]), p["order"], tensors[f"polynomial.{number}"].numpy(),
                None if p["fit"] is None else _read_fit(p["fit"]),
            )
            for number, p in enumerate(description["polynomials"])
        ]  # fmt: skip
        networks = []
        for number, n in enumerate(description["networks"]):
            weights = {name: tensor.numpy() for name, tensor in folder.part(tensors, f"network.{number}").items()}
            networks.append(Corrections(tuple(n["muscles"]), tuple(map(tuple, n["coordinates"])), weights))
        record = PathRecord.read(description.get("record", {}))
        missed = {name: _read_fit(fit) for name, fit in description.get("missed", {}).items()}
        geometry = PolynomialGeometry(tuple(polynomials), description.get("left", {}), record, missed)
        conditions, factors = tuple(description["conditions"]), description["factors"]
        return cls(geometry, tuple(networks), conditions, factors, device, description["provenance"])

    def _with_factors(
        self, names: Sequence[str], value: Array, speed: Array | None
    ) -> tuple[tuple[str, ...], Array, Array | None]:
        """Append the scale factors to the coordinates, with a speed of 0."""
        if missing := [name for name in self.conditions if name not in self.factors and name not in names]:
            fix = "Give them: surrogate.scaled({…})."
            raise InputError(explain(f"scale factors of {some(missing, 12)}", "none", fix))
        extra = [name for name in self.factors if name not in names]
        factors = np.broadcast_to([self.factors[name] for name in extra], (len(value), len(extra)))
        still = None if speed is None else np.hstack([speed, np.zeros_like(factors)])
        return (*names, *extra), np.hstack([value, factors]), still


def _read_fit(fit: dict[str, Any]) -> Fit:
    arrays = {name: np.array(fit[name], dtype=np.float64) for name in ("low", "high")}
    return Fit(**{**fit, **arrays, "flags": tuple(fit["flags"])})
