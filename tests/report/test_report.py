"""The report: what it says, that it needs nothing else, that names are text; and in a browser, where there is one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from emg_cases import STRIDES, mapping, recorded, walk
from PIL import Image

from osimopt import InputError, RedundancySolution, Result, compare_emg, solve_static, write_report
from osimopt.emg.comparison import EmgComparison
from osimopt.report.curves import STRIDE, TIME, Axis, muscle_groups

EVIL = "<script>alert(1)</script>"


class Page(HTMLParser):
    """Tags, what is fetched, and text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        names = ("src", "href", "xlink:href", "srcset", "action", "data")
        self.fetched += [value or "" for name, value in attrs if name in names and not (value or "").startswith("#")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(path: Path) -> tuple[Page, str]:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page, " ".join(" ".join(page.text).split())


@pytest.fixture(scope="module")
def solved() -> dict[str, RedundancySolution]:
    return {f"p = {p}": solve_static(walk(), exponent=p) for p in (2, 3)}


@pytest.fixture(scope="module")
def compared(solved: dict[str, RedundancySolution]) -> dict[str, EmgComparison]:
    problem = walk()
    emg = recorded(problem, solved["p = 3"].activation, noise=0.02)
    return {name: compare_emg(one, emg, mapping(), strides=STRIDES) for name, one in solved.items()}


def test_one_solution(solved, tmp_path: Path) -> None:
    path = write_report(solved["p = 2"], tmp_path / "report.html")
    page, text = read(path)
    assert page.fetched == ["data:,"]
    assert "script" not in page.tags
    assert not re.search(r"@import|url\((?!#)", path.read_text())
    assert page.tags.count("svg") == 3
    assert text.index("Every check passes") < text.index("Muscle forces Parts") < text.index("Joint moments and")
    assert "1201 of 1201 frames solved" in text
    assert "largest reserve" in text
    assert "Agreement with EMG" not in text


def test_several_with_emg(solved, compared, tmp_path: Path) -> None:
    path = write_report(solved, tmp_path / "report.html", emg=compared)
    _, text = read(path)
    for words in (
        "p = 2: agreement with EMG: median r", "p = 3 against p = 2", "Co-contraction", "1 muscles without EMG",
        "over 12 strides", "Front Syst Neurosci", "lag (ms)", "RMSE",
    ):  # fmt: skip
        assert words in text, words
    row = compared["p = 3"].table.loc["soleus"]
    assert f"{row['r']:.2f} [{row['r_low']:.2f}, {row['r_high']:.2f}]" in text


def test_from_folders(solved, tmp_path: Path) -> None:
    folders = [one.write(tmp_path / name) for name, one in zip(("two", "three"), solved.values(), strict=True)]
    _, text = read(write_report(folders, tmp_path / "report.html"))
    assert "three against two" in text
    assert "Σ a³" in text


@pytest.mark.slow
def test_the_same_report_has_the_same_bytes(solved, compared, tmp_path: Path) -> None:
    one, other = (
        write_report(solved, tmp_path / name, emg=compared).read_bytes() for name in ("one.html", "other.html")
    )
    assert one == other


def test_names_are_text(solved, compared, tmp_path: Path) -> None:
    result = Result.of(solved["p = 2"])
    evil = replace(
        result, name=EVIL, muscles=(EVIL, "$x^2$", *result.muscles[2:]), coordinates=(EVIL, *result.coordinates[1:]),
        summary={**result.summary, "inputs": {"motion": {"file": EVIL, "sha256": EVIL}}, "findings": [EVIL]},
    )  # fmt: skip
    path = write_report({EVIL: evil, "b": replace(evil, name="b")}, tmp_path / "report.html", title=EVIL)
    page, text = read(path)
    assert "script" not in page.tags
    assert text.count(EVIL) > 5
    assert "$x^2$" in text


def test_what_failed_is_said_first(solved, tmp_path: Path) -> None:
    solution = solved["p = 2"]
    result = Result.of(solution)
    solved_frames = np.arange(1201) > 3
    known = {
        name: np.where(solved_frames[:, None], getattr(result, name), np.nan) for name in ("activation", "muscle_force")
    }
    summary = {name: own for name, own in result.summary.items() if name != "checks"}  # made anew of the arrays
    broken = replace(result, solved=solved_frames, summary=summary, **known)
    _, text = read(write_report(broken, tmp_path / "report.html"))
    assert "1 check fails: frames solved 1197 of 1201" in text


def test_wrong_input(solved, compared, tmp_path: Path) -> None:
    one = solved["p = 2"]
    path = write_report(one, tmp_path / "report.html")
    with pytest.raises(InputError, match="new file"):
        write_report(one, path)
    write_report(one, path, overwrite=True)
    with pytest.raises(InputError, match=r"\.html"):
        write_report(one, tmp_path / "report.pdf")
    with pytest.raises(InputError, match="different names"):
        write_report(list(solved.values()), tmp_path / "new.html")
    with pytest.raises(InputError, match="a solution to report"):
        write_report([], tmp_path / "new.html")
    with pytest.raises(InputError, match="comparisons among"):
        write_report(solved, tmp_path / "new.html", emg={"p = 9": compared["p = 2"]})
    other = replace(Result.of(one), muscles=tuple("abcdef"))
    with pytest.raises(InputError, match="one model"):
        write_report({"a": one, "b": other}, tmp_path / "new.html")
    assert sorted(own.name for own in tmp_path.iterdir()) == ["report.html"]


def test_curves_over_strides_and_over_time() -> None:
    time = np.arange(1001) / 100.0
    value = np.sin(2.0 * np.pi * time)
    curve = Axis(((0.0, 1.0), (1.0, 2.0), (9.5, 10.5))).within(time).curve(time, value)
    assert curve.mean == pytest.approx(np.sin(2.0 * np.pi * np.linspace(0.0, 1.0, STRIDE)), abs=1e-3)
    assert (curve.high - curve.low).max() < 1e-9
    long = Axis().curve(time, value)
    assert len(long.x) == TIME
    assert long.low.min() == value.min()
    assert long.high.max() == value.max()
    short = Axis().curve(time[:50], value[:50])
    assert short.mean is not None
    assert np.array_equal(short.mean, value[:50])


def test_parts_of_a_muscle_are_one_group() -> None:
    groups = muscle_groups(["glmax1_r", "glmax2_r", "glmax1_l", "tfl_r", "peroneus3_r", "BIClong", "right_vasti"])
    assert groups == {
        "glmax": {"r": [0, 1], "l": [2]}, "tfl": {"r": [3]}, "peroneus3": {"r": [4]}, "BIClong": {"": [5]},
        "vasti": {"r": [6]},
    }  # fmt: skip


# --- in a browser ---------------------------------------------------------------------------------------------------

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
needs_browser = pytest.mark.skipif(not BROWSER, reason="needs Chromium on the PATH")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic", "--hide-scrollbars", "--window-size=1280,2400",
    "--enable-logging=stderr",
)  # fmt: skip


