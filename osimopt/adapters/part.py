"""Coordinates and muscles of a model that belong to a part of the body (coordinates=, muscles=)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..errors import InputError, explain, some
from ..problem.names import check_wanted, match_names, side_of
from ..problem.problem import RedundancyProblem
from .loads import loaded_bodies
from .messages import Mask, Pairs
from .model import Model
from .options import ReadOptions


def left_out(options: ReadOptions, model: Model) -> Sequence[str]:
    """Free coordinates that ``coordinates`` leaves out; all of them where only ``muscles`` is given.

    Raises
    ------
    InputError
        Names, patterns or sides that the model does not have.
    """
    free = _free(model)
    if options.muscles is not None:
        match_names("muscles", options.muscles, model.description.muscles.names, model.path)
    if options.coordinates is None:
        return () if options.muscles is None else free
    given = check_wanted("coordinates", options.coordinates)
    for coordinate in model.description.coordinates:
        if coordinate.name in given and coordinate.kind != "free":
            coupled = "Give the coordinate that it depends on."
            fix = coupled if coordinate.kind == "coupled" else "Set its locked and prescribed to false in the model."
            got = f"'{coordinate.name}', which is {coordinate.kind}"
            raise InputError(explain("free coordinates", got, fix, model.path))
    kept = set(match_names("coordinates", options.coordinates, free, model.path).tolist())
    left = [name for index, name in enumerate(free) if index not in kept]
    if isinstance(options.reserves, Mapping) and (wrong := [name for name in options.reserves if name in left]):
        fix = "Leave them out of reserves, or name these coordinates too."
        raise InputError(explain("reserves on coordinates that are balanced", some(wrong), fix, model.path))
    return left


def unloaded_side(model: Model, options: ReadOptions) -> list[str]:
    """Warning if the part belongs to one side of the body and external loads act only on the other side.

    Where the free base is not balanced, no residual shows that loads are missing.
    """
    wanted, known = options.muscles, model.description.muscles.names
    if options.coordinates is not None:
        wanted, known = options.coordinates, _free(model)
    if wanted is None or options.external_loads is None:
        return []
    sides = {side_of(known[index]) for index in match_names("names", wanted, known)}
    bodies = loaded_bodies(options.external_loads)
    loaded = {side_of(body) for body in bodies}
    if len(sides) != 1 or None in sides or sides & loaded or loaded <= {None}:
        return []
    on = some(bodies, 12)
    return [f"No external load acts on the {sides.pop()} side, which is balanced; external loads act on {on}."]


def acting_muscles(options: ReadOptions, model: Model, pairs: Pairs, always: Collection[str] = ()) -> list[int]:
    """Indices of the muscles in ``muscles`` that cross a coordinate in ``coordinates``; all muscles if there is none.

    Muscles in ``always`` are kept: the coordinates that they cross are not known yet.
    """
    names = model.description.muscles.names
    kept = np.ones(len(names), dtype=bool)
    if options.muscles is not None:
        kept = np.isin(np.arange(len(names)), match_names("muscles", options.muscles, names))
    if options.coordinates is not None:
        rows = match_names("coordinates", options.coordinates, _free(model))
        crossing = pairs.muscle[pairs.crossing & np.isin(pairs.coordinate, rows)]
        kept &= np.isin(np.arange(len(names)), crossing) | np.isin(names, list(always))
    return (np.flatnonzero(kept) if kept.any() else np.arange(len(names))).tolist()


def part_of(whole: RedundancyProblem, options: ReadOptions, assumed: Mapping[str, Mask]) -> RedundancyProblem:
    """The part of the body that the options name.

    ``assumed`` says by coordinate without a column in the motion which muscles (M,) cross it.

    Raises
    ------
    InputError
        Acting muscles cross one of these.
    """
    part = whole.part(options.coordinates, options.muscles, left_out=options.left_out)
    for coordinate, crossed in assumed.items():
        if muscles := [name for name in np.array(whole.muscles)[crossed] if name in part.muscles]:
            got = f"none for '{coordinate}', which {some(muscles)} cross"
            fix = "Add the column, or leave out these muscles too (muscles=)."
            expected = "a column for every coordinate that the acting muscles cross"
            raise InputError(explain(expected, got, fix, options.motion))
    if part is whole:
        return whole
    actuators = zip(part.reserves.names, part.reserves.origin, part.reserves.optimal_force.tolist(), strict=True)
    added = {name: force for name, origin, force in actuators if origin != "model"}
    return replace(part, provenance={**part.provenance, "reserves_added": added})


def _free(model: Model) -> tuple[str, ...]:
    """Names of the free coordinates."""
    return tuple(model.description.coordinates[index].name for index in model.description.free)
