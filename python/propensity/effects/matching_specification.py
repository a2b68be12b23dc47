"""What a matching may be asked for: of distances and limits by any, of partners by nearest neighbours.

A specification is made once, where the call comes in, and handed down to the core; what is asked of it
anywhere is asked of it by name. `match_nn` and `match_full` say what each argument does.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any, ClassVar, Literal, TypeAlias, get_args

from propensity.calls.keywords import answered_class
from propensity.effects.score_specification import ScoreSpecification, with_options
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.scores.choice import LOGISTIC
from propensity.scores.learners import Learner

MatchingEstimand: TypeAlias = Literal["ATT", "ATC", "ATE"]
Quantity: TypeAlias = Literal["score", "logit"]
Space: TypeAlias = Literal["score", "logit", "mahalanobis", "robust_mahalanobis", "euclidean"]
Ties: TypeAlias = Literal["average"]
MatchingMethod: TypeAlias = Literal["nearest", "optimal"]
Order: TypeAlias = Literal["largest", "smallest", "closest", "random", "data"]
Discard: TypeAlias = Literal["treated", "control", "both"]
CaliperUnit: TypeAlias = Literal["sd", "raw"]
CaliperSd: TypeAlias = Literal["all", "pooled"]

SCORES = ("scores", "logit")
"""What a caliper on the scores is called among those on columns."""

_READ = ("covariates", "caliper", "exact")  # of a frame, where the core has arrays
_SCORED = ("score_model", "n_folds", "n_repeats")  # before anything is matched


@dataclass(frozen=True)
class Matching:
    """What every matching of units with units is asked for: whose effect, on what distances, within what.

    Attributes
    ----------
    kind : {"nearest", "full"}
        Whether units get their nearest, or all are put into subclasses of least distance.
    estimand, on, covariates, caliper, caliper_unit, caliper_sd, exact, discard, seed
        As for `match_nn`.
    """

    estimand: MatchingEstimand = "ATT"
    _: KW_ONLY
    on: Space = "score"
    covariates: Sequence[str] | str | None = None
    caliper: float | Mapping[str, float] | None = None
    caliper_unit: CaliperUnit = "sd"
    caliper_sd: CaliperSd = "all"
    exact: Sequence[str] = ()
    discard: Discard | None = None
    seed: int = 0
    kind: ClassVar[Literal["nearest", "full"]]

    def __post_init__(self) -> None:
        object.__setattr__(self, "estimand", checks.estimand(self.estimand, get_args(MatchingEstimand)))
        checks.choice("on", self.on, get_args(Space))
        checks.choice("caliper_unit", self.caliper_unit, get_args(CaliperUnit))
        checks.choice("caliper_sd", self.caliper_sd, get_args(CaliperSd))
        checks.count("seed", self.seed, minimum=0)
        if self.discard is not None:
            checks.choice("discard", self.discard, get_args(Discard))
        # Lists and dicts of the caller would change under a frozen specification.
        for name, names in {"exact": self.exact, "covariates": self.covariates}.items():
            object.__setattr__(self, name, _frozen_names(name, names))
        self._check_calipers()

    def _check_calipers(self) -> None:
        if isinstance(self.caliper, Mapping):
            object.__setattr__(self, "caliper", dict(self.caliper))
            for name, width in self.caliper.items():
                checks.column_name("caliper", name)
                checks.number(f"caliper[{name!r}]", width, above=0.0)
        elif self.caliper is not None:
            checks.number("caliper", self.caliper, above=0.0)

    @property
    def on_scores(self) -> bool:
        """Whether distances are between scores or their logits, not between covariates."""
        return self.on in ("score", "logit")

    @property
    def calipers(self) -> dict[str, float]:
        """Every caliper by what it is on."""
        if self.caliper is None:
            return {}
        if isinstance(self.caliper, Mapping):
            return dict(self.caliper)
        return {"logit" if self.on == "logit" else "scores": self.caliper}

    def wanting_scores(self, columns: Collection[object] = ()) -> list[str]:
        """Say what cannot do without scores; a caliper on one of their words may mean a column so called."""
        on_columns = set(columns) if isinstance(self.caliper, Mapping) else set()
        wanting = {
            f"on={self.on!r}": self.on_scores,
            "caliper": any(name in SCORES and name not in on_columns for name in self.calipers),
            f"discard={self.discard!r}": self.discard is not None,
        }
        return [name for name, needed in wanting.items() if needed]

    @property
    def core_options(self) -> dict[str, Any]:
        """The options that the core takes as they stand: what it reads of a frame it takes by value.

        The subclasses of a full matching are the same whose effect it is.
        """
        left_out = {"nearest": (*_READ, *_SCORED, "variance_neighbors"), "full": (*_READ, "estimand")}[
            self.kind
        ]
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name not in left_out}

    def _option_words(self) -> list[str]:
        """Say which options are not the default."""
        return [
            self.on.replace("_", " ") if self.on != "score" else "",
            self._caliper_words(),
            f"exact {', '.join(self.exact)}" if self.exact else "",
            f"{self.discard} discarded" if self.discard else "",
        ]

    def _caliper_words(self) -> str:
        if self.caliper is None:
            return ""
        calipers = self.caliper if isinstance(self.caliper, Mapping) else {"": self.caliper}
        words = ", ".join(f"{width:g} {name}".strip() for name, width in calipers.items())
        unit = " raw" if self.caliper_unit == "raw" else " pooled sd" if self.caliper_sd == "pooled" else ""
        return f"caliper {words}{unit}"


@answered_class
@dataclass(frozen=True)
class FullMatching(Matching):
    """Full matching: everybody in a subclass of one unit of an arm and one or more of the other.

    Parameters
    ----------
    estimand : {"ATT", "ATC", "ATE"}, default "ATT"
        Whose effect the weights are for; the subclasses are the same.
    on, covariates, caliper, caliper_unit, caliper_sd, exact, discard, seed
        As for `match_full`; `covariates` None takes those of the analysis.

    Examples
    --------
    >>> import propensity as ps
    >>> ps.FullMatching("ATE", on="logit").label
    'full matching ATE (logit)'
    """

    kind: ClassVar[Literal["nearest", "full"]] = "full"

    @property
    def needs_score(self) -> bool:
        """Whether it cannot do without the logistic score."""
        return bool(self.wanting_scores())

    @property
    def label(self) -> str:
        """The name of this estimator in tables and plots; options that are not the default are in it."""
        return with_options(f"full matching {self.estimand}", *self._option_words())


@answered_class
@dataclass(frozen=True, repr=False)
class NearestNeighbors(ScoreSpecification, Matching):
    """Matching with the nearest units of the other arm.

    Parameters
    ----------
    estimand : {"ATT", "ATC", "ATE"}, default "ATT"
        Whose effect: each treated unit is compared with its nearest controls (ATT), each control with its
        nearest treated units (ATC), or both (ATE).
    n_neighbors : int, default 1
        Neighbours per unit.
    replace : bool, default True
        Whether a unit may be a neighbour more than once.
    max_reuse : int or None, default None
        The most units that one may be a neighbour of. None means no limit.
    method : {"nearest", "optimal"}, default "nearest"
        Whether units get their neighbours one after the other, or all at once with the least sum.
    order : {"largest", "smallest", "closest", "random", "data"} or None, default None
        Who chooses first, as for `match_nn`.
    on : {"score", "logit", "mahalanobis", "robust_mahalanobis", "euclidean"}, default "score"
        What distances are measured on, as for `match_nn`.
    covariates : list of str, str, or None, default None
        Of the distances between covariates; None takes those of the analysis.
    caliper : float, dict, or None, default None
        Largest difference allowed, as for `match_nn`: of the quantity matched on, or by name.
    caliper_unit, caliper_sd : str, default "sd" and "all"
        What calipers are counted in, as for `match_nn`.
    exact : sequence of str, default ()
        Columns in which a unit and its neighbours must agree.
    discard : {"treated", "control", "both"} or None, default None
        Whose units to leave out beyond the other arm's range of scores.
    seed : int, default 0
        Of the draws that settle ties where a unit may not be used freely; of the folds too.
    score_model : "logistic", "probit", "cloglog", ps.Boosting(...), ps.Forest(...) or a classifier
        What gives the scores of an analysis, as for `fit_propensity`, "logistic" by default. Where scores are
        given it is not asked.
    n_folds, n_repeats : int, default None and 1
        As for `fit_propensity`.
    variance_neighbors : int, default 1
        With replacement, how many others of its arm show how much the outcome of a unit varies, for the
        standard error. One is the most local, and what R's Matching takes (`Var.calc`); Stata's
        `teffects nnmatch` takes 2.

    Examples
    --------
    >>> import propensity as ps
    >>> ps.NearestNeighbors().label
    '1-NN ATT'
    >>> ps.NearestNeighbors("ATC", n_neighbors=3, caliper=0.2, on="logit").label
    '3-NN ATC (logit, caliper 0.2)'
    >>> ps.NearestNeighbors(replace=False, exact=["tier"]).label
    '1-NN ATT (without replacement, exact tier)'
    """

    n_neighbors: int = 1
    _: KW_ONLY
    replace: bool = True
    max_reuse: int | None = None
    method: MatchingMethod = "nearest"
    order: Order | None = None
    score_model: Learner = LOGISTIC
    n_folds: int | None = None
    n_repeats: int = 1
    variance_neighbors: int = 1
    kind: ClassVar[Literal["nearest", "full"]] = "nearest"

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.count("n_neighbors", self.n_neighbors)
        checks.choice("method", self.method, get_args(MatchingMethod))
        checks.flag("replace", self.replace)
        if self.order is not None:
            checks.choice("order", self.order, get_args(Order))
        self.check_score_model()
        self._check_reuse()
        checks.count("variance_neighbors", self.variance_neighbors)
        if self.variance_neighbors > 1 and self.max_uses == 1:
            raise InvalidInputError(
                f"variance_neighbors: {self.variance_neighbors} is for matching with replacement; without "
                "it sets are compared with each other, and no neighbours are asked for; leave it out"
            )

    def _check_reuse(self) -> None:
        if self.max_reuse is not None:
            checks.count("max_reuse", self.max_reuse)
            if not self.replace and self.max_reuse > 1:
                raise InvalidInputError(
                    "max_reuse: with replace=False a unit serves once, "
                    f"not {self.max_reuse} times; leave one of the two out"
                )
        if self.method == "optimal":
            self._check_optimal()
        if self.estimand == "ATE" and self.max_uses == 1:
            raise InvalidInputError(
                "estimand: there is no ATE without replacement, for the larger arm finds no partners; take "
                '"ATT" or "ATC", replace=True, or match_full'
            )

    def _check_optimal(self) -> None:
        if self.max_uses != 1:
            raise InvalidInputError(
                "replace: with method='optimal' a unit serves once (with replacement nobody can do better "
                "than the nearest); take replace=False"
            )
        if self.order is not None:
            raise InvalidInputError(
                f"order: with method='optimal' nobody chooses first; leave order={self.order!r} out"
            )

    @property
    def max_uses(self) -> int | None:
        """For how many units one may be a neighbour; None for any number."""
        return self.max_reuse if self.replace else 1

    def wanting_scores(self, columns: Collection[object] = ()) -> list[str]:
        """As for any matching; also who chooses first."""
        chosen = [f"order={self.order!r}"] if self.order in ("largest", "smallest") else []
        return super().wanting_scores(columns) + chosen

    @property
    def is_plain(self) -> bool:
        """Whether it is with replacement on the score or logit, with at most a caliper on that.

        Such matching has the standard error that counts that scores were estimated, and can be repeated in a
        bootstrap.
        """
        usual_caliper = not isinstance(self.caliper, dict) and (
            self.caliper is None or (self.caliper_unit == "sd" and self.caliper_sd == "all")
        )
        others = self.exact or self.discard or self.max_uses is not None
        return self.on_scores and usual_caliper and not others

    @property
    def label(self) -> str:
        """The name of this estimator in tables and plots; options that are not the default are in it."""
        return with_options(f"{self.n_neighbors}-NN {self.estimand}", *self._option_words())

    def _option_words(self) -> list[str]:
        on, *others = super()._option_words()
        return [
            on,
            "without replacement" if self.max_uses == 1 else "",
            f"reused at most {self.max_uses} times" if (self.max_uses or 1) > 1 else "",
            *others,
            f"{self.order} first" if self.order else "",
            "optimal" if self.method == "optimal" else "",
            f"{self.variance_neighbors} variance neighbours" if self.variance_neighbors > 1 else "",
            self.score_choice.label,
        ]


def _frozen_names(role: str, names: Sequence[str] | str | None) -> Sequence[str] | str | None:
    if role == "exact" and isinstance(names, str):  # a column by itself; covariates may be a formula
        return (names,)
    return names if names is None or isinstance(names, str) else tuple(names)
