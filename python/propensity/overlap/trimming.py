"""Trimming: rows dropped where the arms do not overlap, and told whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from propensity.effects.sample import read_sample
from propensity.errors import InvalidInputError, OverlapError
from propensity.frames import checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.checks import Bools, Floats
from propensity.frames.columns import open_frame
from propensity.frames.counted_rows import CountedRows, CountedTable, mass_of
from propensity.frames.fingerprint import Fingerprint, Made
from propensity.frames.kept import kept_rows
from propensity.frames.native import AnyFrame, AnySeries, SomeFrame
from propensity.frames.rowwise_checks import HIGHEST, SMALLEST
from propensity.frames.takes_cells import takes_cells
from propensity.results.show import Shown
from propensity.scores.logistic import given_scores, read_chances
from propensity.scores.quantiles import quantiles_of

TrimmingRule: TypeAlias = Literal["crump", "common_support", "quantiles"]

_TAIL = (0.05, 0.95)
_CRUMP = "Crump, Hotz, Imbens and Mitnik 2009"
_TRIMMED = Made("df", "the rows were trimmed", "give the frame that was trimmed")


@dataclass(frozen=True, eq=False, repr=False)
class Trimmed(Shown):
    """Which of n rows to keep, and what each arm loses by it.

    Attributes
    ----------
    keep : Series (n,) of bool
        Called "keep", with the caller's index: ``df[trimmed.keep]`` are the rows to go on with; of pandas
        ``df[trimmed]`` are the same.
    low, high : float
        Rows with scores from `low` to `high`, both included, are kept.
    rule : str
        Where the bounds are from, in words.
    lost : DataFrame (2, 4)
        By "arm": `n`, `n_kept`, `n_dropped`, `share_dropped`, of rows.
    fingerprint : Fingerprint
        Which rows were looked at.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
    >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
    >>> trimmed = ps.trim(users, treatment=treatment, scores=model, bounds=(0.1, 0.9))
    >>> len(trimmed.frame(users)) == trimmed.keep.sum()
    np.True_
    """

    keep: AnySeries
    low: float
    high: float
    rule: str
    lost: pd.DataFrame
    fingerprint: Fingerprint

    def __call__(self, df: AnyFrame) -> AnySeries:
        """Give `keep` for the frame that was trimmed, so that pandas takes ``df[trimmed]`` too.

        Parameters
        ----------
        df : DataFrame
            With the very rows that were looked at.

        Returns
        -------
        Series (n,) of bool
        """
        table = CountedRows.of(df) if isinstance(df, CountedTable) else df
        self.fingerprint.require_same(open_frame(table), None, _TRIMMED)
        return self.keep

    def frame(self, df: SomeFrame) -> SomeFrame:
        """Give the rows to go on with, of the frame that was trimmed.

        Parameters
        ----------
        df : DataFrame
            With the very rows that were looked at.

        Returns
        -------
        DataFrame
            Of the library of `df`: its rows that are kept, in its order.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
        >>> trimmed = ps.trim(users, treatment=treatment, scores=model, bounds=(0.1, 0.9))
        >>> kept = trimmed.frame(users)
        >>> refitted = ps.fit_propensity(kept, treatment=treatment, covariates=covariates)
        >>> bool(len(kept) == trimmed.keep.sum())
        True
        """
        if isinstance(df, CountedTable):
            return df[self(df)]
        return kept_rows(df, self.fingerprint, np.asarray(self.keep), {}, _TRIMMED)

    def to_frame(self) -> pd.DataFrame:
        """Give what was lost by arm.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
        >>> ps.trim(users, treatment=treatment, scores=model, bounds=(0.1, 0.9)).to_frame()["n_dropped"]
        arm
        treated     0
        control    17
        Name: n_dropped, dtype: int64
        """
        return self.lost

    def _headline(self) -> str:
        bounds = f"Trimmed to scores from {self.low:.4g} to {self.high:.4g} ({self.rule})"
        if not self.lost["n_dropped"].any():
            return f"{bounds}: nothing is dropped"
        return f"{bounds}\nAn effect on the rows kept is for such rows alone; fit their scores anew"

    def _table(self) -> pd.DataFrame:
        return self.lost


@columns_by_name
@takes_cells()
def trim(
    df: AnyFrame,
    *,
    treatment: str,
    scores: object,
    bounds: tuple[float, float] | TrimmingRule = _TAIL,
    quantiles: tuple[float, float] | None = None,
    sample_weight: object = None,
) -> Trimmed:
    """Say which rows to keep so that the arms overlap.

    Parameters
    ----------
    df, treatment, scores : DataFrame, str, and PropensityModel, CrossFittedScores, str, Series or array
        As for `ipw`; the scores decide who is kept. Here they may be 0 or 1, of which no weight can be made.
    bounds : (float, float), "crump", "common_support" or "quantiles", default (0.05, 0.95)
        Which scores to keep, both ends included.

        - two numbers: those, chosen before a look at the outcomes. 0.1 and 0.9 is the rule of thumb of Crump
          and others; the default drops less
        - "crump": from a to 1 - a, where a makes the variance of the effect least, outcomes varying alike
          everywhere (Crump, Hotz, Imbens and Mitnik 2009)
        - "common_support": from the larger of the arms' least scores to the smaller of their largest
          (Dehejia and Wahba 1999)
        - "quantiles": from a low quantile of the treated units' scores to a high one of the controls', beyond
          which units are treated contrary to expectation (Stürmer, Rothman, Avorn and Glynn 2010)
    quantiles : None or (float, float), default None
        For "quantiles" alone: which ones, (0.05, 0.95) unless given; linearly interpolated.
    sample_weight : None, str, Series or array (n,), default None
        How much of the population a row stands for; that with which the model was fitted. Crump's rule and
        quantiles count it. A row of weight 0 is not there: it moves no bound, and is not counted.

    Returns
    -------
    Trimmed
        With `keep`, a boolean Series, and what was `lost` by arm.

    Raises
    ------
    OverlapError
        An arm would have fewer than 2 rows left.
    InvalidInputError
        The bounds are none, a column is unknown or incomplete, the treatment is not 0/1, or `scores` is of
        other rows than `df`.

    Notes
    -----
    Trimming drops units; to bound weights is `truncate`. It changes the estimand: the effect is that on the
    units kept, and "ATE" or "ATT" are then everyone's or the treated's among those. The scores are to be
    fitted again on the rows kept, which is the last line of the example; standard errors take the set of
    rows as given.

    References
    ----------
    Crump, Hotz, Imbens and Mitnik (2009), Biometrika 96:187; Dehejia and Wahba (1999), Journal of the
    American Statistical Association 94:1053; Stürmer, Rothman, Avorn and Glynn (2010), American Journal of
    Epidemiology 172:843.

    Examples
    --------
    >>> import propensity as ps
    >>> men = ps.datasets.lalonde()
    >>> design = {"treatment": "treat", "covariates": ["age", "educ", "married", "re74"]}
    >>> model = ps.fit_propensity(men, **design)
    >>> kept = men[ps.trim(men, treatment="treat", scores=model, bounds="crump").keep]
    >>> model = ps.fit_propensity(kept, **design)
    >>> len(men), len(kept)
    (614, 504)
    """
    sample = read_sample(df, treatment=treatment, sample_weight=sample_weight, also=given_scores(scores))
    e = read_chances(sample.frame, scores, sample.treated, sample.sample_weight)[0]
    treated = sample.present(sample.treated)
    weights, users = (
        None if own is None else sample.present(own) for own in (sample.sample_weight, sample.frequency)
    )
    low, high, rule = _bounds(sample.present(e), treated, (weights, users), bounds, quantiles)
    keep = (e >= low) & (e <= high)
    lost = _lost(sample.present(keep), treated, users)
    for arm, n_kept in lost["n_kept"].items():
        if n_kept < 2:
            raise OverlapError(
                f"scores: {n_kept:,} {arm} rows have one from {low:.4g} to {high:.4g}; at least 2 of each "
                "arm are needed: take wider bounds"
            )
    return Trimmed(sample.frame.series(keep, "keep"), low, high, rule, lost, sample.fingerprint)


def _bounds(
    e: Floats,
    treated: Bools,
    row_weights: tuple[Floats | None, Floats | None],
    bounds: tuple[float, float] | TrimmingRule,
    quantiles: tuple[float, float] | None,
) -> tuple[float, float, str]:
    if quantiles is not None and not (isinstance(bounds, str) and bounds == "quantiles"):
        raise InvalidInputError("quantiles: they are for bounds='quantiles' alone")
    if not isinstance(bounds, str):
        low, high = _pair("bounds", bounds)
        return low, high, "bounds as given"
    checks.choice("bounds", bounds, get_args(TrimmingRule))
    if bounds == "crump":
        inside = (e >= SMALLEST) & (e < 1)  # the variance of an effect on others has no bound
        if not inside.any():
            return SMALLEST, HIGHEST, _CRUMP
        mass = mass_of(*row_weights)
        least = crump_bound(e[inside], None if mass is None else mass[inside])
        if inside.all():
            return least, 1 - least, _CRUMP
        return max(least, SMALLEST), min(1 - least, HIGHEST), _CRUMP
    if bounds == "common_support":
        low, high = common_support(e[treated], e[~treated])
        return low, high, "common support of the arms"
    low, high = _pair("quantiles", _TAIL if quantiles is None else quantiles)
    rule = f"quantile {low:g} of the treated, {high:g} of the control units"
    own = [tuple(None if w is None else w[arm] for w in row_weights) for arm in (treated, ~treated)]
    ends = (quantiles_of(e[treated], [low], *own[0])[0], quantiles_of(e[~treated], [high], *own[1])[0])
    return float(ends[0]), float(ends[1]), rule


def _pair(name: str, values: object) -> tuple[float, float]:
    """Read two ascending numbers from 0 to 1."""
    if not (isinstance(values, tuple | list) and len(values) == 2):
        raise InvalidInputError(f"{name} must be two numbers from 0 to 1, as (0.05, 0.95), not {values!r}")
    low, high = values
    checks.number(f"{name}[0]", low, minimum=0)
    checks.number(f"{name}[1]", high, above=low)
    if high > 1:
        raise InvalidInputError(f"{name} must be two numbers from 0 to 1, as (0.05, 0.95), not {values!r}")
    return float(low), float(high)


def common_support(treated: Floats, control: Floats) -> tuple[float, float]:
    """Give the larger of the arms' least scores and the smaller of their largest."""
    return float(max(treated.min(), control.min())), float(min(treated.max(), control.max()))


