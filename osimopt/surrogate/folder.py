"""A surrogate as a folder: ``weights.safetensors`` and ``surrogate.json``. Nothing in it is executed."""

from __future__ import annotations

import hashlib
import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import save as write_tensors
from torch import Tensor

from ..errors import InputError, explain
from ..files.storage import write_atomically
from ..solution.folder import write_folder

#: Raised whenever a field changes its meaning: older folders are then refused.
FORMAT = 1
WEIGHTS, DESCRIPTION = "weights.safetensors", "surrogate.json"


def save(
    path: str | os.PathLike[str], tensors: dict[str, Tensor], description: dict[str, Any], *, overwrite: bool = False
) -> Path:
    """Write a folder that appears whole or not at all.

    Parameters
    ----------
    path
        Folder.
    tensors
        Weights and whatever else is numbers, by name.
    description
        Plain data; arrays become lists, and what JSON does not know its text. ``format``, ``versions`` and
        ``weights_sha256`` are ours, even if it comes from :func:`load`.
    overwrite
        Replace a surrogate that is there.

    Raises
    ------
    InputError
        It exists and ``overwrite`` is False, or it holds other files too.
    """
    weights = write_tensors({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()})
    ours = {
        "format": FORMAT,
        "versions": {name: version(name) for name in ("osimopt", "torch", "numpy")},
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    text = json.dumps({**ours, **description, **ours}, indent=2, ensure_ascii=False, default=_plain) + "\n"

    def fill(folder: Path) -> None:
        write_atomically(folder / WEIGHTS, weights)
        write_atomically(folder / DESCRIPTION, text)

    return write_folder(Path(path), overwrite, fill)


def load(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a folder.

    Raises
    ------
    InputError
        No such folder, another kind of folder, one of another version of osimopt, or one that was changed since.
    """
    folder = Path(path)
    what = f"a surrogate's folder with {DESCRIPTION} and {WEIGHTS}"
    if not folder.is_dir():
        got = "a file" if folder.exists() else "no such folder"
        raise InputError(explain(what, got, "osimopt train makes one.", folder))
    if missing := [name for name in (DESCRIPTION, WEIGHTS) if not (folder / name).is_file()]:
        raise InputError(explain(what, f"no {missing[0]}", "osimopt train makes one.", folder))
    told = _description(folder / DESCRIPTION)
    weights = (folder / WEIGHTS).read_bytes()
    if (own := hashlib.sha256(weights).hexdigest()) != (saved := told.get("weights_sha256")):
        fix = "Copy the folder again, or train it anew."
        expected, got = f"the weights that were saved (sha256 {str(saved)[:12]}…)", f"sha256 {own[:12]}…"
        raise InputError(explain(expected, got, fix, folder / WEIGHTS))
    try:
        return read_tensors(weights), told
    except SafetensorError as error:
        raise InputError(explain("weights as safetensors", str(error), "Train it anew.", folder / WEIGHTS)) from error


def _plain(value: Any) -> Any:
    """Lists of arrays, numbers of NumPy's, the text of everything else."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _description(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(explain("JSON", str(error), "Copy the folder again, or train it anew.", path)) from None
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        got = f"format {told.get('format')!r}" if isinstance(told, dict) else type(told).__name__
        fix = "It was written by another version of osimopt: train it anew."
        raise InputError(explain(f"a surrogate of format {FORMAT}", got, fix, path))
    return told
