"""Training data for surrogates, and their training on problems."""
