"""``python -m osimopt``."""

from .cli import main

main()
