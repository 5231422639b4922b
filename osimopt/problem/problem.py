"""The muscle redundancy problem as plain arrays, every name, shape and value checked here, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..devices import Device, device_of
from ..errors import InputError, check_names, explain
from ..namespace import Tensor, namespace
from .arrays import SPECIFIC_TENSION, Array, Change, Kinematics, MuscleGeometry, MuscleParameters
from .reactions import JointReactions, Joints, reactions_of
from .reserves import ReserveActuators
from .validity import check_problem


class Source(Protocol):
    """What can compute a problem's arrays at any time of its motion: a model and its motion, as load_problem leaves."""

    def at(self, times: Array, /) -> RedundancyProblem:
        """The problem at other times (s)."""
        ...


@dataclass(frozen=True, eq=False, repr=False)
class RedundancyProblem:
    """Which activations give these generalized forces?

    In every frame the activations a of M muscles and the controls e of K reserve actuators must meet
    R (max_force · a + passive_force) + effect e = τ on D coordinates, within their bounds.

    Attributes
    ----------
    time
        (T,) s.
    geometry
        Names and moment arms R; ``geometry.moment_arm`` is (T, D, M) in m.
    max_force
        (T, M) N: tendon force per unit of activation at the frame's fibre length and speed (the gain).
    generalized_force
        (T, D) N·m, or N for translations: what the muscles and reserves must produce.
    lower, upper
        (M,) bounds of the activations.
    pcsa
        (M,) cm².
    weights
        (M,) weights of the muscles in the cost.
    reserves
        Reserve and residual actuators.
    passive_force
        (T, M) N, zeros by default.
    parameters, kinematics
        Where the problem came from a model.
    provenance
        Files, hashes, options, warnings: what a reader needs to repeat it.
    source
        Computes the arrays at any time of the motion, where the model is available: from ``load_problem``, unless
        it read the problem back from its cache. A file of the problem does not hold it.
    reactions
        What joints transmit, where the problem was loaded with ``joint_reactions``.

    Raises
    ------
    InputError
        Shapes that do not fit together, numbers that are not finite, names that stand twice.

    Examples
    --------
    Two elbow flexors with moment arms of 5 and 3 cm, and a moment of 12 N·m:

    >>> import osimopt
    >>> problem = osimopt.RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], 12.0)
    >>> problem.muscles
    ('muscle_0', 'muscle_1')
    >>> osimopt.solve_static(problem).activation.round(3)
    array([[0.425, 0.153]])
    """

    time: Array
    geometry: MuscleGeometry
    max_force: Array
    generalized_force: Array
    lower: Array
    upper: Array
    pcsa: Array
    weights: Array
    reserves: ReserveActuators
    passive_force: Array
    parameters: MuscleParameters | None = None
    kinematics: Kinematics | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    source: Source | None = None
    reactions: JointReactions | None = None

    def __post_init__(self) -> None:
        check_problem(self)

    def __repr__(self) -> str:
        """Return one line: sizes, times, and the model's file where there is one."""
        model = self.provenance.get("inputs", {}).get("model", {}).get("file", "arrays")
        sizes = f"{len(self)} frames, {len(self.muscles)} muscles, {len(self.coordinates)} coordinates"
        return f"<RedundancyProblem from {model}: {sizes}, {self.time[0]:g} to {self.time[-1]:g} s>"

    def unit(self, coordinate: str) -> str:
        """Unit of the generalized force of a coordinate, where the model has it."""
        return str(self.provenance.get("units", {}).get(coordinate, "N·m (N)"))

    @property
    def muscles(self) -> tuple[str, ...]:
        """M names."""
        return self.geometry.muscles

    @property
    def coordinates(self) -> tuple[str, ...]:
        """D names."""
        return self.geometry.coordinates

    @property
    def moment_arm(self) -> Tensor:
        """(T, D, M) in m, dense."""
        return self.geometry.moment_arm

    @property
    def actuators(self) -> tuple[str, ...]:
        """Names of all unknowns: the muscles, then the reserves."""
        return self.muscles + self.reserves.names

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.time)

    def system(self, frame: int) -> tuple[Array, Array]:
        """A (D, M + K) and b (D,) of the moment balance A x = b in one frame."""
        arm = np.zeros((len(self.coordinates), len(self.muscles)))
        arm[self.geometry.pair_coordinate, self.geometry.pair_muscle] = self.geometry.moment_arms[frame]
        effect = self.reserves.effect[frame if len(self.reserves.effect) > 1 else 0]
        target = self.generalized_force[frame] - arm @ self.passive_force[frame]
        return np.hstack([arm * self.max_force[frame], effect]), target

    def systems(self, keep: slice) -> tuple[Array, Array]:
        """A (T, D, M + K) and b (T, D) of the moment balance A x = b in several frames."""
        arm = self.geometry.frames(keep).moment_arm
        effect = self.reserves.frames(keep).effect
        effect = np.broadcast_to(effect, (len(arm), *effect.shape[1:]))
        target = self.generalized_force[keep] - np.einsum("tdm,tm->td", arm, self.passive_force[keep])
        return np.concatenate([arm * self.max_force[keep][:, None, :], effect], axis=2), target

    def bounds(self) -> tuple[Array, Array]:
        """Lower and upper bounds (M + K,) of all unknowns."""
        lower = np.concatenate([self.lower, self.reserves.lower])
        return lower, np.concatenate([self.upper, self.reserves.upper])

    def frames(self, keep: slice | NDArray[np.intp]) -> RedundancyProblem:
        """The problem at fewer frames, as ``problem.frames(slice(10, 20))``."""
        return self.moved(self.time[keep], lambda array: array[keep])

    def moved(self, time: Array, change: Change) -> RedundancyProblem:
        """The problem at other times (s), to which ``change`` takes an array; max_force stays at least 0."""
        return replace(
            self,
            time=time,
            geometry=self.geometry.moved(change),
            max_force=_positive(change(self.max_force)),
            generalized_force=change(self.generalized_force),
            passive_force=change(self.passive_force),
            reserves=self.reserves.moved(change),
            kinematics=self.kinematics and self.kinematics.moved(time, change),
            reactions=self.reactions and self.reactions.moved(change),
        )

    @property
    def device(self) -> str:
        """Where the arrays of all frames are: ``"cpu"`` for NumPy's, else the device of torch's."""
        return device_of(self.max_force)

    def to(self, device: str) -> RedundancyProblem:
        """The same problem with the arrays of all frames on a device: ``"cpu"`` (NumPy), ``"torch"``, ``"cuda"``, ….

        :func:`osimopt.solve_static` solves it there, and so is its solution, whose ``to("cpu")`` brings it back. Times,
        bounds, weights and areas stay in NumPy.

        Raises
        ------
        InputError
            The device is not available.
        MissingDependencyError
            torch is not installed.

        Examples
        --------
        >>> import osimopt
        >>> problem = osimopt.RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], 12.0).to("torch")
        >>> solution = osimopt.solve_static(problem)
        >>> solution.activation.shape
        torch.Size([1, 2])
        >>> solution.to("cpu").activation.round(3)
        array([[0.425, 0.153]])
        """
        place = Device.of(device)
        return self if device == self.device else self.moved(self.time, place.put)

    def resample(self, times: ArrayLike) -> RedundancyProblem:
        """The problem at other times: from the model where it is available, else by spline.

        Weights, bounds, areas and reserves stay. Where the arrays were changed since they came from the model, a
        spline through them is used (max_force kept from falling below 0), and ``provenance["resampling"]`` has the
        reason and the estimated error; more than about 1 % of an array's peak is a warning there.

        Parameters
        ----------
        times
            (N,) increasing, in s, within the problem's own times.

        Returns
        -------
        RedundancyProblem
            At ``times``; the problem itself where these are its own.

        Raises
        ------
        InputError
            Times that do not increase, or lie outside the problem's by more than 1e-9 s.
        """
        moved: RedundancyProblem = import_module(".resampling", __package__).resample(self.to("cpu"), times)
        return moved

    def part(
        self,
        coordinates: str | Sequence[str] | None = None,
        muscles: str | Sequence[str] | None = None,
        *,
        left_out: Literal["ignore", "residuals"] = "ignore",
    ) -> RedundancyProblem:
        """A part of the body: some coordinates are balanced, some muscles act, as one leg or one joint.

        Findings and ``provenance["part"]`` list what is left out. Actuators that act on no kept coordinate are left
        out too.

        Parameters
        ----------
        coordinates
            Names, patterns (``"*_l"``) or a side (``"left"``, ``"right"``) of the coordinates to balance; by default
            all that the muscles cross.
        muscles
            The same of the muscles that act; by default all that cross the coordinates. Muscles that cross none of
            them are left out.
        left_out
            ``"ignore"``: what muscles do on other coordinates is not balanced. ``"residuals"``: unbounded residual
            actuators (250 N·m, 50 N) balance those, at their cost; checks do not count them as reserves.

        Returns
        -------
        RedundancyProblem
            The part; the problem itself where nothing is left out.

        Raises
        ------
        InputError
            A name or pattern that matches nothing, a side that no name has, coordinates that no muscle crosses.

        Examples
        --------
        >>> import osimopt
        >>> arms, moments = [[0.04, 0.03, 0.0], [0.0, -0.02, 0.03]], [9.0, 4.0]
        >>> muscles, joints = ["hip_flexor", "biarticular", "knee_flexor"], ["hip_l", "knee_l"]
        >>> legs = osimopt.RedundancyProblem.from_arrays(
        ...     arms, [500.0] * 3, moments, muscles=muscles, coordinates=joints
        ... )
        >>> knee = legs.part("knee_l")
        >>> knee.muscles, knee.coordinates
        (('biarticular', 'knee_flexor'), ('knee_l',))
        """
        part: RedundancyProblem = import_module(".part", __package__).part_of(self, coordinates, muscles, left_out)
        return part

    def with_weights(self, weights: ArrayLike | Mapping[str, float] | Literal["volume"]) -> RedundancyProblem:
        """The same problem with other weights: (M,), one number, by name (others keep theirs), or ``"volume"``.

        Volumes are max_isometric_force · optimal_fiber_length (over a common specific tension), divided by their mean.
        """
        if isinstance(weights, str):
            if weights != "volume" or self.parameters is None:
                got = repr(weights) if weights != "volume" else "'volume' without a model"
                raise InputError(explain("weights as numbers, or 'volume' with a model", got, "Give numbers."))
            volume = self.parameters.max_isometric_force * self.parameters.optimal_fiber_length
            weights = volume / volume.mean()
        if isinstance(weights, Mapping):
            check_names("weights of muscles", weights, self.muscles)
            weights = [float(weights.get(name, own)) for name, own in zip(self.muscles, self.weights, strict=True)]
        return replace(self, weights=_stretch(np.asarray(weights, dtype=float), (len(self.muscles),), "weights"))

    def with_reserves(
        self,
        reserves: float | Mapping[str, float] | ReserveActuators | None,
        bounds: tuple[float, float] | None = None,
    ) -> RedundancyProblem:
        """The same problem with other reserves in place of the present ones.

        A number puts a reserve of that optimal force (N·m) on every coordinate, a mapping on those it
        names; ``bounds`` limits their controls; ``None`` removes all.
        """
        return replace(self, reserves=ReserveActuators.read(reserves, self.coordinates, bounds))

    def with_reactions(self, joints: Joints | None = None) -> RedundancyProblem:
        """The same problem with what joints transmit, by default all: see :class:`JointReactions`.

        Raises
        ------
        InputError
            An unknown joint, or no model at hand.
        ModelError
            A joint whose reaction the motion does not determine.
        """
        return replace(self, reactions=reactions_of(self, joints))

    @classmethod
    def from_arrays(
        cls,
        moment_arm: ArrayLike,
        max_force: ArrayLike,
        generalized_force: ArrayLike,
        pcsa: ArrayLike | None = None,
        bounds: tuple[ArrayLike, ArrayLike] = (0.0, 1.0),
        weights: ArrayLike | None = None,
        reserves: float | Mapping[str, float] | ReserveActuators | None = None,
        *,
        passive_force: ArrayLike | None = None,
        time: ArrayLike | None = None,
        muscles: Sequence[str] | None = None,
        coordinates: Sequence[str] | None = None,
    ) -> RedundancyProblem:
        """Build a problem without a model.

        Parameters
        ----------
        moment_arm
            (T, D, M), or (D, M) for all frames, or (M,) for one coordinate; m.
        max_force
            (T, M) or (M,), N at activation 1.
        generalized_force
            (T, D), or one number; N·m. One axis is the coordinates (D,), or the frames (T,) where D = 1.
        pcsa
            (M,) cm²; default max_force of the first frame / 50 N/cm².
        bounds
            Lower and upper bound of activation, numbers or (M,).
        weights
            (M,) weights in the cost; default 1.
        reserves
            A number (an unbounded reserve of that optimal force on every coordinate), a mapping from
            coordinate to optimal force, ReserveActuators, or None.
        passive_force
            (T, M) or (M,) N added to the active force; default none.
        time, muscles, coordinates
            Time in s and names; default counting from 0 and ``muscle_0``, ``coordinate_0``, ….

        Raises
        ------
        InputError
            Shapes that do not fit together, numbers that are not finite, negative max_force.
        """
        arm = np.asarray(moment_arm, dtype=float)
        arm = arm.reshape((1,) * (3 - arm.ndim) + arm.shape) if 1 <= arm.ndim <= 3 else arm
        if arm.ndim != 3:
            raise InputError(explain("moment_arm of shape (T, D, M), (D, M) or (M,)", f"{arm.shape}", "Reshape it."))
        n_coordinates, n_muscles = arm.shape[1:]
        target = np.asarray(generalized_force, dtype=float)
        if target.ndim < 2:
            target = target.reshape(-1, 1) if n_coordinates == 1 else target.reshape(1, -1)
        force = np.atleast_2d(np.asarray(max_force, dtype=float))
        passive = np.atleast_2d(np.zeros(1) if passive_force is None else np.asarray(passive_force, dtype=float))
        n_frames = max(len(arm), len(target), len(force), len(passive))

        def per_muscle(value: ArrayLike, name: str) -> Array:
            return _stretch(np.asarray(value, dtype=float), (n_muscles,), name)

        names = tuple(f"muscle_{i}" for i in range(n_muscles)) if muscles is None else tuple(muscles)
        rows = tuple(f"coordinate_{i}" for i in range(n_coordinates)) if coordinates is None else tuple(coordinates)
        if len(rows) != n_coordinates:
            raise InputError(explain(f"{n_coordinates} coordinate names", f"{len(rows)}", "Name each row."))
        force = _stretch(force, (n_frames, n_muscles), "max_force")
        arm = _stretch(arm, (n_frames, n_coordinates, n_muscles), "moment_arm")
        areas = np.maximum(force[0], 1e-12) / SPECIFIC_TENSION if pcsa is None else pcsa
        problem = cls(
            time=np.arange(n_frames, dtype=float) if time is None else np.asarray(time, dtype=float),
            geometry=MuscleGeometry.from_dense(arm, names, rows),
            max_force=force,
            generalized_force=_stretch(target, (n_frames, n_coordinates), "generalized_force"),
            lower=per_muscle(bounds[0], "lower bound"),
            upper=per_muscle(bounds[1], "upper bound"),
            pcsa=per_muscle(areas, "pcsa"),
            weights=per_muscle(1.0 if weights is None else weights, "weights"),
            reserves=ReserveActuators.none(n_coordinates),
            passive_force=_stretch(passive, (n_frames, n_muscles), "passive_force"),
            provenance={"source": "arrays"},
        )
        return problem if reserves is None else problem.with_reserves(reserves)


def _positive(force: Array) -> Array:
    return np.maximum(force, 0.0) if isinstance(force, np.ndarray) else namespace(force).clip(force, 0.0, None)


def _stretch(array: Array, shape: tuple[int, ...], name: str) -> Array:
    try:
        return np.array(np.broadcast_to(array, shape))
    except ValueError:
        fix = "Axes are (frames, coordinates, muscles)."
        raise InputError(explain(f"{name} of shape {shape}", f"{array.shape}", fix)) from None
