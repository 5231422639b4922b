"""What an interrupted training needs to go on: weights, the optimizer's state and the losses so far. Never a pickle."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as read_tensors
from safetensors.torch import save as write_tensors
from torch import Tensor

from ..errors import InputError, explain
from ..files.storage import write_atomically

FILE, KEY = "checkpoint.safetensors", "training"
#: How a place in a tree says that it is a tensor.
PLACE = "tensor:"


class Checkpoint:
    """One file in a folder, replaced as a whole; ``fingerprint`` says of which training."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self._folder, self._file, self._fingerprint = folder, folder / FILE, fingerprint

    def write(
        self,
        weights: dict[str, Tensor],
        best: dict[str, Tensor],
        optimizer: torch.optim.Optimizer,
        told: dict[str, Any],
    ) -> None:
        """Replace what was there."""
        tensors: dict[str, Tensor] = {}
        tree = pack({"weights": weights, "best": best, "optimizer": optimizer.state_dict()["state"]}, tensors)
        flat = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
        sha256 = _digest_of(flat, tree, told)
        said = json.dumps({"fingerprint": self._fingerprint, "sha256": sha256, "tree": tree, "told": told})
        self._folder.mkdir(parents=True, exist_ok=True)
        text = torch.frombuffer(bytearray(said.encode()), dtype=torch.uint8)
        write_atomically(self._file, write_tensors({**flat, KEY: text}))

    def read(
        self, optimizer: torch.optim.Optimizer
    ) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Any]] | None:
        """Weights, best weights and what was told; the optimizer's state is put back. None where there is nothing.

        Raises
        ------
        InputError
            It is of another training, or damaged.
        """
        if not self._file.is_file():
            return None
        fix = "Delete it to begin anew, or choose another folder."
        try:
            tensors = read_tensors(self._file.read_bytes())
            said = json.loads(bytes(tensors.pop(KEY).tolist()))
            fingerprint, whole = said["fingerprint"], said["sha256"]
        except Exception as error:
            raise InputError(explain("a checkpoint of a training", str(error), fix, self._file)) from error
        if fingerprint == self._fingerprint and whole != _digest_of(tensors, said["tree"], said["told"]):
            raise InputError(explain("the checkpoint that was written", "a damaged one", fix, self._file))
        if fingerprint != self._fingerprint:
            what = "a checkpoint of the same data, options and first weights"
            raise InputError(explain(what, "that of another training", fix, self._file))
        tree = unpack(said["tree"], tensors)
        state = {int(number): values for number, values in tree["optimizer"].items()}
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        return tree["weights"], tree["best"], said["told"]

    def check_loss(self, then: float, now: float, tolerance: float) -> None:
        """Refuse to go on with another loss, which its value before training gives away."""
        if not (math.isclose(then, now, rel_tol=tolerance) or (math.isnan(then) and math.isnan(now))):
            fix = "Delete it to begin anew, or choose another folder."
            got = f"one with a loss of {then:.6g} before training; here it is {now:.6g}"
            raise InputError(explain("a checkpoint of the same loss", got, fix, self._file))


def _digest_of(tensors: dict[str, Tensor], tree: Any, told: dict[str, Any]) -> str:
    """Of all that a checkpoint holds, whatever the order of its tensors."""
    return digest([tensors[name] for name in sorted(tensors)], {"tree": tree, "told": told})


def pack(tree: Any, tensors: dict[str, Tensor], at: str = "") -> Any:
    """The tree with tensors taken out of it, by the name of their place."""
    if isinstance(tree, Tensor):
        tensors[at] = tree
        return PLACE + at
    if isinstance(tree, dict):
        return {str(name): pack(value, tensors, f"{at}/{name}") for name, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [pack(value, tensors, f"{at}/{number}") for number, value in enumerate(tree)]
    return tree


def unpack(tree: Any, tensors: dict[str, Tensor]) -> Any:
    """The inverse of :func:`pack`."""
    if isinstance(tree, str) and tree.startswith(PLACE):
        return tensors[tree.removeprefix(PLACE)]
    if isinstance(tree, dict):
        return {name: unpack(value, tensors) for name, value in tree.items()}
    return [unpack(value, tensors) for value in tree] if isinstance(tree, list) else tree


def digest(tensors: list[Tensor], told: dict[str, Any]) -> str:
    """A hash of tensors and plain data."""
    whole = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for tensor in tensors:
        whole.update(f"{tuple(tensor.shape)}{tensor.dtype}".encode())
        whole.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return whole.hexdigest()
