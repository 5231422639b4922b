"""Files for opensim's processes that live as long as Python does."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path


@cache
def scratch_folder() -> Path:
    """Return a temporary folder, made once and removed when Python ends."""
    folder = Path(tempfile.mkdtemp(prefix="osimopt-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
