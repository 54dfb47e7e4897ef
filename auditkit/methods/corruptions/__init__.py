"""Inputs as they arrive when something went wrong: images, texts, rows of tables and graphs.

Every image corruption is one function in a file of its own, and all share one form,
`auditkit.methods.corruptions.catalogue.Corruption`. Their docstrings say what is their own; the
rest holds for all.

Parameters
----------
images : Tensor
    (n, c, h, w) float32 in [0, 1], n, c, h and w at least 1, on any device. They are left as they
    are.
severity : int
    1 to 5; it chooses the published constant for this size, see
    `auditkit.methods.corruptions.severity`.
keys : ndarray
    (n,) uint64, one per input: all random numbers come from them, so that an input gets the same
    corruption whatever else is in the batch. Corruptions without chance do not read them.

Returns
-------
Tensor
    (n, c, h, w) float32 in [0, 1], on the same device.

Raises
------
ConfigError
    If `severity` is not one of 1, 2, 3, 4, 5.
"""
