"""What the study's tests share with those of the package."""

from conftest import real_data as real_data
