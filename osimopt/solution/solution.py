"""The solution of a redundancy problem."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, cast, get_args

import numpy as np
from numpy.typing import NDArray

from ..devices import Device, device_of
from ..errors import check_names
from ..files.table import Table
from ..muscle.fibers import Fibers, equilibrium_fibers
from ..muscle.muscle_class import Mask
from ..muscle.tendons import compliant, read_tendon
from ..namespace import Tensor, alike
from ..problem.arrays import Array
from ..problem.contact import Contact
from ..problem.problem import RedundancyProblem, Source
from ..problem.synergies import Synergies
from . import reactions
from .findings import Finding
from .quantities import DERIVED, MusclesInMotion, Outputs, listed, quantity_of
from .slack import slack_of
from .status import Status, moment_residual
from .summary import Summary, in_equilibrium

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

Solution = TypeVar("Solution", bound="RedundancySolution")
Quantity = Literal["activation", "muscle_force", "reserve_force"]


@dataclass(frozen=True, eq=False, repr=False)
class RedundancySolution:
    """Activations and forces of all frames, with their residuals, error bounds, checks and findings.

    Failed frames hold NaN. ``moment_residual`` (T, D) and ``objective`` (T,) are recomputed here from the
    problem, not taken from the solver, and a frame whose answer does not hold is downgraded.

    Attributes
    ----------
    problem
        What was solved.
    activation
        (T, M).
    reserve_control
        (T, K) controls of the reserve actuators.
    status
        (T,) members of :class:`Status`: ``solution.status == Status.SOLVED`` compares frame by frame.
    iterations
        (T,) iterations of the solver.
    unique
        (T,) whether the minimiser is unique. Where it is not, the answer is the one of least norm
        (Σ a² + Σ e²). None where the problem is not convex, so that nothing is known.
    objective_terms
        (T,) of each term of the cost, by name; ``objective`` is their sum (the larger, for min_max).
    gap, activation_error
        (T,) a proved bound on how far the cost (over p) is above its optimum, and on how far any activation is from
        its own (for the moments that the solution produces, which are within 1e-9 of the largest required one).
        Computed on the whole problem from the answer and its multipliers by code that no solver shares. NaN in frames
        that are not certified, and for linear costs.
    detail
        What is known of single frames, by frame index: what could not be met, and by how much.
    multipliers
        (T, D) from solver ``newton``, else None: λ = ∂(cost / p) / ∂(generalized_force), in the cost's unit per N·m.
        Between its bounds every unknown x has ∂(cost / p)/∂x = Aᵀλ, A being its effect on the coordinates; on a
        lower bound Aᵀλ is less, on an upper bound more. NaN in frames that newton did not solve.
    contact
        Contact forces that were part of the cost or limited: ``problem`` is without their rows.
    synergies
        The synergies that activations (of a dynamic solution: excitations) follow; None where each muscle is free.

    Examples
    --------
    >>> import osimopt
    >>> problem = osimopt.RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], [[12.0], [33.0]])
    >>> solution = osimopt.solve_static(problem)
    >>> solution.muscle_force.round(1)
    array([[212.5,  45.9],
           [500. , 266.7]])
    >>> solution.findings()
    ['At their upper bound (frames): muscle_0 (1).']
    """

    problem: RedundancyProblem
    activation: Array
    reserve_control: Array
    status: NDArray[np.object_]
    iterations: NDArray[np.intp]
    unique: NDArray[np.bool_] | None
    objective: Array
    objective_terms: dict[str, Array]
    gap: Array | None = None
    activation_error: Array | None = None
    detail: dict[int, str] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    multipliers: Array | None = None
    contact: tuple[Contact, ...] = ()
    synergies: Synergies | None = None

    #: Remedies for failed frames, by status, in place of those in the values of Status.
    remedies: ClassVar[Mapping[Status, str]] = {}

    def __repr__(self) -> str:
        """Return one line: what was solved, how, and how many frames."""
        cost, solver = (self.provenance.get(name, {}) for name in ("cost", "solver"))
        how = f"{cost.get('formula', 'no cost named')}, {solver.get('used', 'no solver named')}"
        count = f"{int(self.solved.sum())} of {len(self.status)} frames solved"
        return f"<{type(self).__name__}: {count}, {how}; {self.problem}>"

    @property
    def time(self) -> Array:
        """(T,) s."""
        return self.problem.time

    @property
    def device(self) -> str:
        """Where activations and forces are: ``"cpu"`` for NumPy's arrays, else the device of torch's."""
        return device_of(self.activation)

    def to(self: Solution, device: str) -> Solution:
        """The same solution with the arrays of all frames on a device, as :meth:`RedundancyProblem.to`.

        Status, iterations and details are always in NumPy. What is brought to the CPU is kept: ``to_dataframe``,
        ``write`` and ``findings`` of a solution on a device bring it there once.
        """
        if device == self.device:
            return self
        return self._on_cpu if device == "cpu" else self._moved(device)

    @cached_property
    def _on_cpu(self) -> Any:
        return self._moved("cpu")

    def _moved(self: Solution, device: str) -> Solution:
        put = Device.of(device).put
        names = ("activation", "reserve_control", "objective", "gap", "activation_error", "multipliers")
        arrays = {name: put(array) for name in names if (array := getattr(self, name)) is not None}
        terms = {name: put(term) for name, term in self.objective_terms.items()}
        return replace(self, problem=self.problem.to(device), objective_terms=terms, **arrays)

    @property
    def success(self) -> bool:
        """Whether every frame was solved."""
        return bool(self.solved.all())

    @property
    def solved(self) -> NDArray[np.bool_]:
        """(T,) which frames were solved."""
        return np.asarray(self.status == Status.SOLVED, dtype=bool)

    @property
    def muscle_force(self) -> Array:
        """(T, M) tendon force in N: max_force · activation + passive_force."""
        return self.problem.max_force * self.activation + self.problem.passive_force

    @property
    def reserve_force(self) -> Tensor:
        """(T, K) output of the reserve actuators in N·m, or N."""
        return self.reserve_control * alike(self.problem.reserves.optimal_force, self.reserve_control)

    @cached_property
    def moment_residual(self) -> Array:
        """(T, D) what the balance misses, in N·m (N for translations)."""
        return cast(Array, moment_residual(self.problem, self.activation, self.reserve_control))

    @property
    def slack(self) -> Array | None:
        """(T, M) how much shorter than its tendon's slack length a muscle-tendon unit is, in m; 0 where it is not.

        Such a muscle has no force. None where the problem has no muscle parameters or lengths.
        """
        return slack_of(self.problem)

    @property
    def checks(self) -> dict[str, Array]:
        """What else is known of each frame, (T,) by name: columns of ``status.csv``."""
        return {} if self.slack is None else {"slack_muscles": (self.slack > 0.0).sum(axis=1)}

    @property
    def quantities(self) -> tuple[str, ...]:
        """What ``write`` writes in any case, each as a file of its name."""
        return get_args(Quantity)

    @cached_property
    def muscles_in_motion(self) -> MusclesInMotion:
        """What the quantities that are computed on demand have in common."""
        return MusclesInMotion(self)

    @property
    def elastic(self) -> Mask:
        """(M,) which muscles have elastic tendons."""
        given = self.provenance["solver"]["tendon"] if in_equilibrium(self) else "rigid"
        return compliant(read_tendon(given), self.problem.muscles)

    def elastic_fibers(self) -> Fibers | None:
        """Fibres as on elastic tendons; None where all are rigid."""
        parameters, geometry = self.problem.parameters, self.problem.geometry
        if not in_equilibrium(self) or parameters is None or geometry.length is None:
            return None
        return equilibrium_fibers(parameters, geometry.length, np.asarray(geometry.lengthening_speed), self.activation)

    def reserve_share(self) -> dict[str, tuple[str, float]]:
        """By reserve: the coordinate it acts on most, and its peak there as a share of that coordinate's peak moment.

        Actuators on coordinates without muscles carry everything by design and are left out.
        """
        return Summary.of(self).reserve_share()

    def findings(self) -> list[str]:
        """Findings as sentences: failed frames, reserves beyond their share, muscles at their bounds, warnings."""
        return Summary.of(self).findings()

    def more_findings(self) -> list[Finding]:
        """Findings that only this kind of solution has."""
        return []

    @listed
    def to_dataframe(self, quantity: str = "activation") -> pd.DataFrame:
        """One quantity, by muscle, reserve or coordinate; the index is time in s.

        One of ``quantities`` (``muscle_force`` in N, ``reserve_force`` in N·m or N) or, of a problem from a model::

            {quantities}

        Names and signs are those of OpenSim's muscles: power is positive where it is delivered. Fibres are those of the
        solution's model: on rigid tendons they take up the rest of the length, with an active force of max_force ·
        activation / cos α (OpenSim's own where ``gain="corrected"``); on compliant ones they are in equilibrium, and
        NaN is the speed of a fibre whose tendon is slack, with all that depends on it. Failed frames are NaN, but for
        joint_power, muscle_tendon_length and muscle_tendon_velocity; muscle_work is NaN from the first of them on.

        Raises
        ------
        InputError
            An unknown name, or a quantity that needs what the problem does not have.

        Examples
        --------
        >>> import osimopt
        >>> from osimopt.datasets import arm26
        >>> problem = osimopt.load_problem(arm26().model, arm26().motion, time_range=(0.2, 0.4))
        >>> solution = osimopt.solve_static(problem)
        >>> solution.to_dataframe("fiber_length").loc[0.3].round(3).to_dict()
        {'TRIlong': 0.16, 'TRIlat': 0.09, 'TRImed': 0.085, 'BIClong': 0.131, 'BICshort': 0.13, 'BRA': 0.083}
        """
        return self.table(quantity).to_dataframe()

    def table(self, quantity: str) -> Table:
        """The same without pandas."""
        check_names("a quantity", [str(quantity)], (*self.quantities, *DERIVED))
        if self.device != "cpu":
            return self.to("cpu").table(quantity)
        values = getattr(self, quantity) if quantity in self.quantities else quantity_of(self, quantity)
        names = {"reserve_force": self.problem.reserves.names, "joint_power": self.problem.coordinates}
        return Table(values, self.time, names.get(quantity, self.problem.muscles))

    joint_reactions, reaction_table = reactions.joint_reactions, reactions.reaction_table

    def write(self, folder: str | os.PathLike[str], *, outputs: Outputs = (), overwrite: bool = False) -> Path:
        """Write the result folder (see :func:`osimopt.solution.folder.write_result`) and return its path."""
        write: Callable[..., Path] = import_module(".folder", __package__).write_result
        return write(self, folder, outputs=outputs, overwrite=overwrite)


def verified(solution: Solution, source: Source | None) -> Solution:
    """The solution, its forces put back on the model where that is available (``provenance["self_check"]``).

    ``source`` is that of the problem that was given.

    Raises
    ------
    ModelError
        The forces do not give the motion's accelerations in the model.
    """
    verify = getattr(source, "verify", None)
    found = {"not_checked": "no model is available"} if verify is None else verify(solution.to("cpu"))
    known = solution.provenance.get("self_check", {})
    return replace(solution, provenance={**solution.provenance, "self_check": {**known, "solution": found}})
