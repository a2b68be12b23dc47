"""Small samples full of ties for the property tests: where the corner cases are."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st


@dataclass(frozen=True)
class Sample:
    """Covariates (n x d), treatment (bool) and outcome of n rows."""

    x: np.ndarray
    treatment: np.ndarray
    outcome: np.ndarray


@st.composite
def lattice_samples(draw, max_columns=3):
    """Rows on few lattice points, both arms at every point: full rank, no separation, many equal rows."""
    d = draw(st.integers(1, max_columns))
    corners = [(0,) * d] + [tuple(int(i == j) for i in range(d)) for j in range(d)]
    extra = draw(st.lists(st.tuples(*[st.integers(-2, 2)] * d), max_size=4))
    points = sorted({*corners, *extra})
    both_arms = st.tuples(st.integers(1, 3), st.integers(1, 3))
    counts = draw(st.lists(both_arms, min_size=len(points), max_size=len(points)))
    rows = [
        (p, arm) for p, (n1, n0) in zip(points, counts, strict=True) for arm in [True] * n1 + [False] * n0
    ]
    rows = draw(st.permutations(rows))
    outcome = draw(st.lists(st.integers(-3, 3), min_size=len(rows), max_size=len(rows)))
    return Sample(
        x=np.array([p for p, _ in rows], dtype=float),
        treatment=np.array([arm for _, arm in rows]),
        outcome=np.array(outcome, dtype=float),
    )


@st.composite
def scored_samples(draw, max_rows=24):
    """Scores that are few fractions, so that distances tie; two rows in either arm; x is the scores."""
    parts = draw(st.sampled_from([8, 10, 16, 30]))
    rows = draw(
        st.lists(
            st.tuples(st.integers(1, parts - 1), st.booleans(), st.integers(-3, 3)),
            min_size=4,
            max_size=max_rows,
        )
    )
    scores, treatment, outcome = (np.array(column) for column in zip(*rows, strict=True))
    treatment[:4] = [True, False, True, False]
    return Sample(x=(scores / parts)[:, None], treatment=treatment, outcome=outcome.astype(float))
