"""The problem of muscle redundancy: what is to be met, by what, at what cost."""
