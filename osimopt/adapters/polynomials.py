"""Muscle paths given as polynomials or networks, in place of the model's own."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from ..errors import InputError, explain, some
from ..files.given import Origin
from ..notices import warn
from ..polynomial.geometry import PolynomialGeometry
from ..polynomial.muscle_paths import MusclePaths, flag_code
from ..problem.arrays import Array, Kinematics
from ..problem.path_record import PATHS, UNRECORDED
from .arrays import along_motion
from .exact import ExactPaths, described_paths, read_exact
from .geometry_fit import TOLERANCE, fit_samples, leave_missed
from .model import Model
from .path_sampling import sample_paths, warn_of_left

#: m; largest error of a fitted moment arm without a warning: more is a fit to wrong lengths, or of another model.
FITTED = 2e-3
#: m; the same of a fitted length: where a path has snapped it differs by more.
LENGTH = 5e-4
#: Frames of a motion in which fitted paths are compared with exact ones.
COMPARED = 64


def read_polynomials(
    geometry: str | os.PathLike[str] | MusclePaths,
    model: Model,
    motion: Origin,
    n_jobs: int,
    frames: Kinematics | None = None,
) -> tuple[MusclePaths | None, ExactPaths | None]:
    """Paths of those of the model's muscles that have one in the geometry, or None for ``"opensim"``.

    ``"polynomial"`` fits exact paths now, in the range of this motion, or of its ``frames`` where others cannot be
    used; a file is OpenSim's FunctionBasedPathSet. Warnings name muscles without a path, and the worst of those whose
    fit missed its tolerance. The model's exact paths are returned too where the geometry was fitted to such: muscles
    without a path in it use these.

    Raises
    ------
    InputError
        Not a geometry, or one without any muscle of the model.
    """
    if isinstance(geometry, str) and geometry == "opensim":
        return None, None
    if isinstance(geometry, str) and geometry == "polynomial":
        own = read_exact(model)
        try:
            sampled = sample_paths(model, [motion], n_jobs=n_jobs, exact=own)
        except InputError:
            if frames is None:
                raise
            sampled = sample_paths(model, [frames], n_jobs=n_jobs, exact=own)
        geometry = leave_missed(model, fit_samples(model, *sampled, n_jobs=n_jobs, exact=own), TOLERANCE)
    elif isinstance(geometry, (str, os.PathLike)):
        geometry = PolynomialGeometry.read(geometry)
    elif not isinstance(geometry, MusclePaths):
        expected = "geometry as 'exact', 'opensim', 'polynomial', a path or a PolynomialGeometry"
        raise InputError(explain(expected, repr(geometry), "Use one of these."))
    names = model.description.muscles.names
    known = [name for name in names if name in geometry.muscles]
    if not known:
        fix = "Fit the geometry of this model: osimopt fit-geometry."
        raise InputError(explain("paths of the model's muscles", f"none for {some(names)}", fix))
    kinds = getattr(geometry, "record", UNRECORDED).geometry
    exact = described_paths(model) if "exact" in map(kinds.get, known) else None
    missing = [name for name in names if name not in known]
    if exact is not None and (others := [name for name in missing if name in exact.muscles]):
        warn(f"Without a fitted path, and computed along their exact ones: {some(others, 12)}.")
        missing = [name for name in missing if name not in others]
    if left := {name: geometry.left[name] for name in missing if name in geometry.left}:
        warn_of_left(left)
    if others := [name for name in missing if name not in left]:
        warn(f"No path is given for {some(others, 12)}: OpenSim's own is used.")
    chosen = geometry.select(known)
    _warn_of_misses(chosen)
    return chosen, exact


def fitted_to(paths: MusclePaths | None) -> list[str]:
    """Sentences on fitted paths that are not of exact ones, as this version of osimopt computes them."""
    record = getattr(paths, "record", None)
    if paths is None or record is None:
        return []
    by_opensim = [name for name in paths.muscles if record.geometry.get(name, "opensim") == "opensim"]
    texts = []
    if by_opensim:
        said = "" if record.known else " (nothing else is recorded of them)"
        texts.append(
            f"Fitted to OpenSim's paths{said}: {some(by_opensim, 12)}. Lengths of OpenSim over two wrap objects are "
            "too short, by up to millimetres; osimopt fit-geometry fits exact paths."
        )
    if not record.current and len(by_opensim) < len(paths.muscles):
        texts.append(
            f"Fitted to exact paths of version {record.version}, those of this osimopt have version {PATHS}: fit them "
            "anew (osimopt fit-geometry)."
        )
    return texts


def _warn_of_misses(paths: MusclePaths) -> None:
    missed = {name: fit for name, fit in paths.fits.items() if "missed" in map(flag_code, fit.flags)}
    if missed:
        worst = max(missed, key=lambda name: max(missed[name].length_rms, missed[name].moment_arm_rms))
        length, arm = (1e3 * error for error in (missed[worst].length_rms, missed[worst].moment_arm_rms))
        warn(
            f"The fitted paths of {len(missed)} of {len(paths.muscles)} muscles missed the tolerance they "
            f"were fitted to; the worst, {worst}, is off by {length:.2g} mm in length and {arm:.2g} mm in moment arm "
            "(root mean square)."
        )


def warn_of_range(paths: MusclePaths, motion: Kinematics, path: object) -> None:
    """Name the muscles that are evaluated outside the range their polynomials were fitted in."""
    if outside := paths.outside(motion.coordinates, motion.value):
        worst = some([f"{name} ({outside[name]})" for name in sorted(outside, key=lambda name: -outside[name])])
        warn(f"{path}: outside the fitted range of the muscle paths (frames of {len(motion.time)}): {worst}.")


def compare_exact(paths: MusclePaths, exact: ExactPaths, model: Model, motion: Kinematics) -> list[str]:
    """Warnings of muscles whose fitted paths are not the exact ones, in up to 64 frames of a motion."""
    frames = motion.frames(np.unique(np.linspace(0, len(motion.time) - 1, COMPARED).round().astype(np.intp)))
    names = [name for name in paths.muscles if name in exact.muscles]
    if not names:
        return []
    ours, theirs = (along_motion(one.select(names), model, frames) for one in (paths, exact))
    length = np.fmax.reduce(np.abs(np.asarray(ours.length) - np.asarray(theirs.length)), axis=0)
    arm = np.fmax.reduce(np.abs(ours.moment_arm - theirs.moment_arm), axis=(0, 1))
    worst = np.argsort(-np.fmax(length / LENGTH, arm / FITTED))
    off = [
        f"{names[i]} ({1e3 * length[i]:.1f} mm, {1e3 * arm[i]:.1f} mm)"
        for i in worst
        if length[i] > LENGTH or arm[i] > FITTED
    ]
    if not off:
        return []
    return [
        f"Paths given differ from the model's exact ones by more than {1e3 * LENGTH:g} mm in length or "
        f"{1e3 * FITTED:g} mm in moment arm in this motion: {some(off, 12)}. Fit them anew for this model and motion "
        "(osimopt fit-geometry)."
    ]


def pulled_along(paths: MusclePaths, exact: ExactPaths | None, model: Model, motion: Kinematics) -> str:
    """Say along which paths muscles with fitted ones pull on bodies, and by how much the moment arms differ."""
    frames = motion.frames(np.unique(np.linspace(0, len(motion.time) - 1, COMPARED).round().astype(np.intp)))
    own = [name for name in paths.muscles if exact is not None and name in exact.muscles]
    others, every = [name for name in paths.muscles if name not in own], model.description.muscles.names
    arms = along_motion(paths, model, frames)
    ours, columns = arms.moment_arm, [arms.muscles.index(name) for name in (*own, *others)]
    theirs = [along_motion(exact.select(own), model, frames).moment_arm] if exact is not None and own else []
    if others:
        numbers = [every.index(name) for name in others]
        theirs.append(model.run("geometry:arms_in", frames.value, numbers)[:, :, numbers])
    off = np.abs(ours[:, :, columns] - np.concatenate(theirs, axis=2)).max(axis=(0, 1))
    worst = int(off.argmax())
    kinds = [f"{count} of {kind}" for count, kind in ((len(own), "exact"), (len(others), "OpenSim's")) if count]
    return (
        f"Fitted muscle paths have no points on bodies: for joint reactions muscles pull along the paths that these "
        f"stand for ({', '.join(kinds)} ones), whose moment arms differ by up to {1e3 * off[worst]:.2g} mm "
        f"({[*own, *others][worst]})."
    )


def compare_paths(model: Model, motion: Kinematics, moment_arm: Array, muscles: Sequence[int]) -> list[str]:
    """Warnings of muscles whose given moment arms (T, D, M) are not those of the model's own paths."""
    off = np.abs(moment_arm - model.run("geometry:arms_in", motion.value, muscles))[:, :, muscles].max(
        axis=(0, 1), initial=0.0
    )
    names = [model.description.muscles.names[index] for index in muscles]
    worst = [f"{names[i]} ({1e3 * off[i]:.1f} mm)" for i in np.argsort(-off) if off[i] > FITTED]
    if not worst:
        return []
    return [
        f"Moment arms of the paths given differ from those of the model's own by more than {1e3 * FITTED:g} mm in "
        f"three frames of this motion: {some(worst, 12)}. Fit them anew for this model (osimopt fit-geometry)."
    ]
