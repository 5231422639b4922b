"""What collocation prints: progress by iteration, objective, mesh and forward integration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from .terminal import messages

if TYPE_CHECKING:
    from ..dynamic.solution import DynamicSolution


@contextmanager
def iterations() -> Iterator[Callable[[int, float, float], None]]:
    """Give a callback (iteration, objective, violation) that moves a line on stderr, where that is a terminal.

    A round is a mesh, or the windows of a long motion before it; each begins with iteration 0.
    """
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as line:
        task = line.add_task("Solving (Ctrl-C stops)", total=None)
        rounds = 0

        def moved(iteration: int, objective: float, violation: float) -> None:
            nonlocal rounds
            rounds += iteration == 0
            at = f"iteration {iteration}, objective {objective:.6g}, equations missed by {violation:.1e}"
            line.update(task, description=f"Solving, round {rounds}: {at} (Ctrl-C stops)")

        yield moved


def objective_and_mesh(solution: Any) -> list[str]:
    """Lines about a dynamic solution; none about any other."""
    if not hasattr(solution, "mesh_edges"):
        return []
    return [_objective(solution), _mesh(solution), *_integrated(solution)]


def _integrated(solution: DynamicSolution) -> list[str]:
    """How far forward integration departs; where it failed, a finding says so."""
    check = solution.check
    if check is None or not (np.isfinite(check.activation_error).all() and np.isfinite(check.force_error).all()):
        return []
    return [
        f"Forward integration of the excitations: activations within {check.activation_error.max(initial=0.0):.2g}, "
        f"tendon forces within {100.0 * check.force_error.max(initial=0.0):.2g} % of their peaks."
    ]


def _objective(solution: DynamicSolution) -> str:
    terms = [f"{name.replace('_', ' ')} {value:.5g}" for name, value in solution.integrals.items()]
    return f"Objective {solution.total_objective:.6g}: {', '.join(terms)}."


def _mesh(solution: DynamicSolution) -> str:
    rounds, name = solution.provenance["rounds"], solution.provenance["mesh"]["transcription"]
    whole = [one for one in rounds if one["windows"] == 1]
    counts = " → ".join(str(one["intervals"]) for one in whole)
    last, steps = whole[-1], sum(one["iterations"] for one in rounds)
    ahead = [one for one in rounds if one["windows"] > 1]
    first = "".join(f", {one['iterations']} of them in {one['windows']} windows that went ahead" for one in ahead)
    parts = f"; {last['parts']} parts solved beside each other" if last["parts"] > 1 else ""
    return f"Mesh: {counts} intervals, {name}, {last['points']} points; {steps} iterations{first}{parts}."
