"""A seed settled: from a number, from a Generator, or from nothing."""

from __future__ import annotations

import numpy as np

from propensity.errors import InvalidInputError

_SEEDS = 2**63


def settle_seed(seed: object) -> int:
    """Settle on a number from 0 to 2^63 - 1, from one, from a Generator, or from None."""
    if seed is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> np.uint64(1))
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(_SEEDS))
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InvalidInputError(
            f"seed must be a whole number of at least 0, a numpy.random.Generator, or None, not {seed!r}"
        )
    if seed >= _SEEDS:
        raise InvalidInputError(f"seed must be below 2**63, not {seed}")
    return int(seed)
