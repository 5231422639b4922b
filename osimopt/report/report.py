"""write_report: a page about one solution or several of one motion; write_validation: a folder about EMG and costs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..analysis.contact_comparison import ContactComparison
from ..emg.comparison import EmgComparison
from ..emg.strides import Strides
from ..errors import InputError, check_names, explain, some
from ..files.folders import new_folder, write_json
from ..solution.reader import Result
from ..solution.solution import RedundancySolution
from . import page
from .contact_page import contact_sections, reaction_sections
from .curves import Axis
from .metabolic import metabolic_sections
from .page import Section, check_new, write_page
from .ranking_page import ranking_sections
from .solution_figures import draw_groups, draw_moments

if TYPE_CHECKING:
    from ..analysis.contact_ranges import ContactRanges
    from ..analysis.cost_ranking import CostRanking

Comparison = TypeVar("Comparison", EmgComparison, ContactComparison)
Solutions = RedundancySolution | Result | str | os.PathLike[str]

#: Costs in the report of a validation: the best.
BEST = 3
#: Files of write_validation.
VALIDATION = (
    "emg.json", "ranking.csv", "offsets.csv", "agreement.csv", "by_stride.csv", "co_contraction.csv", "coverage.csv",
    "flags.csv", "report.html",
)  # fmt: skip
NOTE = "Parts of one muscle are summed, activations weighted by area; groups below 1 % of the largest are left out."


def write_report(
    solutions: Solutions | Sequence[Solutions] | Mapping[str, Solutions],
    path: str | os.PathLike[str],
    *,
    emg: EmgComparison | Mapping[str, EmgComparison] | None = None,
    contact: ContactComparison | Mapping[str, ContactComparison] | None = None,
    ranges: Mapping[str, ContactRanges] | None = None,
    strides: Strides | Sequence[tuple[float, float]] = (),
    title: str | None = None,
    sections: Sequence[Section] = (),
    overwrite: bool = False,
) -> Path:
    """Write an HTML page about solutions of one motion.

    The page shows checks first, then findings, agreement with EMG and with measured contact forces, muscle forces,
    activations, joint moments with the part of the reserves, contact forces of the joints whose reactions the solutions
    have, metabolic rates where muscles have parameters, and provenance. It is one file without scripts or external
    resources.

    Parameters
    ----------
    solutions
        One solution or several, of any method, or folders that ``solution.write`` wrote. A mapping gives them names.
    path
        The .html file to write.
    emg
        Result of :func:`osimopt.compare_emg`; with several, a mapping with the names of the solutions.
    contact
        Result of :func:`osimopt.compare_contact`; with several, a mapping with the names of the solutions.
    ranges
        Bands beside the measured contact force: by component as in ``contact`` (``{"axial": …}``), what
        :func:`osimopt.feasible_ranges` gives of that component of the joint.
    strides
        (first, last) of each stride in s, as of :func:`osimopt.find_strides`. Curves are then drawn as mean and
        standard deviation over the strides. Default: the strides of ``emg`` or
        ``contact``; without any, curves over time.
    title
        Title of the page. Default: the names of the motion and the model.
    sections
        Additional sections of the page, after those about EMG.
    overwrite
        Replace an existing file.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    InputError
        There is no solution, two have the same name, they have different muscles, the path is not that of a new .html
        file, or a folder holds a solution that failed and is sealed.
    SolverError
        A dynamic solution failed and is sealed.

    Examples
    --------
    >>> import osimopt
    >>> problem = osimopt.RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], 12.0)
    >>> solution = osimopt.solve_static(problem)
    >>> osimopt.write_report(solution, "report.html", title="Two flexors").name
    'report.html'
    """
    results = _named(solutions)
    compared, measured = _compared(emg, EmgComparison, results), _compared(contact, ContactComparison, results)
    if ranges and not measured:
        raise InputError(explain("ranges beside a measured contact force", "none", "Give contact= too."))
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(explain("a path that ends in .html", path.name, "Name it report.html, for instance.", path))
    check_new(path, overwrite)
    axis = _axis(strides, compared, measured, results)
    opening, verdict = _verdict(results, compared, measured)
    note = f"{NOTE} Over strides of the foot that they were found by, both sides alike." if axis.strides else NOTE
    content = [
        page.checks(results, compared), page.findings(results, compared, measured), *page.emg_sections(compared),
        *contact_sections(measured, ranges), *sections,
        *([page.compared_solutions(results)] if len(results) > 1 else []),
        Section("Muscle forces", note, figures=draw_groups(results, axis, "muscle_force")),
        Section("Activations", figures=draw_groups(results, axis, "activation")),
        Section("Joint moments and reserves", figures=[draw_moments(results, axis)]),
        *reaction_sections(results, axis), *metabolic_sections(results, axis),
        page.provenance(results),
    ]  # fmt: skip
    return write_page(path, title or _title(next(iter(results.values()))), opening, content, verdict)


def _named(solutions: Any) -> dict[str, Result]:
    """Results by name."""
    if isinstance(solutions, Mapping):
        results = {str(name): _result(one) for name, one in solutions.items()}
    else:
        single = isinstance(solutions, RedundancySolution | Result | str | os.PathLike) or hasattr(solutions, "unseal")
        given = [_result(one) for one in ([solutions] if single else solutions)]
        names = [one.name for one in given]
        if twice := {name for name in names if names.count(name) > 1}:
            fix = 'Give a mapping: {"p = 2": …, "p = 3": …}.'
            raise InputError(explain("solutions of different names", f"{some(sorted(twice))} twice", fix))
        results = dict(zip(names, given, strict=True))
    if not results:
        raise InputError(explain("a solution to report", "none", "Give at least one."))
    first = next(iter(results.values()))
    for name, one in results.items():
        if one.muscles != first.muscles or one.coordinates != first.coordinates:
            got = f"{name} with other muscles or coordinates than {next(iter(results))}"
            raise InputError(explain("solutions of one model", got, "Write one report for each model."))
    return results


def _result(solution: Any) -> Result:
    """The result of a solution or a folder; of a solution in memory with reactions in the axes of the child body."""
    if isinstance(solution, str | os.PathLike):
        return Result.read(solution)
    if isinstance(solution, RedundancySolution) and solution.problem.reactions is not None:
        known = replace(solution.problem.reactions, on="child", frame="child")
        solution = replace(solution, problem=replace(solution.problem, reactions=known))
    return Result.of(solution)


def _compared(given: Any, kind: type[Comparison], results: Mapping[str, Result]) -> dict[str, Comparison]:
    """Comparisons of one kind by name, in the order of the results."""
    compared = {next(iter(results)): given} if isinstance(given, kind) else dict(given or {})
    check_names("comparisons", compared, results)
    return {name: compared[name] for name in results if name in compared}


def _axis(
    strides: Any, compared: Mapping[str, EmgComparison], measured: Mapping[str, ContactComparison],
    results: Mapping[str, Result],
) -> Axis:  # fmt: skip
    given = strides.times if isinstance(strides, Strides) else tuple(strides)
    if not given and compared:
        curves = next(iter(compared.values())).curves
        given = tuple((float(curves.time[first]), float(curves.time[last])) for first, last in curves.strides)
    if not given and measured:
        given = next(iter(measured.values())).curves.spans
    return Axis(given).within(next(iter(results.values())).time)


def _title(result: Result) -> str:
    inputs = result.summary.get("inputs", {})
    motion = inputs.get("motion", {}).get("file") or result.name
    model = inputs.get("model", {}).get("file")
    return f"Muscle forces: {motion}" + (f", {model}" if model else "")


def _verdict(
    results: Mapping[str, Result], compared: Mapping[str, EmgComparison], measured: Mapping[str, ContactComparison]
) -> tuple[list[str], str]:
    """Paragraphs for the top of the page, and whether they are "good" or "bad"."""
    first = next(iter(results.values()))
    many = len(results) > 1
    failed: dict[str, list[str]] = {}
    for name, checks in page.all_checks(results, compared).items():
        for check in (check for check in checks if check.passes is False):
            failed.setdefault(check.name if many else f"{check.name} {check.found}", []).append(name)
    lines = [what + (f" ({', '.join(who)})" if len(who) < len(results) else "") for what, who in failed.items()]
    count = "1 check fails" if len(lines) == 1 else f"{len(lines)} checks fail"
    head = f"{count}: {some(lines, 4)}." if lines else "Every check passes."
    solved = " ".join(
        f"{name if many else 'The solution'}: {int(one.solved.sum())} of {len(one.time)} frames solved, "
        f"cost {one.formula}, moments missed by {_residual(one)} at most."
        for name, one in results.items()
    )
    opening = [head, f"{len(first.muscles)} muscles, {first.time[0]:g} to {first.time[-1]:g} s. {solved}"]
    for name, agreement in compared.items():
        r, flagged = agreement.table["r"], {flag.channel for flag in agreement.flags}
        who = f"{name}: a" if len(compared) > 1 else "A"
        opening.append(
            f"{who}greement with EMG: median r {r.median():.2f} over {len(r)} channels "
            f"({r.min():.2f} to {r.max():.2f}); {len(flagged)} of them are flagged."
        )
    for name, contact in measured.items():
        of = f"{name}: m" if len(measured) > 1 else "M"
        opening.append(f"{of}easured contact force of {contact.joint}: {'; '.join(contact.agreement())}.")
    return opening, "bad" if failed else "good"


def _residual(result: Result) -> str:
    most = result.summary.get("moment_residual_max")
    return "–" if most is None else f"{float(most):.1g} N·m"


def write_validation(ranking: CostRanking, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write tables (.csv) about the agreement of every cost with EMG, ``report.html`` of the best three, ``emg.json``.

    The tables are ``ranking``, ``offsets``, ``agreement``, ``by_stride``, ``co_contraction``, ``coverage`` and
    ``flags``, with the cost in the first column. The folder appears whole or not at all; it is returned.

    Raises
    ------
    InputError
        The folder exists and ``overwrite`` is False, or it holds other files.
    """
    import pandas as pd

    with new_folder(folder, VALIDATION, overwrite=overwrite) as temporary:
        compared = ranking.comparisons
        ranking.table.to_csv(temporary / "ranking.csv")
        ranking.by_offset.to_csv(temporary / "offsets.csv")
        for name, table in (("agreement", "table"), ("by_stride", "by_stride"), ("co_contraction", "co_contraction")):
            tables: dict[str, pd.DataFrame] = {cost: getattr(one, table) for cost, one in compared.items()}
            pd.concat(tables, names=["cost"]).to_csv(temporary / f"{name}.csv")
        next(iter(compared.values())).coverage.to_csv(temporary / "coverage.csv", index=False)
        rows = [(cost, flag.channel, flag.kind, flag.text) for cost, one in compared.items() for flag in one.flags]
        pd.DataFrame(rows, columns=["cost", "channel", "kind", "text"]).to_csv(temporary / "flags.csv", index=False)
        best = [name for name in ranking.table.index if name in compared][:BEST]
        write_report(
            {name: ranking.solutions[name] for name in best}, temporary / "report.html",
            emg={name: compared[name] for name in best}, sections=ranking_sections(ranking),
        )  # fmt: skip
        summaries = {name: one.summary() for name, one in compared.items()}
        write_json({"notes": list(ranking.notes), **summaries}, temporary / "emg.json")
    return Path(folder).absolute()
