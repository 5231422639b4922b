"""The geometry surrogate: muscle lengths as polynomials, and as networks for what polynomials leave.

Each muscle's length is one function l(q) of the coordinates that it spans, and its moment arms are exactly −∂l/∂q, so
that the moments do the work that the muscle does. Trained over scaled models, it is a function of the scale factors
too (after Van Wouwe et al., PLoS Computational Biology 2024), which are given before it is used.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputError, explain, some
from ..polynomial.geometry import Fit, MusclePolynomial, PolynomialGeometry
from ..polynomial.terms import list_exponents
from ..problem.arrays import MuscleGeometry
from ..static.frames import Device
from . import folder
from .path_network import Corrections

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GeometrySurrogate:
    """Muscle paths as polynomials plus networks, made by ``osimopt.training.geometry_network.fit_geometry_network``.

    ``load_problem(geometry=…)`` takes it. The ``fit`` of each polynomial is that of the whole: range, errors on
    held-out postures, flags. ``conditions`` are scale factors that lengths depend on, ``factors`` the values that they
    were given by :meth:`scaled`.
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
        """Names of the coordinates that any muscle depends on."""
        return tuple(name for name in self.polynomials.coordinates if name not in self.conditions)

    @property
    def left(self) -> Mapping[str, float]:
        """Muscles that were not trained, because −∂l/∂q is not their moment arm, and by how much it is off in m."""
        return self.polynomials.left

    @property
    def fits(self) -> dict[str, Fit]:
        """Ranges (of scale factors, too) and errors of the muscles."""
        return self.polynomials.fits

    @property
    def networked(self) -> tuple[str, ...]:
        """Muscles that a network corrects; the others are polynomials alone."""
        own = {name for network in self.networks for name in network.muscles}
        return tuple(name for name in self.muscles if name in own)

    def scaled(self, factors: Mapping[str, float]) -> GeometrySurrogate:
        """The paths of a body with these scale factors, one for every condition that it was trained over.

        Raises
        ------
        InputError
            Factors are missing, unknown, or no positive numbers.
        """
        wrong = {name: value for name, value in factors.items() if not (np.isfinite(value) and value > 0.0)}
        if set(factors) != set(self.conditions) or wrong:
            expected = (
                f"positive scale factors of {some(self.conditions, 12) or 'nothing: it was not trained over any'}"
            )
            raise InputError(explain(expected, repr(dict(factors)), "Give each of them once."))
        return replace(self, factors={name: float(factors[name]) for name in self.conditions})

    def select(self, muscles: Sequence[str]) -> GeometrySurrogate:
        """The same for these muscles, in this order.

        Raises
        ------
        InputError
            A muscle that it does not know.
        """
        networks = tuple(kept for network in self.networks if (kept := network.keep(muscles)).muscles)
        return replace(self, polynomials=self.polynomials.select(muscles), networks=networks)

    def evaluate(self, names: Sequence[str], value: Array, speed: Array | None = None) -> MuscleGeometry:
        """Lengths, moment arms and lengthening speeds along a motion, as :meth:`PolynomialGeometry.evaluate`.

        Raises
        ------
        InputError
            A coordinate is missing, scale factors were not given, or the shapes do not fit.
        """
        names, value, speed = self._with_factors(names, value, speed)
        given = self.polynomials.evaluate(names, value, speed)
        arms, length, lengthening = given.moment_arms, np.asarray(given.length), given.lengthening_speed
        row = {name: index for index, name in enumerate(given.coordinates)}
        pairs = zip(given.pair_coordinate.tolist(), given.pair_muscle.tolist(), strict=True)
        pair = {key: index for index, key in enumerate(pairs)}
        place = {name: index for index, name in enumerate(self.muscles)}
        for network in self.networks:
            columns = network.columns(names)
            added, slope = network.evaluate(names, value, self.device)
            for index, (muscle, own) in enumerate(zip(network.muscles, network.coordinates, strict=True)):
                length[:, place[muscle]] += added[:, index]
                arms[:, [pair[row[name], place[muscle]] for name in own]] -= slope[:, index]
                if lengthening is not None and speed is not None:
                    lengthening[:, place[muscle]] += np.sum(slope[:, index] * speed[:, columns[index]], axis=1)
        return self._without_conditions(replace(given, length=length))

    def lengths(self, names: Sequence[str], value: Tensor) -> Tensor:
        """Lengths (T, M) in m from coordinates (T, N), by torch alone: differentiable, on the tensor's device.

        Columns are those of ``names``; scale factors may be columns, too, instead of being given.
        """
        if extra := [name for name in self.factors if name not in names]:
            names = (*names, *extra)
            row = value.new_tensor([self.factors[name] for name in extra])
            value = torch.cat([value, row.expand(len(value), -1)], dim=1)
        columns = self.polynomials.columns(names, value)
        lengths = []
        for own in self.polynomials.polynomials:
            exponents = torch.tensor(list_exponents(len(own.coordinates), own.order), device=value.device)
            variables = value[:, None, [columns[name] for name in own.coordinates]]
            lengths.append(torch.prod(variables**exponents, dim=2) @ value.new_tensor(own.coefficients))
        place = {name: index for index, name in enumerate(self.muscles)}
        for network in self.networks:
            for muscle, added in zip(network.muscles, network.lengths(names, value).T, strict=True):
                lengths[place[muscle]] = lengths[place[muscle]] + added
        return torch.stack(lengths, dim=1)

    def outside(self, names: Sequence[str], value: Array) -> dict[str, int]:
        """Number of frames outside the range that a muscle was trained in, scale factors included, if any."""
        names, value, _ = self._with_factors(names, value, None)
        return self.polynomials.outside(names, value)

    def on(self, device: str) -> GeometrySurrogate:
        """The same, its networks evaluated on a device of torch."""
        return replace(self, device=Device.of(device).name or "cpu")

    def to_dataframe(self) -> pd.DataFrame:
        """One row per muscle: whether a network, and what :meth:`PolynomialGeometry.to_dataframe` tells."""
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
            "kind": "geometry",
            "muscles": self.muscles,
            "coordinates": self.coordinates,
            "conditions": self.conditions,
            "factors": dict(self.factors),
            "units": {"length": "m", "coordinates": "rad or m"},
            "polynomials": [
                {"path": p.path, "coordinate_paths": p.coordinate_paths, "order": p.order, "fit": _spell(p.fit)}
                for p in polynomials
            ],
            "left": dict(self.left),
            "networks": [{"muscles": n.muscles, "coordinates": n.coordinates} for n in self.networks],
            "provenance": dict(self.provenance),
        }
        return folder.save(path, tensors, description, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str], device: str = "cpu") -> GeometrySurrogate:
        """Read the folder that :meth:`save` wrote.

        Raises
        ------
        InputError
            No such folder, another kind of folder or surrogate, one that was changed, or no such device.
        """
        tensors, told = folder.load(path)
        if told.get("kind") != "geometry":
            fix = "Give the folder of a geometry surrogate."
            raise InputError(explain("a surrogate of kind 'geometry'", repr(told.get("kind")), fix, path))
        return cls.of(tensors, told, Device.of(device).name or "cpu")

    @classmethod
    def of(cls, tensors: dict[str, Tensor], told: dict[str, Any], device: str = "cpu") -> GeometrySurrogate:
        """From what a folder held."""
        polynomials = [
            MusclePolynomial(
                own["path"], tuple(own["coordinate_paths"]), own["order"], tensors[f"polynomial.{number}"].numpy(),
                None if own["fit"] is None else _read_fit(own["fit"]),
            )
            for number, own in enumerate(told["polynomials"])
        ]  # fmt: skip
        networks = []
        for number, own in enumerate(told["networks"]):
            start = f"network.{number}."
            weights = {k.removeprefix(start): t.numpy() for k, t in tensors.items() if k.startswith(start)}
            networks.append(Corrections(tuple(own["muscles"]), tuple(map(tuple, own["coordinates"])), weights))
        geometry = PolynomialGeometry(tuple(polynomials), told.get("left", {}))
        return cls(geometry, tuple(networks), tuple(told["conditions"]), told["factors"], device, told["provenance"])

    def _with_factors(
        self, names: Sequence[str], value: Array, speed: Array | None
    ) -> tuple[tuple[str, ...], Array, Array | None]:
        """Coordinates with the scale factors beside them, as if these were coordinates that stand still."""
        if missing := [name for name in self.conditions if name not in self.factors and name not in names]:
            fix = "Give them: surrogate.scaled({…})."
            raise InputError(explain(f"scale factors of {some(missing, 12)}", "none", fix))
        extra = [name for name in self.factors if name not in names]
        if not extra:
            return tuple(names), value, speed
        factors = np.broadcast_to([self.factors[name] for name in extra], (len(value), len(extra)))
        still = None if speed is None else np.hstack([speed, np.zeros_like(factors)])
        return (*names, *extra), np.hstack([value, factors]), still

    def _without_conditions(self, given: MuscleGeometry) -> MuscleGeometry:
        """The geometry about coordinates only."""
        if not self.conditions:
            return given
        rows = np.array([i for i, name in enumerate(given.coordinates) if name not in self.conditions], dtype=np.intp)
        return given.select(rows)


def _spell(fit: Fit | None) -> dict[str, Any] | None:
    return None if fit is None else {name: np.asarray(value).tolist() for name, value in asdict(fit).items()}


def _read_fit(told: dict[str, Any]) -> Fit:
    arrays = {name: np.array(told[name], dtype=np.float64) for name in ("low", "high")}
    return Fit(**{**told, **arrays, "flags": tuple(told["flags"])})
