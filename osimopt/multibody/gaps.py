"""Models with joints that are not described: where these are, and the same bodies without them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .description import Mask, Multibody
from .layout import layout


def without_gaps(multibody: Multibody) -> tuple[Multibody, list[tuple[str, Mask]]]:
    """The model as if joints that are not described were rigid, and the bodies (B,) beyond each of them, with its name.

    Places of bodies are right relative to each other, where none of these joints is between them.
    """
    tree = multibody.tree
    gaps = np.asarray(np.isnan(tree.inboard).any(axis=(1, 2)))
    if not gaps.any():
        return multibody, []
    inboard, outboard = (np.where(gaps[:, None, None], np.eye(4), part) for part in (tree.inboard, tree.outboard))
    described = tuple(one for one in multibody.asked if one.kind != "joint")
    whole = replace(multibody, tree=replace(tree, inboard=inboard, outboard=outboard), asked=described)
    subtree = layout(whole).subtree
    return whole, [(tree.joints[body], subtree[body]) for body in np.flatnonzero(gaps)]
