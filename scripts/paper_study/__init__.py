"""The study of Bian (2025), done again with a split, baselines, units and seeds; see ``scripts/surrogate_study.py``."""
