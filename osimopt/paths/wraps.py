"""The kinds of objects that paths wrap over."""

from __future__ import annotations

from collections.abc import Callable

from .contact import Array, Touch
from .cylinder import may_wrap_cylinder, wrap_cylinder
from .description import WrapKind
from .ellipsoid import wrap_ellipsoid
from .sphere import wrap_sphere
from .torus import wrap_torus
from .vectors import dot

#: Paths between pairs of points over objects of one kind: of start and end (3, n), size (s, n), axis and sign (n,).
Wrapper = Callable[..., Touch]

WRAPS: dict[WrapKind, Wrapper] = {
    "cylinder": wrap_cylinder,
    "sphere": wrap_sphere,
    "ellipsoid": wrap_ellipsoid,
    "torus": wrap_torus,
}
#: Kinds whose paths can be held: their functions take, last, the angles (n,) by which paths are wound.
HOLDS: tuple[WrapKind, ...] = ("cylinder", "sphere")
#: Quick tests of the same arguments, of kinds that have one: where they fail, the path does not touch the object.
MAY_WRAP: dict[WrapKind, Callable[[Array, Array, Array, Array, Array], Array]] = {"cylinder": may_wrap_cylinder}
#: Whether points (3, n) are inside objects of sizes (3, n), of kinds in which a point alone decides.
INSIDE: dict[WrapKind, Callable[[Array, Array], Array]] = {
    "cylinder": lambda point, size: point[0] * point[0] + point[1] * point[1] < size[0] * size[0],
    "sphere": lambda point, size: dot(point, point) < size[0] * size[0],
}
#: How many numbers the size of each kind has.
SIZES: dict[WrapKind, int] = {"cylinder": 2, "sphere": 1, "ellipsoid": 3, "torus": 2}