def crump_bound(e: Floats, sample_weight: Floats | None = None) -> float:
    """Give a of the scores from a to 1 - a whose rows give the effect with the least variance.

    With g = 1 / (e (1 - e)): 0 where max g <= 2 mean g, else 1/2 - sqrt(1/4 - 1/l), l the solution of
    l = 2 mean(g | g <= l) (Crump, Hotz, Imbens and Mitnik 2009). The right side grows with l,
    and the solution with the most rows is taken: g(k) <= 2 mean of the k least, k as large as it can be.
    Means count sample weights.
    """
    order = np.argsort(1 / (e * (1 - e)), kind="stable")
    g = 1 / (e * (1 - e))[order]
    w = np.ones(len(g)) if sample_weight is None else sample_weight[order]
    twice_mean = 2 * np.cumsum(w * g) / np.cumsum(w)
    if g[-1] <= twice_mean[-1]:
        return 0.0
    limit = twice_mean[np.flatnonzero(g <= twice_mean)[-1]]
    return float(0.5 - np.sqrt(0.25 - 1 / limit))


def _lost(keep: Bools, treated: Bools, users: Floats | None) -> pd.DataFrame:
    arms = {"treated": treated, "control": ~treated}
    f = np.ones(len(keep)) if users is None else users
    n = pd.Series({arm: int(f[members].sum()) for arm, members in arms.items()})
    n_kept = pd.Series({arm: int(f[keep & members].sum()) for arm, members in arms.items()})
    table = pd.DataFrame({"n": n, "n_kept": n_kept, "n_dropped": n - n_kept, "share_dropped": 1 - n_kept / n})
    return table.rename_axis("arm")
