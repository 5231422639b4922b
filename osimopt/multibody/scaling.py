"""A model's bodies in other sizes, each by a factor along each of its axes, as OpenSim's ``Model.scale`` does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import InputError, explain
from ..namespace import alike, namespace, plain
from ..problem.arrays import Index
from .description import ForceLaw, Multibody, Tree
from .vectors import Tensor


def scale_bodies(multibody: Multibody, factors: Tensor) -> Multibody:
    """The model with its bodies scaled by ``factors`` (B, 3), one along each axis of each body; ground is body 0.

    Frames of joints, constraints and forces are scaled with the body that they are fixed on, translations in joints
    with OpenSim's parent body, unless they are coordinates themselves. With tensors the result has gradients, and takes
    coordinates that are tensors. Masses stay, as with OpenSim's ``preserve_mass_distribution``.

    OpenSim 4.6 differs in this:

    - It takes a body that is scaled unevenly for a cylinder; here its mass is where the scaled body has it.
    - It scales places in a frame that is turned in its body along the axes of the frame; here along those of the body.
    - It multiplies a translation along an axis a, as it stands in the file, by Σ|aᵢ|sᵢ, which oblique axes lengthen
      even with factors of 1; here by √(Σaᵢ²sᵢ²) of the unit axis. It also scales the identity within a
      MultiplierFunction.
    - It leaves places of point, distance and line constraints as they are, so that scaled loops may not close.
    - It leaves the winging axis of a ScapulothoracicJoint where the parent body has no factors.
    - It refuses uneven factors for coupled translations.

    Lengths that are not on a body stay: of rods, of springs and ligaments at rest, of fibres and tendons. OpenSim
    multiplies those of paths by how much longer the path is in the default posture.

    Raises
    ------
    InputError
        Another number of factors, or one that is not positive.
    """
    own, tree = checked(multibody, factors), multibody.tree
    parent = own[np.maximum(tree.parent, 0)]
    back = alike(tree.backward, own)[:, None]
    outer = namespace(own).where(back, own, parent)  # of OpenSim's parent body
    growth = along(outer[:, None], alike(tree.axes, own))
    place, axes = _moved(multibody, growth)
    scaled = replace(
        tree,
        inboard=shifted(tree.inboard, parent),
        outboard=shifted(tree.outboard, own),
        axes=axes,
        radii=alike(tree.radii, own) * _turned(tree, outer),
        center=alike(tree.center, own) * own,
        inertia=_inertia(alike(tree.inertia, own), own),
    )
    couplers = tuple(
        replace(one, scale=one.scale * growth[place[one.dependent]]) if one.dependent in place else one
        for one in multibody.couplers
    )
    return replace(
        multibody,
        tree=scaled,
        couplers=couplers,
        constraints=tuple(
            replace(one, frames=tuple(shifted(np.stack(one.frames), own[list(one.bodies)])))
            for one in multibody.constraints
        ),
        forces=tuple(_forced(law, own) for law in multibody.forces),
        actuators=tuple(_forced(law, own) for law in multibody.actuators),
    )


def checked(multibody: Multibody, factors: Tensor) -> Tensor:
    """Factors (B, 3), of which bodies that are not the model's have those of the body beyond them."""
    expected = f"factors of shape ({len(multibody.tree.bodies)}, 3)"
    if tuple(factors.shape) != (len(multibody.tree.bodies), 3):
        fix = "Give one row for each body in Multibody.tree, ground first."
        raise InputError(explain(expected, str(tuple(factors.shape)), fix))
    if not (plain(factors) > 0.0).all():
        raise InputError(explain("positive scale factors", f"{plain(factors).min():g}", "Give 1 to keep a size."))
    return factors[_beyond(multibody.tree)]


def shifted(frame: Tensor, factors: Tensor) -> Tensor:
    """Frames (n, 4, 4) at scaled places of bodies of factors (n, 3)."""
    xp, frame = namespace(factors), alike(frame, factors)
    top = xp.concat([frame[:, :3, :3], (frame[:, :3, 3] * factors)[:, :, None]], axis=2)
    return xp.concat([top, frame[:, 3:]], axis=1)


def along(factors: Tensor, direction: Tensor) -> Tensor:
    """How much longer directions (…, 3) become."""
    return namespace(factors).sqrt(namespace(factors).sum((factors * direction) ** 2, axis=-1))


def _forced(law: ForceLaw, factors: Tensor) -> ForceLaw:
    return replace(law, frames=shifted(law.frames, factors[list(law.bodies)])) if law.bodies else law


def _beyond(tree: Tree) -> Index:
    """(B,) each body, or, of one that is not the model's, the one beyond it."""
    rows = np.arange(len(tree.bodies))
    for body, parent in enumerate(tree.parent.tolist()):
        if parent > 0 and not tree.bodies[parent]:
            rows[parent] = body
    return rows


def _turned(tree: Tree, factors: Tensor) -> Tensor:
    """Factors (B, 3) of radii: the frames of bodies that are not the model's are turned by a right angle about z."""
    turned = np.array([not name for name in tree.bodies])
    return namespace(factors).where(alike(turned, factors)[:, None], factors[:, [1, 0, 2]], factors)


def _moved(multibody: Multibody, growth: Tensor) -> tuple[dict[int, tuple[int, int]], Tensor]:
    """Coordinates that are translations, with their places among axes (B, 6), and the scaled axes."""
    tree, functions = multibody.tree, multibody.functions
    identity = np.zeros(functions.coefficients.shape[2])
    identity[1:2] = 1.0
    same = (functions.coefficients[:, 0] == identity).all(axis=1) & ~np.isfinite(functions.breaks).any(axis=1)
    same &= (functions.sine[:, 0] == 0.0) & (functions.origin[:, 0] == 0.0)
    shift = np.arange(6) >= 3
    itself = shift & (tree.axis_coordinate >= 0) & np.concatenate([same, [False]])[tree.axis_function]
    turning = set(tree.axis_coordinate[:, :3][tree.axis_function[:, :3] >= 0].tolist())
    place = {int(tree.axis_coordinate[at]): at for at in zip(*np.nonzero(itself), strict=True)}
    kept = alike(itself | ~shift, growth)
    axes = alike(tree.axes, growth) * namespace(growth).where(kept, 1.0 + 0.0 * growth, growth)[:, :, None]
    return {one: at for one, at in place.items() if one not in turning}, axes


def _inertia(inertia: Tensor, factors: Tensor) -> Tensor:
    """Inertia (B, 3, 3) of bodies whose mass is moved along the axes: by the second moments of mass S = ½ tr(I) - I."""
    trace = inertia[:, 0, 0] + inertia[:, 1, 1] + inertia[:, 2, 2]
    unit = alike(np.eye(3), factors)
    moments = 0.5 * trace[:, None, None] * unit - inertia
    moments = moments * factors[:, :, None] * factors[:, None, :]
    trace = moments[:, 0, 0] + moments[:, 1, 1] + moments[:, 2, 2]
    return trace[:, None, None] * unit - moments
