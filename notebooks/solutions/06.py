"""Solutions to the exercises of notebook 06, photometric redshifts."""

import numpy as np


def pit_of_bins(share, edges, z):
    """Add up the bins below z, and of the bin that holds it the part below."""
    part = (np.asarray(z)[:, None] - edges[:-1]) / np.diff(edges)
    return (share * np.clip(part, 0, 1)).sum(axis=1)


def crps_of_sample(x, z):
    """E|x - z| - E|x - x'| / 2: far from the truth is bad, spread alone is forgiven half."""
    error = np.abs(x - np.asarray(z)[:, None]).mean(axis=1)
    spread = np.abs(x[:, :, None] - x[:, None, :]).mean(axis=(1, 2))
    return error - spread / 2
