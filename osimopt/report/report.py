"""write_report: one page about one solution, or several of one motion. What a reader must know first, first."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..emg.comparison import EmgComparison
from ..emg.strides import Strides
from ..errors import InputError, explain, some
from ..solution.reader import Result
from ..solution.solution import RedundancySolution
from . import sections as parts
from . import solution_figures as figures
from .ensemble import Axis
from .page import Section, write_page

Solutions = RedundancySolution | Result | str | os.PathLike[str]


def write_report(
    solutions: Solutions | Sequence[Solutions] | Mapping[str, Solutions],
    path: str | os.PathLike[str],
    *,
    emg: EmgComparison | Mapping[str, EmgComparison] | None = None,
    strides: Strides | Sequence[tuple[float, float]] = (),
    title: str | None = None,
    sections: Sequence[Section] = (),
    overwrite: bool = False,
) -> Path:
    """Write a page about solutions of one motion: verdict, EMG, forces, activations, moments, reserves, provenance.

    Parameters
    ----------
    solutions
        One or several of any method, or folders that ``solution.write`` wrote; by name, where a mapping is given.
    path
        The .html file. It needs nothing else and asks nothing of a network.
    emg
        Of :func:`osimopt.compare_emg`; several by the solutions' names.
    strides
        (first, last) s, as of :func:`osimopt.find_strides`: curves are drawn over them, as mean and standard deviation.
        By default those of ``emg``; with none, over time.
    title
        Of the page; default the motion's file.
    sections
        More of them, after EMG.

    Raises
    ------
    InputError
        No solution, two of one name, solutions of different muscles, a path that is taken, or a sealed folder.
    SolverError
        A sealed solution.
    """
    results = _named(solutions)
    compared = _compared(emg, results)
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(explain("a path that ends in .html", path.name, "Name it report.html, for instance.", path))
    if path.exists() and not overwrite:
        fix = "Choose another name, or say overwrite=True (--overwrite)."
        raise InputError(explain("a new file for the report", "one that is there", fix, path))
    axis = _axis(strides, compared, results)
    opening, verdict = _verdict(results, compared)
    first = next(iter(results.values()))
    told = [
        parts.checks(results, compared), parts.findings(results, compared), *parts.emg(compared), *sections,
        *([parts.beside(results)] if len(results) > 1 else []),
        Section("Muscle forces", _of_parts(axis), figures=figures.forces(results, axis)),
        Section("Activations", figures=figures.activations(results, axis)),
        Section("Joint moments and reserves", figures=[figures.moments(results, axis)]),
        parts.provenance(results),
    ]  # fmt: skip
    return write_page(path, title or _title(first), opening, told, verdict)


def _named(solutions: Any) -> dict[str, Result]:
    """Results by name."""
    if isinstance(solutions, Mapping):
        results = {str(name): _result(one) for name, one in solutions.items()}
    else:
        single = isinstance(solutions, RedundancySolution | Result | str | os.PathLike)
        given = [_result(one) for one in ([solutions] if single or hasattr(solutions, "unseal") else solutions)]
        names = [one.name for one in given]
        if twice := {name for name in names if names.count(name) > 1}:
            fix = 'Give a mapping: {"p = 2": …, "p = 3": …}.'
            raise InputError(explain("solutions of different names", f"{some(sorted(twice))} twice", fix))
        results = dict(zip(names, given, strict=True))
    if not results:
        raise InputError(explain("a solution to report", "none", "Give one."))
    first = next(iter(results.values()))
    for name, one in results.items():
        if one.muscles != first.muscles or one.coordinates != first.coordinates:
            fix = "Write one report for each model."
            raise InputError(explain("solutions of one model", f"other muscles or coordinates in {name}", fix))
    return results


def _result(one: Any) -> Result:
    return Result.read(one) if isinstance(one, str | os.PathLike) else Result.of(one)


def _compared(emg: Any, results: Mapping[str, Result]) -> dict[str, EmgComparison]:
    if emg is None:
        return {}
    compared = {next(iter(results)): emg} if isinstance(emg, EmgComparison) else dict(emg)
    if unknown := [name for name in compared if name not in results]:
        fix = "Name comparisons as the solutions are named."
        raise InputError(explain(f"comparisons of {some(results)}", some(unknown), fix))
    return {name: compared[name] for name in results if name in compared}


def _axis(strides: Any, compared: Mapping[str, EmgComparison], results: Mapping[str, Result]) -> Axis:
    given = strides.times if isinstance(strides, Strides) else tuple(strides)
    if not given and compared:
        curves = next(iter(compared.values())).curves
        given = tuple((float(curves.time[first]), float(curves.time[last])) for first, last in curves.strides)
    return Axis(given).within(next(iter(results.values())).time)


def _title(result: Result) -> str:
    inputs = result.summary.get("inputs", {})
    motion = inputs.get("motion", {}).get("file") or result.name
    model = inputs.get("model", {}).get("file")
    return f"Muscle forces: {motion}" + (f", {model}" if model else "")


def _verdict(results: Mapping[str, Result], compared: Mapping[str, EmgComparison]) -> tuple[list[str], str]:
    """Sentences for the top of the page, and whether they are good or bad news."""
    first = next(iter(results.values()))
    many = len(results) > 1
    failed: dict[str, list[str]] = {}
    for name, passed in parts.all_checks(results, compared).items():
        for check in passed:
            if check.passes is False:
                failed.setdefault(check.name if many else f"{check.name} {check.found}", []).append(name)
    told = [what + (f" ({', '.join(who)})" if len(who) < len(results) else "") for what, who in failed.items()]
    count = "1 check fails" if len(told) == 1 else f"{len(told)} checks fail"
    head = f"{count}: {some(told, 4)}." if told else "Every check passes."
    solved = " ".join(
        f"{name if many else 'The solution'}: {int(one.solved.sum())} of {len(one.time)} frames solved, "
        f"cost {one.formula}, moments missed by {_residual(one)} at most."
        for name, one in results.items()
    )
    what = f"{len(first.muscles)} muscles, {first.time[0]:g} to {first.time[-1]:g} s."
    said = [head, f"{what} {solved}"]
    for name, own in compared.items():
        r, channels = own.table["r"], len(own.table)
        who = f"{name}: a" if len(compared) > 1 else "A"
        said.append(
            f"{who}greement with EMG: median r {r.median():.2f} over {channels} channels "
            f"({r.min():.2f} to {r.max():.2f}); {len({flag.channel for flag in own.flags})} of them are flagged."
        )
    return said, "bad" if failed else "good"


def _residual(result: Result) -> str:
    most = result.summary.get("moment_residual_max")
    return "–" if most is None else f"{float(most):.1g} N·m"


def _of_parts(axis: Axis) -> str:
    parts = (
        "Parts of one muscle are summed, activations weighted by area; groups below 1 % of the largest are left out."
    )
    return parts if not axis.strides else f"{parts} Over strides of the foot that they were found by, both sides alike."
