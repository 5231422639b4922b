"""The array library of an array: code that is written once, with the array API, for NumPy and torch."""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np


def namespace(array: Any) -> Any:
    """The array API of the array's library."""
    return np if isinstance(array, np.ndarray) else array_api_compat.array_namespace(array)
