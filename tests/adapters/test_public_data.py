"""fetch: from a mirror, from a server that misbehaves, with hashes that hold and nothing half-written."""

from __future__ import annotations

import errno
import hashlib
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from osimopt import InputError, fetch, read_table
from osimopt.adapters.loads import read_external_loads
from osimopt.datasets import fetch as public_data
from osimopt.datasets.derive import derive_loads
from osimopt.datasets.fetch import PublicFile, about, files_of, names

CONTENT = {"model.osim": b"<model/>" * 1000, "sub/motion.mot": b"time q\n" * 5000}


class Server(BaseHTTPRequestHandler):
    """Serves files, as it is told to misbehave."""

    mood = "good"
    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        name = next((own for own in CONTENT if self.path.endswith(own)), None)
        if name is None or self.mood == "missing":
            self.send_error(404)
            return
        if self.mood == "broken":
            self.send_error(500)
            return
        body = CONTENT[name]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.mood == "cut":
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.connection.close()
            return
        self.wfile.write(body if self.mood == "good" else body[::-1])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of a server whose files are a set called ``small``, and the only source of it."""
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    base = f"http://127.0.0.1:{httpd.server_address[1]}"
    own = [
        PublicFile(name, hashlib.sha256(body).hexdigest(), len(body), f"{base}/origin/{name}")
        for name, body in CONTENT.items()
    ]
    monkeypatch.setattr(public_data, "files_of", lambda name: own)
    monkeypatch.setattr(public_data, "about", lambda name: "a small set")
    monkeypatch.delenv("OSIMOPT_DATA", raising=False)
    monkeypatch.setattr(Server, "mood", "good")
    monkeypatch.setattr(Server, "asked", [])
    yield base
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def whole(folder: Path) -> None:
    assert {name: (folder / name).read_bytes() for name in CONTENT} == CONTENT
    assert (folder / "fetched.txt").is_file()


def test_a_set_is_downloaded_once(server: str, tmp_path: Path) -> None:
    folder = fetch("small", tmp_path)
    assert folder == tmp_path / "small"
    whole(folder)
    assert len(Server.asked) == 2
    assert fetch("small", tmp_path) == folder
    assert len(Server.asked) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


@pytest.mark.parametrize(
    ("mood", "says"),
    [("wrong", "bytes of SHA-256"), ("cut", "Incomplete|broken"), ("missing", "404"), ("broken", "500")],
)
def test_a_server_that_misbehaves(server: str, tmp_path: Path, mood: str, says: str) -> None:
    Server.mood = mood
    with pytest.raises(InputError, match=says) as raised:
        fetch("small", tmp_path / "new")
    assert "OSIMOPT_DATA" in str(raised.value)
    assert not any((tmp_path / "new").iterdir()), "nothing half-written"
    Server.mood = "good"
    whole(fetch("small", tmp_path / "new"))


def test_no_network(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = CONTENT["model.osim"]
    gone = PublicFile("model.osim", hashlib.sha256(body).hexdigest(), len(body), "http://127.0.0.1:9/model.osim")
    monkeypatch.setattr(public_data, "files_of", lambda name: [gone])
    with pytest.raises(InputError, match="refused"):
        fetch("small", tmp_path)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["folder", "file://", "http://"])
def test_a_mirror_is_asked_first(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    for name, body in CONTENT.items():
        (tmp_path / "mirror" / "small" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mirror" / "small" / name).write_bytes(body)
    address = {"folder": str(tmp_path / "mirror"), "file://": (tmp_path / "mirror").as_uri(), "http://": f"{server}/m"}
    monkeypatch.setenv("OSIMOPT_DATA", address[kind])
    whole(fetch("small", tmp_path / "out"))
    assert all(path.startswith("/m/small/") for path in Server.asked)
    assert len(Server.asked) == (2 if kind == "http://" else 0)


def test_a_mirror_that_lies_is_passed_over(server: str, tmp_path: Path) -> None:
    (tmp_path / "mirror" / "small").mkdir(parents=True)
    (tmp_path / "mirror" / "small" / "model.osim").write_bytes(b"something else")
    whole(fetch("small", tmp_path / "out", mirror=tmp_path / "mirror"))
    Server.mood = "broken"
    with pytest.raises(InputError, match=r"14 bytes of SHA-256 .*; .*500"):
        fetch("small", tmp_path / "again", mirror=tmp_path / "mirror")


def test_a_full_disk(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(public_data, "_copy", full)
    with pytest.raises(InputError, match=r"room for 0\.0 MB .* No space left"):
        fetch("small", tmp_path)
    assert not any(tmp_path.iterdir())


def test_what_was_changed_is_not_taken_for_the_set(server: str, tmp_path: Path) -> None:
    folder = fetch("small", tmp_path)
    (folder / "model.osim").write_text("mine now")
    with pytest.raises(InputError, match=r"model\.osim missing or changed"):
        fetch("small", tmp_path)
    assert (folder / "model.osim").read_text() == "mine now"


def test_the_sets() -> None:
    assert names() == ["arm26", "walk_18muscles", "walk_80muscles", "walk_treadmill_emg", "gait_9emg", "knee_implant"]
    for name in names():
        assert "MB from" in about(name)
        for file in files_of(name):
            assert len(file.sha256) == 64
            assert file.url.startswith("https://github.com/")
    with pytest.raises(InputError, match="walk_80muscles"):
        fetch("walk_81muscles")


def implant_file(place: Path, trials: list[str], forces: np.ndarray) -> None:
    """A MATLAB file of measured forces (points, columns, trials), in the form of the public one."""
    trial_names = np.array([f"PS_ngait_og_{trial}.c3d" for trial in trials], dtype=object)
    headers = np.array(["F_medial", "F_lateral", "F_total_magnitude"], dtype=object)
    walks = {"data": forces, "trial_names": trial_names, "colheaders": headers}
    savemat(place, {"eTibia_data": {"GC5": {"ngait_og": walks}}})


def test_a_file_is_made_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forces of one trial, of a file of all; the trial that is wanted is there by name, and the result has a hash."""
    forces = np.random.default_rng(3).uniform(0.0, 2000.0, (101, 3, 3))
    implant_file(tmp_path / "all.mat", ["ss1", "ss11", "ss3"], forces)
    rows = [f"{point},{a:.3f},{b:.3f},{c:.3f}" for point, (a, b, c) in enumerate(forces[:, :, 2])]
    body = "\n".join(["percent_of_trial,medial_N,lateral_N,total_N", *rows, ""]).encode()
    known, url = hashlib.sha256(body).hexdigest(), (tmp_path / "all.mat").as_uri()
    made = PublicFile("GC5_ss3_implant.csv", known, len(body), url, "implant")
    monkeypatch.setattr(public_data, "files_of", lambda name: [made])
    monkeypatch.setattr(public_data, "about", lambda name: "a small set")
    assert (fetch("small", tmp_path / "new", mirror=tmp_path) / made.name).read_bytes() == body
    implant_file(tmp_path / "all.mat", ["ss1", "ss11", "ss8"], forces)
    with pytest.raises(InputError, match="forces of the trial ss3 of GC5 in a MATLAB file"):
        fetch("small", tmp_path / "again", mirror=tmp_path)
    (tmp_path / "all.mat").write_bytes(b"no matrix at all" * 100)
    with pytest.raises(InputError, match="forces of the trial ss3 of GC5 in a MATLAB file"):
        fetch("small", tmp_path / "again", mirror=tmp_path)


