"""Paths of a model whose bodies have other sizes, as OpenSim's ``Model.scale`` does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..multibody.description import Multibody
from ..multibody.scaling import along, checked, shifted
from ..namespace import alike, namespace
from .arrangement import Arrangement
from .contact import Array


def scale_paths(multibody: Multibody, arrangement: Arrangement, factors: Array) -> Arrangement:
    """The paths on bodies scaled by ``factors`` (B, 3), which ``multibody.scaling.scale_bodies`` scales.

    Points, and functions of points that move, are multiplied along each axis of their body; objects are moved, and
    their radii and lengths multiplied by how much longer their axes become, the radii of cylinders and tori by the
    mean of x and y, those of spheres by the mean of the factors. Places in frames that are turned in their body are
    scaled along the axes of the body, not, as in OpenSim, along those of the frame. Raises as ``scale_bodies``.
    """
    factors = checked(multibody, factors)
    xp, objects = namespace(factors), len(arrangement.frame)
    on, kind = np.zeros(objects, dtype=np.intp), np.full(objects, "ellipsoid")
    for bundle in arrangement.bundles:
        on[bundle.objects] = bundle.object_body
        kind[bundle.objects] = np.array(bundle.kinds, dtype=kind.dtype)
    frame, own = alike(arrangement.frame, factors), factors[on]
    growth = along(own[:, None], xp.moveaxis(frame[:, :3, :3], 1, 2))  # (O, 3) of the axes x, y, z
    across = 0.5 * (growth[:, 0] + growth[:, 1])
    by_kind = {
        "cylinder": xp.stack([across, growth[:, 2], across], axis=1),
        "torus": xp.stack([across] * 3, axis=1),
        "sphere": xp.stack([xp.sum(own, axis=1) / 3.0] * 3, axis=1),
    }
    for name, grown in by_kind.items():
        growth = xp.where(alike(kind == name, factors)[:, None], grown, growth)
    stretch = factors[arrangement.body]
    return replace(
        arrangement,
        place=alike(arrangement.place, factors) * stretch,
        stretch=alike(arrangement.stretch, factors) * stretch,
        frame=shifted(frame, own),
        size=alike(arrangement.size, factors) * growth,
    )
