"""Networks trained on our own simulations, whose answers are checked, polished and, where needed, solved again.

The only code that imports torch, beside the device of static optimization. Nothing of it is pickled.
"""
