"""``osimopt fit-geometry``: polynomials for a model's muscle paths."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..adapters.model import parse_xml
from ..errors import InputError, explain
from .options import Model, PathsOf, Weld
from .terminal import print_table, progress, say, say_warning

if TYPE_CHECKING:
    import pandas as pd

#: Muscles in the table: those of the largest errors. All are in the file beside the paths.
LISTED = 20
#: Elements of a file of muscle paths.
PATH_SETS = {"Set_FunctionBasedPath_", "FunctionBasedPathSet"}


def fit_geometry(
    model: Model,
    out: Annotated[Path, typer.Option("--out", "-o", help="FunctionBasedPathSet (.xml) to write.")],
    motion: Annotated[list[Path] | None, typer.Option(help="Motion whose ranges ± 10° to fit; repeatable.")] = None,
    tolerance: Annotated[float, typer.Option(help="Required error of length and moment arm, mm.")] = 0.1,
    max_order: Annotated[int | None, typer.Option(help="Highest order; default 9, over 1 or 2 coordinates 12.")] = None,
    postures: Annotated[int, typer.Option(help="Postures to fit to; a quarter more are held out.")] = 2048,
    networks: Annotated[bool, typer.Option("--networks", help="Correct them by networks; --out is a folder.")] = False,
    weld: Weld = None,
    geometry: PathsOf = "exact",
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Processes that sample postures.")] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier file.")] = False,
) -> None:
    """Fit muscle paths by polynomials, as OpenSim's FunctionBasedPathSet: length and moment arms in microseconds."""
    how = {
        "tolerance": 1e-3 * tolerance,
        "postures": postures,
        "weld": tuple(weld or ()),
        "n_jobs": jobs,
        "geometry": geometry,
    }
    fit = _fit_networks if networks else partial(_fit_polynomials, max_order=max_order)
    fit(model, motion or [], out, overwrite, tolerance, how)


def _fit_polynomials(
    model: Path,
    motions: list[Path],
    out: Path,
    overwrite: bool,
    tolerance: float,
    how: dict[str, Any],
    max_order: int | None,
) -> None:
    from ..adapters.geometry_fit import fit_geometry as fit

    _check_out(out, [model, *motions], overwrite)
    with progress("Sampling postures") as moved:
        geometry = fit(model, motions, progress=moved, max_order=max_order, **how)
    geometry.write(out)
    table = geometry.to_dataframe().drop(index=[*geometry.left, *geometry.missed])
    _print_errors(table)
    _print_left(geometry.left)
    for muscle, flags in table["flags"].items():
        if flags:
            say_warning(f"{muscle}: {flags}")
    say(f"\n{_reached(table, '', tolerance)} of {len(table)} muscles within {tolerance:g} mm.")
    say(f"Written to {out}; ranges, errors and flags to {out.with_suffix('.fit.toml').name} beside it.")


def _fit_networks(
    model: Path, motions: list[Path], out: Path, overwrite: bool, tolerance: float, how: dict[str, Any]
) -> None:
    from ..files.folders import check_target
    from ..surrogate.folder import FILES
    from ..training.geometry_network import fit_geometry_network

    check_target(out, FILES, overwrite)
    with progress("Sampling and training") as moved:
        trained = fit_geometry_network(model, motions, progress=lambda _, done, total: moved(done, total), **how)
    folder = trained.surrogate.save(out, overwrite=overwrite)
    table = trained.to_dataframe()
    say(
        f"{_reached(table, '', tolerance)} of {len(table)} muscles within {tolerance:g} mm on postures held out, "
        f"{_reached(table, 'polynomial_', tolerance)} by polynomials alone; networks for "
        f"{int(table['network'].sum())}; {trained.seconds:.0f} s."
    )
    _print_left(trained.surrogate.left)
    say(f"Written to {folder}")


def _reached(table: pd.DataFrame, start: str, tolerance: float) -> int:
    """Number of muscles with both errors, of columns with this start, within the tolerance in mm."""
    worst = table[[f"{start}length_rms_mm", f"{start}moment_arm_rms_mm"]].max(axis=1)
    return int((worst <= tolerance).sum())


def _check_out(out: Path, inputs: list[Path], overwrite: bool) -> None:
    """Refuse to overwrite an input, or anything but the file of an earlier fit."""
    if any(path.exists() and out.exists() and out.samefile(path) for path in inputs):
        raise InputError(explain("a file to write", "one of the files to read", "Choose another --out.", out))
    if not out.absolute().parent.is_dir():
        raise InputError(explain("a file in an existing folder", "no such folder", "Make the folder.", out))
    if not out.exists():
        return
    if not overwrite:
        raise InputError(explain("a file that does not exist yet", "an existing file", "Give --overwrite.", out))
    if not out.is_file():
        raise InputError(explain("a file to overwrite", "a folder", "Choose another --out.", out))
    expected = "a FunctionBasedPathSet (.xml) to overwrite"
    inside = {child.tag for child in parse_xml(out, expected)}
    if not inside & PATH_SETS:
        got = " and ".join(f"<{tag}>" for tag in sorted(inside)) or "no elements"
        raise InputError(explain(expected, got, "Choose another --out.", out))


def _print_errors(table: pd.DataFrame) -> None:
    columns = ("length_rms_mm", "length_max_mm", "moment_arm_rms_mm", "moment_arm_max_mm")
    rows = [
        (muscle, len(row["coordinates"].split(", ")), row["order"], row["terms"],
         *(f"{row[name]:.3f}" for name in columns), f"{row['left_out_percent']:.2g}")
        for muscle, row in table.sort_values("moment_arm_rms_mm", ascending=False).iterrows()
    ]  # fmt: skip
    head = ("muscle", "over", "order", "terms", "length", "max", "arm", "max", "left out %")
    title = "Errors in mm on postures held out, rms and largest, the worst muscle first"
    print_table(title, head, rows, LISTED, " in the files")


def _print_left(left: Mapping[str, float]) -> None:
    """Muscles without a polynomial, with the mismatch (m) of OpenSim's length and moment arm."""
    if left:
        title = "Left to OpenSim's path: largest difference between -dl/dq of its length and its moment arm"
        rows = [(name, f"{1e3 * left[name]:.1f}") for name in sorted(left, key=lambda name: -left[name])]
        print_table(title, ("muscle", "mm"), rows)
