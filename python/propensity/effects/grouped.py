"""Effects by group: for whom the feature does what, and whether it does the same for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, get_args

import numpy as np
import pandas as pd

from propensity.effects import inference
from propensity.effects.contrasts import SCALES, Contrast
from propensity.effects.effect import Effect
from propensity.effects.equality import EqualityTest, tested_for_equality
from propensity.effects.group_cautions import told_of_groups
from propensity.effects.group_names import NoGroupError, no_group
from propensity.effects.leverage import words_of_intervals
from propensity.effects.tidy import tidied
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.checks import Bools, Floats
from propensity.frames.grouping import Grouping
from propensity.results.show import Shown

REASON, CAUTIONS = "reason", "cautions"


class EffectsOfGroups(Protocol):
    """What a method knows of the effects in G groups."""

    @property
    def corrected(self) -> bool:
        """Whether the errors of intervals are corrected for the leverage of rows."""

    def figures(self, contrast: Contrast) -> pd.DataFrame:
        """Tabulate them.

        Returns
        -------
        DataFrame (G, 12)
            `estimate`, `std_error` (of the logarithm for ratios), `df` and `interval_error` as of an effect,
            the means and effective sizes of the arms, `n_treated`, `n_control`; the `reason` why there is no
            effect, or empty; the `cautions`.
        """

    def effect(self, place: int, contrast: Contrast) -> Effect:
        """Give that of one group."""

    def covariance(self, contrast: Contrast) -> Floats:
        """Give the covariance (G, G) on the scale of the errors; of groups without an effect anything."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class GroupedEffects(Shown, Mapping[Any, Effect]):
    """The effects of one treatment in G groups of rows: a mapping from a group's name to its `Effect`.

    Groups are the values of one column, or the combinations of several, as tuples. A group that has no effect
    (too few rows of an arm) stands in the table with the reason, and is not in the mapping.

    Attributes
    ----------
    groups : Grouping
        Which group each row is in; `groups.by` are the columns.
    estimand : str
        Whose effect within a group, as for `Effect`.
    contrast : {"difference", "ratio", "percent", "odds_ratio"}
        What the estimates are.
    se_method : str
        How the standard errors were made.
    measured : str
        What was measured, as for `Effect`.
    how : str
        How the groups share the rows: by models fitted once on all, or each with models, or sets, of its own.
    cautions : tuple of Warning
        Why some interval may be narrower than it should be.
    figures : DataFrame (G, 12)
        What the table is made of.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> covariates = ["engagement_tier", "query_confidence"]
    >>> effects = ps.aipw(users, **roles, covariates=covariates, by="engagement_tier")
    >>> effects.table[["estimate", "std_error"]].round(2)
                     estimate  std_error
    engagement_tier
    heavy                0.03       0.04
    light                0.16       0.04
    medium               0.14       0.04
    >>> print(f"{effects['light'].estimate:.2f}")
    0.16
    """

    groups: Grouping
    estimand: str
    contrast: Contrast
    se_method: str
    measured: str
    how: str
    cautions: tuple[Warning, ...]
    figures: pd.DataFrame
    source: EffectsOfGroups

    @classmethod
    def of(
        cls,
        source: EffectsOfGroups,
        groups: Grouping,
        *,
        estimand: str,
        contrast: Contrast,
        se_method: str,
        measured: str = "",
        how: str = "models fitted once on all rows",
        cautions: tuple[Warning, ...] = (),
    ) -> GroupedEffects:
        """Tabulate what a method knows.

        Raises
        ------
        InvalidInputError
            No group has an effect.
        """
        figures = source.figures(contrast)
        if not (figures[REASON] == "").any():
            raise InvalidInputError(f"by: no group has an effect; the first: {figures[REASON].iloc[0]}")
        told = told_of_groups(list(figures[CAUTIONS]), groups)
        return cls(
            groups=groups,
            estimand=estimand,
            contrast=contrast,
            se_method=se_method,
            measured=measured,
            how=how,
            cautions=(*cautions, *told),
            figures=figures,
            source=source,
        )

    @property
    def by(self) -> tuple[str, ...]:
        """The columns whose values are the groups."""
        return self.groups.by

    @property
    def tidied(self) -> str:
        """What stands for missing values and rare levels of covariates; empty where nothing was tidied."""
        return next((effect.tidied for effect in self.values() if effect.tidied), "")

    def __getitem__(self, group: Any) -> Effect:
        place = self._place(group)
        reason = self._reasons[place]
        if reason:
            raise InvalidInputError(f"{self.groups.name(place)}: {reason}")
        return self.source.effect(place, self.contrast)

    def __iter__(self) -> Iterator[Any]:
        return (self.groups.index[int(place)] for place in np.flatnonzero(self._has_effect))

    def __len__(self) -> int:
        return int(self._has_effect.sum())

    def __contains__(self, group: object) -> bool:
        try:
            return bool(self._has_effect[self._place(group)])
        except KeyError:
            return False

    def _place(self, group: Any) -> int:
        try:
            place = self.groups.index.get_loc(group)
        except (KeyError, TypeError):
            place = None
        if not isinstance(place, int | np.integer):
            raise NoGroupError(no_group(self.groups, group)) from None
        return int(place)

    @property
    def _reasons(self) -> list[str]:
        return list(self.figures[REASON])

    @property
    def _has_effect(self) -> Bools:
        return np.array([reason == "" for reason in self._reasons], dtype=bool)

    @property
    def table(self) -> pd.DataFrame:
        """The effects with 95% intervals, as `to_frame` gives them."""
        return self.to_frame()

    @property
    def cov(self) -> pd.DataFrame:
        """Joint covariance (G, G) of the estimates; of the logarithms of ratios. NaN without an effect."""
        values = np.array(self.source.covariance(self.contrast))
        none = ~self._has_effect
        values[none] = np.nan
        values[:, none] = np.nan
        index = self.groups.index
        return pd.DataFrame(values, index=index, columns=index)

    def test_equal(self) -> EqualityTest:
        """Test whether all groups have the same effect (Wald's statistic, by Welch's F).

        Returns
        -------
        EqualityTest
            With `p_value`; `str()` of it is a sentence. Groups without an effect, and those whose outcome is
            the same for all, are left out.

        Raises
        ------
        InvalidInputError
            Fewer than two groups have an effect, or there are more groups than clusters.

        Notes
        -----
        On the logarithm for ratios. That all have the same ratio is another hypothesis than that all have the
        same difference: where levels differ between groups, one of the two fails.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
        >>> covariates = ["engagement_tier", "query_confidence"]
        >>> effects = ps.aipw(users, **roles, covariates=covariates, by="engagement_tier")
        >>> print(f"{effects.test_equal().p_value:.1f}")
        0.1
        """
        figures = self.figures
        errors, in_intervals = (figures[name].to_numpy() for name in ("std_error", "interval_error"))
        tested = self._has_effect & (errors > 0)
        read = SCALES[self.contrast].read
        estimates = np.array([read(value) for value in figures["estimate"].to_numpy()[tested]])
        covariance = self.source.covariance(self.contrast)[np.ix_(tested, tested)]
        corrected = in_intervals[tested] / errors[tested]
        words = f"{SCALES[self.contrast].words}s ({self.estimand}) by {', '.join(self.by)}"
        df = figures["df"].to_numpy(dtype=float)[tested]
        return tested_for_equality(estimates, covariance * np.outer(corrected, corrected), df, words)

    def contrast_as(self, contrast: Contrast) -> GroupedEffects:
        """Give the same effects as another contrast of the same means, as `Effect.contrast_as`.

        Parameters
        ----------
        contrast : {"difference", "ratio", "percent", "odds_ratio"}
            A group whose means have no such contrast has no effect in it, with the reason.

        Returns
        -------
        GroupedEffects

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
        >>> covariates = ["engagement_tier", "query_confidence"]
        >>> effects = ps.aipw(users, **roles, covariates=covariates, by="engagement_tier")
        >>> effects.contrast_as("percent").table["estimate"].round(0)
        engagement_tier
        heavy      4.0
        light     35.0
        medium    23.0
        Name: estimate, dtype: float64
        """
        contrast = checks.word("contrast", contrast, get_args(Contrast))
        return replace(self, contrast=contrast, figures=self.source.figures(contrast))

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """Tabulate the effects, with p-values adjusted for their number.

        Parameters
        ----------
        level : float, default 0.95
            Coverage of the intervals, each on its own.

        Returns
        -------
        DataFrame (G, 15)
            By group: `estimate`, `std_error` (`log_std_error` for ratios), `df`, `conf_low`, `conf_high`,
            `p_value` of no effect, `p_holm` and `p_bh` (as for `Effects.to_frame`), the means and effective
            sizes of the arms, `n_treated`, `n_control`, and a `note`: cautions, or why there is no effect.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
        >>> covariates = ["engagement_tier", "query_confidence"]
        >>> effects = ps.aipw(users, **roles, covariates=covariates, by="engagement_tier")
        >>> effects.to_frame(level=0.9)[["n_treated", "n_control"]]
                         n_treated  n_control
        engagement_tier
        heavy                  203        110
        light                  136        958
        medium                 199        394
        """
        checks.confidence_level(level)
        scale, figures = SCALES[self.contrast], self.figures
        lines = []
        for estimate, error, df in figures[["estimate", "interval_error", "df"]].itertuples(index=False):
            if np.isnan(error):
                lines.append([np.nan] * 3)
                continue
            center, reach = scale.read(estimate), inference.half_width(error, level, df)
            ends = [scale.report(center - reach), scale.report(center + reach)]
            lines.append([*ends, inference.two_sided_p(center, error, df)])
        ends_and_p = pd.DataFrame(lines, columns=["conf_low", "conf_high", "p_value"], index=figures.index)
        p = ends_and_p["p_value"].to_numpy(dtype=float)
        adjusted = {"p_holm": inference.holm(p), "p_bh": inference.benjamini_hochberg(p)}
        named = figures.rename(columns={"std_error": "log_std_error"} if scale.logarithmic else {})
        said = [
            reason or "; ".join(map(str, told))
            for reason, told in zip(figures[REASON], figures[CAUTIONS], strict=True)
        ]
        table = pd.concat([named.iloc[:, :3], ends_and_p.assign(**adjusted), named.iloc[:, 4:10]], axis=1)
        table["note"] = said
        table.attrs = {"level": level, "contrast": self.contrast}
        return table

    def tidy(self) -> pd.DataFrame:
        """Give a row a group under the names that other packages have for estimates.

        Returns
        -------
        DataFrame (G, 7)
            As `Effect.tidy`; `term` is the group, or a column each of several.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
        >>> covariates = ["engagement_tier", "query_confidence"]
        >>> effects = ps.aipw(users, **roles, covariates=covariates, by="engagement_tier")
        >>> effects.tidy()["estimate"].round(2).tolist()
        [0.03, 0.16, 0.14]
        """
        return tidied(self.to_frame(), self.contrast)

    def _headline(self) -> str:
        scale = SCALES[self.contrast]
        words = f"{scale.words} in {scale.unit}" if scale.unit else scale.words
        n = self.groups.n_groups
        of = f" of {self.measured}" if self.measured else ""
        lines = [
            f"Effects ({self.estimand}) in {n:,} groups by {', '.join(self.by)}: {words}{of}; {self.how}"
        ]
        lines.append(f"Standard errors: {self.se_method}")
        lines.append(f"Intervals: {words_of_intervals(self.source.corrected)}")
        lines.extend([f"Tidied: {self.tidied}"] if self.tidied else [])
        lines.extend(f"Caution: {caution}" for caution in self.cautions)
        return "\n".join(lines)

    def _table(self) -> pd.DataFrame:
        return self.to_frame().assign(note=self._reasons)  # cautions of groups stand above