def browse(path: Path, folder: Path, *more: str) -> tuple[str, Image.Image, list[str]]:
    """What a browser says on its console, a screenshot, and the addresses it asked for."""
    picture, log = folder / "page.png", folder / "net.json"
    command = [
        BROWSER, *QUIET, *more, f"--user-data-dir={folder / 'profile'}", f"--screenshot={picture}",
        f"--log-net-log={log}", path.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert picture.is_file(), done.stderr
    said = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    events = json.loads(log.read_text(encoding="utf-8"))["events"]
    asked = {str(event.get("params", {}).get("url", "")) for event in events}
    return said, Image.open(picture), sorted(url for url in asked if url.startswith(("http", "ws")))


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser(solved, compared, tmp_path: Path, scheme: str) -> None:
    path = write_report(solved, tmp_path / "report.html", emg=compared, title=EVIL)
    more = ["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    said, picture, asked = browse(path, tmp_path, *more)
    assert said == ""
    own = [url for url in asked if "google" not in url and "gvt1" not in url]  # the browser's own business
    assert own == []
    pixels = np.asarray(picture.convert("L"), dtype=float)
    assert pixels.std() > 10.0, "not blank"
    assert (np.median(pixels) < 60) == (scheme == "dark")


@needs_browser
def test_92_muscles_open_at_once(tmp_path: Path) -> None:
    """No time is asserted (machines are noisy): what makes a page slow is its size and its nodes."""
    problem = walk()
    result = Result.of(solve_static(problem))
    names = tuple(f"muscle{chr(97 + place % 23)}_{place // 46}_{'rl'[place // 23 % 2]}" for place in range(92))
    wide = {name: np.tile(getattr(result, name), (1, 16))[:, :92] for name in ("activation", "muscle_force")}
    many = replace(result, muscles=names, summary={**result.summary, "pcsa_cm2": {}}, **wide)
    path = write_report(many, tmp_path / "report.html", strides=STRIDES)
    assert path.stat().st_size < 4e6
    assert path.read_text().count("<path") < 6000
    said, picture, _ = browse(path, tmp_path)
    assert said == ""
    assert np.asarray(picture).std() > 10.0
