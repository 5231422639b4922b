"""The problem of muscle redundancy: moments, muscles and reserves, costs."""
