"""Folders of surrogates: whole or not at all, and refused where anything about them is not as it was."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from osimopt import InputError, Surrogate
from osimopt.surrogate import folder
from osimopt.surrogate.folder import DESCRIPTION, FORMAT, WEIGHTS

Content = dict[str, torch.Tensor]


@pytest.fixture
def tensors() -> Content:
    random = torch.Generator().manual_seed(0)
    return {
        "network.weight": torch.randn(40, 30, generator=random),
        "network.bias": torch.randn(30, generator=random, requires_grad=True),
        "network.flipped": torch.randn(4, 3, generator=random).T,
        "ranges.low": torch.randn(6, generator=random, dtype=torch.float64),
        "count": torch.tensor(3),
        "half": torch.ones(2, dtype=torch.bfloat16),
    }


@pytest.fixture
def saved(tensors: Content, tmp_path: Path) -> Path:
    return folder.save(tmp_path / "surrogate", tensors, {"kind": "static", "muscles": ("m. psoas", "Μῦς"), "n": None})


def test_there_and_back(saved: Path, tensors: Content) -> None:
    again, told = folder.load(saved)
    assert sorted(again) == sorted(tensors)
    for name, tensor in tensors.items():
        assert torch.equal(again[name], tensor)
        assert again[name].dtype == tensor.dtype
    assert told["muscles"] == ["m. psoas", "Μῦς"]
    assert (told["kind"], told["n"], told["format"]) == ("static", None, FORMAT)
    assert set(told["versions"]) == {"osimopt", "torch", "numpy"}
    assert told["versions"]["numpy"] == np.__version__


def test_two_files_and_nothing_else(saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == sorted([WEIGHTS, DESCRIPTION])
    assert [path.name for path in saved.parent.iterdir()] == ["surrogate"]


def test_the_same_content_gives_the_same_weights(saved: Path, tensors: Content, tmp_path: Path) -> None:
    other = folder.save(tmp_path / "other", dict(reversed(tensors.items())), {})
    assert (other / WEIGHTS).read_bytes() == (saved / WEIGHTS).read_bytes()


def test_what_was_loaded_can_be_saved(saved: Path, tmp_path: Path) -> None:
    """Its hash, format and versions are those of the new folder, not those that were loaded."""
    again, told = folder.load(saved)
    again["network.weight"] += 1.0
    other = folder.save(tmp_path / "other", again, {**told, "format": 99})
    assert torch.equal(folder.load(other)[0]["network.weight"], again["network.weight"])


def test_shared_weights(tmp_path: Path) -> None:
    one = torch.arange(6.0)
    again, _ = folder.load(folder.save(tmp_path / "surrogate", {"a": one, "b": one, "c": one[2:]}, {}))
    assert torch.equal(again["b"], one)
    assert torch.equal(again["c"], one[2:])


def test_numbers_stay_numbers(tmp_path: Path) -> None:
    description = {
        "count": np.int64(3),
        "share": np.float32(0.5),
        "list": np.arange(3),
        "tensor": torch.ones(2),
        "path": Path("model.osim"),
    }
    told = folder.load(folder.save(tmp_path / "surrogate", {"a": torch.ones(1)}, description))[1]
    found = {name: told[name] for name in description}
    assert found == {"count": 3, "share": 0.5, "list": [0, 1, 2], "tensor": [1.0, 1.0], "path": "model.osim"}


# --------------------------------------------------------------------------------------------------------- damaged


@pytest.mark.parametrize("place", [0.0, 0.001, 0.02, 0.1, 0.5, 0.9, 0.9999])
def test_a_flipped_byte(saved: Path, place: float) -> None:
    content = bytearray((saved / WEIGHTS).read_bytes())
    content[int(place * len(content))] ^= 1
    (saved / WEIGHTS).write_bytes(content)
    with pytest.raises(InputError, match=rf"{WEIGHTS}: expected the weights that were saved .*, got sha256 "):
        folder.load(saved)


@pytest.mark.parametrize("length", [0, 7, 100, -1])
def test_a_truncated_file(saved: Path, length: int) -> None:
    (saved / WEIGHTS).write_bytes((saved / WEIGHTS).read_bytes()[:length])
    with pytest.raises(InputError, match=WEIGHTS):
        folder.load(saved)


def test_a_pickle_is_never_opened(saved: Path) -> None:
    """Not even with its hash in the description."""

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (pytest.fail, ("a pickle was opened",))

    content = pickle.dumps(Trap())
    (saved / WEIGHTS).write_bytes(content)
    rewrite(saved, weights_sha256=folder.hashlib.sha256(content).hexdigest())
    with pytest.raises(InputError, match="weights as safetensors"):
        folder.load(saved)


def rewrite(path: Path, **changes: Any) -> None:
    told = json.loads((path / DESCRIPTION).read_text(encoding="utf-8"))
    (path / DESCRIPTION).write_text(json.dumps({**told, **changes}), encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "expected JSON"),
        (b'{"format": 1, ', "expected JSON"),
        (b"\xff\xfe\x00", "expected JSON"),
        (b"[1, 2]", "a surrogate of format 1, got list"),
        (b"null", "a surrogate of format 1, got NoneType"),
        (b'{"kind": "static"}', "a surrogate of format 1, got format None"),
        (b'{"format": 2}', "got format 2"),
        (b'{"format": 1}', "the weights that were saved"),
    ],
)
def test_wrong_descriptions(saved: Path, text: bytes, said: str) -> None:
    (saved / DESCRIPTION).write_bytes(text)
    with pytest.raises(InputError, match=said):
        folder.load(saved)


def test_a_description_without_its_hash(saved: Path) -> None:
    rewrite(saved, weights_sha256=None)
    with pytest.raises(InputError, match="the weights that were saved"):
        folder.load(saved)


# -------------------------------------------------------------------------------------------- folders that are none


@pytest.mark.parametrize("load", [folder.load, Surrogate.load])
def test_no_folder_of_ours(saved: Path, tmp_path: Path, load: Any) -> None:
    with pytest.raises(InputError, match=r"nowhere: .*got no such folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(InputError, match=rf"{DESCRIPTION}: .*got a file"):
        load(saved / DESCRIPTION)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=f"got no {DESCRIPTION}"):
        load(tmp_path / "empty")
    (saved / WEIGHTS).unlink()
    with pytest.raises(InputError, match=f"got no {WEIGHTS}"):
        load(saved)


def test_a_surrogate_of_another_kind(saved: Path) -> None:
    rewrite(saved, kind="oracle")
    with pytest.raises(InputError, match=r"a surrogate among .*got 'oracle'"):
        Surrogate.load(saved)


# --------------------------------------------------------------------------------------------------------- writing


def test_nothing_is_overwritten_unasked(saved: Path, tensors: Content) -> None:
    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    with pytest.raises(InputError, match="a new or empty folder"):
        folder.save(saved, {}, {})
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before
    folder.save(saved, {"only": torch.ones(1)}, {}, overwrite=True)
    assert list(folder.load(saved)[0]) == ["only"]


@pytest.mark.parametrize("name", ["notes.txt", "data.csv"])
def test_what_is_not_ours_is_never_overwritten(saved: Path, name: str) -> None:
    (saved / name).write_text("mine")
    with pytest.raises(InputError, match=f"{name} that osimopt did not write"):
        folder.save(saved, {}, {}, overwrite=True)
    assert (saved / name).read_text() == "mine"


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("fails", [WEIGHTS, DESCRIPTION, "rename", "json", "tensor"])
def test_nothing_half_written(
    saved: Path, tensors: Content, monkeypatch: pytest.MonkeyPatch, fails: str, there: bool
) -> None:
    """Whether the disk is full, the folder cannot be renamed, or the content cannot be written."""
    target = saved if there else saved.parent / "new"
    before = {path: path.read_bytes() for path in saved.iterdir()}
    replaced, failed = Path.replace, []

    def full(self: Path, other: Path) -> Path:
        if not failed and Path(other).name == (target.name if fails == "rename" else fails):
            failed.append(other)
            raise OSError("no space left")
        return replaced(self, other)

    monkeypatch.setattr(Path, "replace", full)
    description: dict[Any, Any] = {("a", "b"): 1} if fails == "json" else {}
    content: Any = {**tensors, "strange": "text"} if fails == "tensor" else tensors
    with pytest.raises((OSError, TypeError, AttributeError, InputError)):
        folder.save(target, content, description, overwrite=True)
    assert failed or fails in ("json", "tensor")
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]
    assert {path: path.read_bytes() for path in saved.iterdir()} == before
    assert folder.load(saved)