def test_the_loads_of_a_patient(real_data: Path, tmp_path: Path) -> None:
    """What is written of them is what the file of the data's authors says."""
    for name in ("GC5_ss1_kinetics.mot", "GC5_ss1_loads.xml"):
        shutil.copy(real_data / "knee_implant" / name, tmp_path)
    known = read_external_loads(tmp_path / "GC5_ss1_loads.xml")
    derive_loads(tmp_path)
    made = read_external_loads(tmp_path / "GC5_ss1_loads.xml")
    assert made.applied == known.applied
    assert np.array_equal(made.table.to_numpy(), known.table.to_numpy())


@pytest.mark.slow
def test_the_real_sets(real_data: Path, tmp_path: Path) -> None:
    """From a folder of them; motions that are made from the walk's are those that are known."""
    for name in names():
        if not (real_data / name).is_dir():
            continue
        folder = fetch(name, tmp_path, mirror=real_data)
        assert all((folder / file.name).is_file() for file in files_of(name))
    for rate in (50, 100, 1000):
        made, known = (
            read_table(place / "walk_80muscles" / f"coordinates_{rate}hz.mot") for place in (tmp_path, real_data)
        )
        assert set(made) == set(known)
        np.testing.assert_allclose(made[list(known)].to_numpy(), known.to_numpy(), atol=1e-9)
