"""``osimopt fit-geometry``: polynomials for a model's muscle paths."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..adapters.xml import parse_xml
from ..errors import InputError, explain
from .options import Model, Weld
from .terminal import print_table, progress, say, say_warning

if TYPE_CHECKING:
    import pandas as pd

#: Muscles in the table: those furthest off. All are in the file beside the paths.
LISTED = 20
#: What OpenSim calls a set of paths in a file of its own.
PATH_SETS = {"Set_FunctionBasedPath_", "FunctionBasedPathSet"}


def fit_geometry(
    model: Model,
    out: Annotated[Path, typer.Option("--out", "-o", help="FunctionBasedPathSet (.xml) to write.")],
    motion: Annotated[
        list[Path] | None, typer.Option(help="Motion whose ranges to fit, 10° around them; may be repeated.")
    ] = None,
    tolerance: Annotated[float, typer.Option(help="Error in mm that length and moment arm shall have.")] = 0.1,
    max_order: Annotated[int, typer.Option(help="Highest order of the polynomials.")] = 9,
    postures: Annotated[int, typer.Option(help="Postures to fit to; a quarter more are held out.")] = 2048,
    networks: Annotated[
        bool,
        typer.Option("--networks", help="Networks for what polynomials leave; --out is a folder, for --geometry."),
    ] = False,
    weld: Weld = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Processes that sample postures.")] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier file.")] = False,
) -> None:
    """Fit muscle paths by polynomials, as OpenSim's FunctionBasedPathSet: length and moment arms in microseconds."""
    from ..adapters.geometry_fit import fit_geometry as fit

    if networks:
        _fit_networks(out, overwrite, model, motion or [], tolerance, postures, tuple(weld or ()), jobs)
        return
    _check_out(out, [model, *(motion or ())], overwrite)
    with progress("Sampling postures") as moved:
        geometry = fit(
            model,
            motion or (),
            tolerance=1e-3 * tolerance,
            max_order=max_order,
            postures=postures,
            weld=tuple(weld or ()),
            n_jobs=jobs,
            progress=moved,
        )
    geometry.write(out)
    table = geometry.to_dataframe().drop(index=list(geometry.left))
    _print(table)
    _print_left(geometry.left)
    for muscle, flags in table["flags"].items():
        if flags:
            say_warning(f"{muscle}: {flags}")
    reached = table[["length_rms_mm", "moment_arm_rms_mm"]].max(axis=1) <= tolerance
    say(f"\n{int(reached.sum())} of {len(table)} muscles within {tolerance:g} mm.")
    say(f"Written to {out}; ranges, errors and flags to {out.with_suffix('.fit.toml').name} beside it.")


def _fit_networks(
    out: Path, overwrite: bool, model: Path, motions: list[Path], tolerance: float, postures: int,
    weld: tuple[str, ...], jobs: int,
) -> None:  # fmt: skip
    from ..solution.folder import check_target
    from ..training.geometry_network import fit_geometry_network

    check_target(out.absolute(), overwrite)
    with progress("Sampling and training") as moved:
        trained = fit_geometry_network(
            model, motions, tolerance=1e-3 * tolerance, postures=postures, weld=weld, n_jobs=jobs,
            progress=lambda _, done, total: moved(done, total),
        )  # fmt: skip
    folder = trained.surrogate.save(out, overwrite=overwrite)
    table = trained.to_dataframe()
    reached, alone = (
        table[[f"{start}length_rms_mm", f"{start}moment_arm_rms_mm"]].max(axis=1) <= tolerance
        for start in ("", "polynomial_")
    )
    say(
        f"{int(reached.sum())} of {len(table)} muscles within {tolerance:g} mm on postures held out, "
        f"{int(alone.sum())} by polynomials alone; networks for {int(table['network'].sum())}; {trained.seconds:.0f} s."
    )
    _print_left(trained.surrogate.left)
    say(f"Written to {folder}")


def _check_out(out: Path, inputs: list[Path], overwrite: bool) -> None:
    """Refuse to write over an input, or over anything that is not such a file of an earlier fit."""
    if any(path.exists() and out.exists() and out.samefile(path) for path in inputs):
        raise InputError(explain("a file to write", "one of the files to read", "Choose another --out.", out))
    if not out.absolute().parent.is_dir():
        raise InputError(explain("a file in an existing folder", "none", "Make the folder.", out))
    if not out.exists():
        return
    if not overwrite:
        raise InputError(explain("a file that does not exist yet", "one that does", "Give --overwrite.", out))
    if not out.is_file():
        raise InputError(explain("a file to overwrite", "a folder", "Choose another --out.", out))
    try:
        inside = {child.tag for child in parse_xml(out, "a FunctionBasedPathSet (.xml) to overwrite")}
    except InputError as error:
        raise InputError(f"{error} It was not overwritten.") from None
    if not inside & PATH_SETS:
        fix = "Choose another --out: this is something else."
        got = " and ".join(f"<{tag}>" for tag in sorted(inside)) or "no elements"
        raise InputError(explain("a FunctionBasedPathSet (.xml) to overwrite", got, fix, out))


def _print(table: pd.DataFrame) -> None:
    order = table["moment_arm_rms_mm"].sort_values(ascending=False).index[:LISTED]
    rows = []
    for muscle in order:
        row = table.loc[muscle]
        errors = [f"{row[name]:.3f}" for name in ERRORS]
        over = len(row["coordinates"].split(", "))
        rows.append((muscle, over, row["order"], row["terms"], *errors, f"{row['left_out_percent']:.2g}"))
    left = len(table) - len(order)
    title = "Errors in mm on postures held out, rms and largest" + (
        f" (the {LISTED} worst; {left} more in the files)" if left else ""
    )
    head = ("muscle", "over", "order", "terms", "length", "max", "arm", "max", "left out %")
    print_table(title, head, rows)


def _print_left(left: Mapping[str, float]) -> None:
    """Muscles without a polynomial, by the mismatch in m."""
    if left:
        title = "Left to OpenSim's path: -dl/dq of its length is off its moment arm by up to so many mm"
        rows = [(name, f"{1e3 * left[name]:.1f}") for name in sorted(left, key=lambda name: -left[name])]
        print_table(title, ("muscle", "mm"), rows)


ERRORS = ("length_rms_mm", "length_max_mm", "moment_arm_rms_mm", "moment_arm_max_mm")
