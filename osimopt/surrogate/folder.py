"""Files of surrogates, all safetensors and JSON: folders of trained ones, and checkpoints of trainings. No pickles."""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import save as write_tensors
from torch import Tensor, nn

from ..errors import InputError, explain
from ..files.folders import new_folder
from ..files.packages import version
from ..files.storage import write_atomically
from .architecture import Architecture, Scaler

#: Raised whenever a field changes its meaning: older folders are then refused.
FORMAT = 1
WEIGHTS, DESCRIPTION = "weights.safetensors", "surrogate.json"
#: Files of a folder: those of save, and what osimopt train adds.
FILES = (DESCRIPTION, WEIGHTS, "training.json", "training.png")
#: File of a checkpoint, and the name of its description among the tensors.
CHECKPOINT, KEY = "checkpoint.safetensors", "training"
Tensors = dict[str, Tensor]
#: What a checkpoint knows by a hash, or is too long to print.
HASHED = ("data", "first weights", "network")
#: Arrays of a scaler.
RANGES = ("mean", "std", "low", "high")
COPY_OR_TRAIN = "Copy the folder again, or train it anew."


def save(
    path: str | os.PathLike[str], tensors: Tensors, description: dict[str, Any], *, overwrite: bool = False
) -> Path:
    """Write the folder of a surrogate, which appears whole or not at all.

    Parameters
    ----------
    path
        Folder.
    tensors
        Weights and other numbers, by name.
    description
        Plain data; arrays become lists, and objects without a JSON type become their text. ``format``,
        ``versions`` and ``weights_sha256`` are written anew, even if the description comes from :func:`load`.
    overwrite
        Replace an existing surrogate.

    Raises
    ------
    InputError
        The folder exists and ``overwrite`` is False, or it holds other files too.
    """
    weights = write_tensors(_plain_tensors(tensors))
    header = {
        "format": FORMAT,
        "versions": {name: version(name) for name in ("osimopt", "torch", "numpy")},
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    text = json.dumps({**header, **description, **header}, indent=2, ensure_ascii=False, default=_plain) + "\n"

    with new_folder(path, FILES, overwrite=overwrite) as temporary:
        write_atomically(temporary / WEIGHTS, weights)
        write_atomically(temporary / DESCRIPTION, text)
    return Path(path).absolute()


def load(path: str | os.PathLike[str]) -> tuple[Tensors, dict[str, Any]]:
    """Read tensors and description from the folder of a surrogate.

    Raises
    ------
    InputError
        No such folder, or a folder of another kind, of another version of osimopt, or changed after it was saved.
    """
    folder = Path(path)
    if missing := [name for name in (DESCRIPTION, WEIGHTS) if not (folder / name).is_file()]:
        got = f"no {missing[0]}" if folder.is_dir() else "a file" if folder.exists() else "no such folder"
        expected = f"a surrogate's folder with {DESCRIPTION} and {WEIGHTS}"
        raise InputError(explain(expected, got, "osimopt train makes one.", folder))
    description = _description(folder / DESCRIPTION)
    weights = (folder / WEIGHTS).read_bytes()
    if (found := hashlib.sha256(weights).hexdigest()) != (saved := description.get("weights_sha256")):
        expected, got = f"the weights that were saved (sha256 {str(saved)[:12]}…)", f"sha256 {found[:12]}…"
        raise InputError(explain(expected, got, COPY_OR_TRAIN, folder / WEIGHTS))
    try:
        return read_tensors(weights), description
    except SafetensorError as error:
        raise InputError(explain("weights as safetensors", str(error), "Train it anew.", folder / WEIGHTS)) from error


def save_network(
    path: str | os.PathLike[str], surrogate: Any, description: dict[str, Any], *, overwrite: bool = False
) -> Path:
    """Write the folder of a static or dynamic surrogate; ``description`` has the fields of its kind alone."""
    tensors = {f"network.{name}": tensor for name, tensor in surrogate.network.state_dict().items()}
    tensors |= {f"ranges.{name}": torch.as_tensor(getattr(surrogate.ranges, name)) for name in RANGES}
    common = {name: getattr(surrogate, name) for name in ("kind", "muscles", "coordinates", "provenance")}
    shape = {"architecture": asdict(surrogate.architecture), "features": surrogate.ranges.names}
    return save(path, tensors, {**common, **shape, **description}, overwrite=overwrite)


def read_network(
    kind: Any, network: nn.Module, tensors: Tensors, description: dict[str, Any], device: str, **fields: Any
) -> Any:
    """Make a surrogate from the result of :func:`load`; ``fields`` are those of its kind alone."""
    network.load_state_dict(part(tensors, "network"))
    ranges = {name: tensors[f"ranges.{name}"].double().numpy() for name in RANGES}
    names = {name: tuple(description[name]) for name in ("muscles", "coordinates")}
    return kind(
        architecture=Architecture(**description["architecture"]), network=network.eval().to(device), **names,
        ranges=Scaler(**ranges, names=tuple(description["features"])), device=device,
        provenance=description["provenance"], **fields,
    )  # fmt: skip


def part(tensors: Tensors, name: str) -> Tensors:
    """Return the tensors whose names begin with ``name.``, without that prefix."""
    return {key.removeprefix(f"{name}."): tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")}


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _plain_tensors(tensors: Tensors) -> Tensors:
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}


def _description(path: Path) -> dict[str, Any]:
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(explain("JSON", str(error), COPY_OR_TRAIN, path)) from None
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        kind = type(description).__name__
        got = f"format {description.get('format')!r}" if kind == "dict" else kind
        fix = "It was written by another version of osimopt: train it anew."
        raise InputError(explain(f"a surrogate of format {FORMAT}", got, fix, path))
    return description


class Checkpoint:
    """The state of a training in one file: weights, best weights, the optimizer's state and the history so far.

    ``known`` identifies the training: its options by name, and hashes of its data and of its first weights.
    """

    fix = "Give the same again to go on, delete it to begin anew, or choose another folder."

    def __init__(self, folder: Path, known: dict[str, Any]) -> None:
        self._file, self._known = folder / CHECKPOINT, json.loads(json.dumps(known))

    def write(self, weights: Tensors, best: Tensors, optimizer: torch.optim.Optimizer, history: dict[str, Any]) -> None:
        """Replace the checkpoint as a whole."""
        state = {
            f"{number}.{name}": tensor
            for number, values in optimizer.state_dict()["state"].items()
            for name, tensor in values.items()
        }
        groups = {"weights": weights, "best": best, "optimizer": state}
        tensors = {f"{group}.{name}": tensor for group, named in groups.items() for name, tensor in named.items()}
        header = {"known": self._known, "sha256": _digest_of(tensors, history), "history": history}
        text = torch.frombuffer(bytearray(json.dumps(header).encode()), dtype=torch.uint8)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._file, write_tensors({**_plain_tensors(tensors), KEY: text}))

    def read(self, optimizer: torch.optim.Optimizer) -> tuple[Tensors, Tensors, dict[str, Any]] | None:
        """Restore the optimizer's state and return weights, best weights and history; None without a checkpoint.

        Raises
        ------
        InputError
            The checkpoint is of another training, or damaged.
        """
        if not self._file.is_file():
            return None
        try:
            tensors = read_tensors(self._file.read_bytes())
            header = json.loads(bytes(tensors.pop(KEY).tolist()))
            known, sha256, history = dict(header["known"]), header["sha256"], header.get("history")
        except Exception as error:
            raise InputError(explain("a checkpoint of a training", str(error), self.fix, self._file)) from error
        if known != self._known:
            expected, other = "a checkpoint of the same data, options and first weights", self._other(known)
            raise InputError(explain(expected, f"that of another training: {other}", self.fix, self._file))
        if sha256 != _digest_of(tensors, history):
            raise InputError(explain("the checkpoint that was written", "a damaged one", self.fix, self._file))
        saved = part(tensors, "optimizer")
        state = {int(number): part(saved, number) for number in {name.partition(".")[0] for name in saved}}
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        return part(tensors, "weights"), part(tensors, "best"), history

    def _other(self, known: dict[str, Any]) -> str:
        """How a training that is known differs from this one."""
        names = [name for name, value in self._known.items() if known.get(name) != value]
        plain = [f"{n} {known.get(n)!r} in place of {self._known[n]!r}" for n in names if n not in HASHED]
        return ", ".join([*plain, *(f"other {name}" for name in names if name in HASHED)])

    def check_loss(self, then: float, now: float, tolerance: float) -> None:
        """Refuse a checkpoint of another loss, which is seen from its value before training."""
        if not (math.isclose(then, now, rel_tol=tolerance) or (math.isnan(then) and math.isnan(now))):
            got = f"one with a loss of {then:.6g} before training; here it is {now:.6g}"
            raise InputError(explain("a checkpoint of the same loss", got, self.fix, self._file))


def _digest_of(tensors: Tensors, history: Any) -> str:
    return digest([tensors[name] for name in sorted(tensors)], {"names": sorted(tensors), "history": history})


def digest(tensors: list[Tensor], data: dict[str, Any]) -> str:
    """Return a hash of tensors and plain data."""
    whole = hashlib.sha256(json.dumps(data, sort_keys=True).encode())
    for tensor in tensors:
        whole.update(f"{tuple(tensor.shape)}{tensor.dtype}".encode())
        whole.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return whole.hexdigest()
