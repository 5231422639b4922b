"""The study of Bian (2025), done again with a split, baselines, units and seeds; ``scripts/surrogate_study.py`` runs it."""
