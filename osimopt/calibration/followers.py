"""Muscles without an electrode that follow measured ones, as EMG-driven models of the leg let them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..problem.arrays import Array

#: Muscles whose excitation stands for that of another, without the side: the first set that is measured counts. Vastus
#: intermedius as the mean of the other vasti, the two heads and synergists from each other, deep muscles of the shank
#: from their superficial synergists: as in Lloyd and Besier (2003), J Biomech 36, 765-776,
#: doi:10.1016/S0021-9290(03)00010-1, and Sartori et al. (2012), PLoS ONE 7(12), e52618,
#: doi:10.1371/journal.pone.0052618. Long flexors and tibialis posterior follow soleus, long extensors tibialis
#: anterior.
FOLLOWED: dict[str, tuple[tuple[str, ...], ...]] = {
    "vasint": (("vaslat", "vasmed"), ("vaslat",), ("vasmed",)),
    "vaslat": (("vasmed",),),
    "vasmed": (("vaslat",),),
    "semimem": (("semiten",),),
    "semiten": (("semimem",),),
    "bflh": (("bfsh",),),
    "bfsh": (("bflh",),),
    "gaslat": (("gasmed",),),
    "gasmed": (("gaslat",),),
    "perbrev": (("perlong",),),
    "perlong": (("perbrev",),),
    "pertert": (("tibant",),),
    "edl": (("tibant",),),
    "ehl": (("tibant",),),
    "fdl": (("soleus",),),
    "fhl": (("soleus",),),
    "tibpost": (("soleus",),),
    "addbrev": (("addlong",), ("addmag",)),
    "addlong": (("addmag",),),
    "glmin": (("glmed",),),
}
#: Names of the same muscles in other models.
ALIASES = {
    "vas_int": "vasint", "vas_lat": "vaslat", "vas_med": "vasmed", "bifemlh": "bflh", "bifemsh": "bfsh",
    "lat_gas": "gaslat", "med_gas": "gasmed", "per_brev": "perbrev", "per_long": "perlong", "per_tert": "pertert",
    "ext_dig": "edl", "ext_hal": "ehl", "flex_dig": "fdl", "flex_hal": "fhl", "tib_ant": "tibant",
    "tib_post": "tibpost", "add_brev": "addbrev", "add_long": "addlong", "add_mag": "addmag", "glut_min": "glmin",
    "glut_med": "glmed", "semimembranosus": "semimem", "semitendinosus": "semiten", "gmed": "glmed", "gmin": "glmin",
}  # fmt: skip


def stem_and_side(muscle: str) -> tuple[str, str]:
    """The muscle's name by Rajagopal's model without its side, and the side with its underscore ("" if none)."""
    stem, _, side = muscle.rpartition("_")
    stem, side = (stem, f"_{side}") if stem and side in ("r", "l") else (muscle, "")
    known = stem.rstrip("0123456789") if stem not in ALIASES else stem
    return ALIASES.get(known, known), side


def shares(
    measured: Mapping[str, Sequence[str]], muscles: Sequence[str], follow: bool
) -> tuple[Array, dict[str, list[str]]]:
    """(M, C) share of each channel in each muscle's excitation, and whom muscles without EMG follow.

    ``measured`` are the muscles of each channel. A muscle of several channels has their mean. Rows of muscles without
    EMG are 0.
    """
    own = np.array([[float(name in names) for names in measured.values()] for name in muscles])
    own = own.reshape(len(muscles), len(measured))
    by_stem: dict[tuple[str, str], list[int]] = {}
    for row in np.flatnonzero(own.any(axis=1)).tolist():
        by_stem.setdefault(stem_and_side(muscles[row]), []).append(row)
    found, following = own.copy(), dict[str, list[str]]()
    for row, name in enumerate(muscles):
        if own[row].any() or not follow:
            continue
        stem, side = stem_and_side(name)
        for others in ((stem,), *FOLLOWED.get(stem, ())):
            if all((other, side) in by_stem for other in others):
                rows = [one for other in others for one in by_stem[other, side]]
                found[row] = own[rows].sum(axis=0)
                following[name] = [muscles[one] for one in rows]
                break
    total = found.sum(axis=1, keepdims=True)
    return np.divide(found, total, out=np.zeros_like(found), where=total > 0.0), following
