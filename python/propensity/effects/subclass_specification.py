"""What matching in pairs, and in groups, may be asked for, as specifications for `estimate`.

Those of nearest neighbours are in `matching_specification`. The functions of the same kind of matching say
what each argument does.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import Any, ClassVar, Literal, TypeAlias, get_args

from propensity.calls.keywords import answered_class
from propensity.effects.matching_specification import (
    FullMatching,
    MatchingEstimand,
    MatchingMethod,
    NearestNeighbors,
)
from propensity.effects.score_specification import with_options
from propensity.frames import checks

Bins: TypeAlias = Literal["sturges", "scott", "fd", "exact"]
Cutpoints: TypeAlias = Bins | int | Sequence[float]


@answered_class
@dataclass(frozen=True, repr=False)
class PairMatching(NearestNeighbors):
    """Matching in pairs: nobody serves twice, and the sum of distances is the least there is.

    Parameters
    ----------
    estimand : {"ATT", "ATC"}, default "ATT"
        Whose partners are sought: the treated units', the control units'.
    method : {"optimal", "nearest"}, default "optimal"
        Whether pairs are made all at once with the least sum of distances, or one after the other.
    order, on, covariates, caliper, caliper_unit, caliper_sd, exact, discard, seed
        As for `NearestNeighbors`.
    score_model, n_folds, n_repeats
        As for `NearestNeighbors`.

    Examples
    --------
    >>> import propensity as ps
    >>> ps.PairMatching("ATT", on="logit", caliper=0.2).label
    'pairs ATT (logit, caliper 0.2)'
    >>> ps.PairMatching()
    PairMatching(estimand='ATT')
    """

    _: KW_ONLY
    n_neighbors: int = field(default=1, init=False)
    replace: bool = field(default=False, init=False)
    max_reuse: int | None = field(default=None, init=False)
    method: MatchingMethod = "optimal"

    @property
    def label(self) -> str:
        """The name of this estimator in tables and plots; options that are not the default are in it."""
        words = self._option_words()
        words = [word for word in words if word not in ("without replacement", "optimal")]
        return with_options(f"pairs {self.estimand}", *words, "nearest" if self.method == "nearest" else "")


@answered_class
@dataclass(frozen=True)
class CoarsenedMatching:
    """Coarsened exact matching: units are compared where their coarsened covariates are all equal.

    Parameters
    ----------
    estimand : {"ATT", "ATC", "ATE"}, default "ATT"
        Whose effect, of those that are not left out.
    covariates : list of str, or None, default None
        The columns; None takes those of the analysis.
    cutpoints : str, int, list of float, or dict of str to these, default "sturges"
        How numbers are coarsened, as for `match_cem`.
    grouping : dict of str to dict, or None, default None
        What levels become, as for `match_cem`.

    Examples
    --------
    >>> import propensity as ps
    >>> ps.CoarsenedMatching("ATT", cutpoints=5).label
    'coarsened exact matching ATT (cutpoints 5)'
    """

    estimand: MatchingEstimand = "ATT"
    _: KW_ONLY
    covariates: Sequence[str] | None = None
    cutpoints: Cutpoints | Mapping[str, Cutpoints] = "sturges"
    grouping: Mapping[str, Mapping[Any, Hashable]] | None = None
    needs_score: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "estimand", checks.estimand(self.estimand, get_args(MatchingEstimand)))
        if self.covariates is not None:
            if isinstance(self.covariates, str):
                raise TypeError(f"covariates: a list of columns is needed, as [{self.covariates!r}]")
            object.__setattr__(self, "covariates", tuple(self.covariates))

    @property
    def label(self) -> str:
        """The name of this estimator in tables and plots; options that are not the default are in it."""
        options = [
            f"on {', '.join(self.covariates)}" if self.covariates else "",
            f"cutpoints {self.cutpoints}" if self.cutpoints != "sturges" else "",
            f"{', '.join(self.grouping)} grouped" if self.grouping else "",
        ]
        return with_options(f"coarsened exact matching {self.estimand}", *options)


@answered_class
@dataclass(frozen=True)
class Subclassification:
    """Comparison within subclasses between quantiles of the logistic score.

    Parameters
    ----------
    estimand : {"ATT", "ATC", "ATE"}, default "ATT"
        Whose effect, and so whose quantiles.
    n_subclasses : int, default 10
        How many, as for `subclassify`.
    min_per_arm : int, default 1
        How many rows of each arm a subclass must have; smaller ones are merged.

    Examples
    --------
    >>> import propensity as ps
    >>> ps.Subclassification("ATE", n_subclasses=5).label
    'subclassification ATE (5 subclasses)'
    """

    estimand: MatchingEstimand = "ATT"
    _: KW_ONLY
    n_subclasses: int = 10
    min_per_arm: int = 1
    needs_score: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "estimand", checks.estimand(self.estimand, get_args(MatchingEstimand)))
        checks.count("n_subclasses", self.n_subclasses)
        checks.count("min_per_arm", self.min_per_arm)

    @property
    def label(self) -> str:
        """The name of this estimator in tables and plots; options that are not the default are in it."""
        options = [
            f"{self.n_subclasses} subclasses" if self.n_subclasses != _default("n_subclasses") else "",
            f"at least {self.min_per_arm} of each arm" if self.min_per_arm != 1 else "",
        ]
        return with_options(f"subclassification {self.estimand}", *options)


def _default(name: str) -> Any:
    return next(own.default for own in fields(Subclassification) if own.name == name)


GroupMatching: TypeAlias = FullMatching | CoarsenedMatching | Subclassification
"""Matching that puts rows into subclasses."""

AnyMatching: TypeAlias = NearestNeighbors | GroupMatching
"""Any way of matching."""
