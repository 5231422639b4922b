"""The arm that comes with osimopt, and public data."""

from .example import Example, arm26

__all__ = ["Example", "arm26"]
