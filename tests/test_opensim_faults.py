"""The page on OpenSim's faults has the numbers that its script prints with the OpenSim that is installed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

ROW = re.compile(r"^\| \[\d+\].*$", re.MULTILINE)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@pytest.mark.slow
def test_the_page_has_the_numbers_of_the_script(tmp_path: Path) -> None:
    """OpenSim's value and the right one differ in every row, and both are printed."""
    command = [sys.executable, str(ROOT / "scripts" / "opensim_faults.py")]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    printed = [float(number) for number in re.findall(r"-?\d+\.\d{6}", said)]
    rows = ROW.findall((ROOT / "docs" / "opensim_faults.md").read_text(encoding="utf-8"))
    assert len(rows) == 14
    assert " nan " in said
    for row in rows:
        wrong, right = (cell.strip() for cell in row.split("|")[3:5])
        assert wrong != right, row
        for written in NUMBER.findall(f"{wrong} {right}"):
            digits = len(written.partition(".")[2])
            assert any(f"{value:.{digits}f}" == written for value in printed), (row, written)
