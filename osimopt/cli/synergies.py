"""``osimopt synergies``: how many muscle synergies a result has, and their vectors as a file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError, explain
from .terminal import print_table, say

Normalize = StrEnum("Normalize", ["none", "peak", "deviation"])
Quantity = StrEnum("Quantity", ["excitation", "activation"])


def synergies(
    results: Annotated[Path, typer.Argument(help="Result folder.", show_default=False)],
    number: Annotated[int, typer.Option("--number", "-n", help="Synergies of each leg that are written.")] = 4,
    most: Annotated[int, typer.Option(help="Largest number in the table.")] = 8,
    quantity: Annotated[
        Quantity | None, typer.Option(help="Default: excitations of a dynamic result, activations of others.")
    ] = None,
    normalize: Annotated[
        Normalize, typer.Option(help="What the activity of each muscle is divided by: its peak or standard deviation.")
    ] = Normalize.none,
    out: Annotated[Path, typer.Option("--out", "-o", help="File (.csv) of the vectors, for --synergies.")] = Path(
        "synergies.csv"
    ),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier file.")] = False,
) -> None:
    """Find muscle synergies of a result, for each leg: number against variance accounted for (VAF), and their vectors.

    osimopt solve --synergies takes the file.
    """
    from ..analysis.find_synergies import ENOUGH, find_synergies, synergy_fit
    from ..solution.reader import Result

    result, options = Result.read(results), {"quantity": quantity and quantity.value, "normalize": normalize.value}
    if out.exists() and not overwrite:
        raise InputError(explain("a new file for --out", "one that exists", "Choose another, or --overwrite.", out))
    if not out.absolute().parent.is_dir():
        raise InputError(explain("an existing folder", f"{out.parent}", "Create it first.", out))
    found = find_synergies(result, number, **options)  # type: ignore[arg-type]
    fit = synergy_fit(result, max(most, number), **options)  # type: ignore[arg-type]
    groups = list(found.vaf)
    known = {(str(key[0]), int(key[1])): row for key, row in fit.to_dict("index").items()}  # type: ignore[index]
    rows = [
        (count, *(f"{known[group, count]['vaf']:.3f}" if (group, count) in known else "" for group in groups))
        for count in sorted({count for _, count in known})
    ]
    print_table(f"Variance accounted for (VAF), {found.synergies.source}", ("synergies", *groups), rows)
    say("")
    for group, least in fit.attrs["enough"].items():
        one = known[group, number]
        needed = least or f"more than {max(most, number)}"
        say(
            f"{group}: {needed} account for more than {100 * ENOUGH:.0f} %; {number} for {100 * one['vaf']:.1f} %, "
            f"and for {100 * one['least_vaf']:.0f} % of {one['muscle']}, the least of all muscles"
        )
    say(f"\nWritten to {found.synergies.write(out).absolute()}")
