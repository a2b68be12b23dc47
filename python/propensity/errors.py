"""The exceptions and warnings of propensity: every one says what, where, how many, and what to do.

A warning's name is that of its page in the documentation, as `docs/warnings/OverlapWarning.md`: what it
means, and what to do.

The compiled core raises these classes too, so this module imports nothing of the package.
"""

from collections.abc import Iterable


class InvalidInputError(ValueError):
    """The data or an argument cannot give a meaningful answer as they stand.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=1_000)
    >>> ps.smd(users, treatment="opt_in_agent_mode", covariates=["tier"])
    Traceback (most recent call last):
        ...
    propensity.errors.InvalidInputError: column 'tier' is not in the frame; did you mean 'engagement_tier'?
    """


class OverlapError(InvalidInputError):
    """Some units could not have been in the other group: a score is 0 or 1, or nobody like them is there.

    Attributes
    ----------
    columns : tuple of int
        The columns of an outcome model's design in which these units lie outside what the other group holds.
    rows : tuple of int
        The units.
    treated : bool or None
        Whether that is the outcome model of the treated; None where no outcome model is concerned.

    Examples
    --------
    >>> import pandas as pd
    >>> import propensity as ps
    >>> df = pd.DataFrame({"t": [0, 1, 0, 1], "y": [1, 2, 3, 4], "score": [0.2, 0.5, 0.4, 1.0]})
    >>> ps.ipw(df, outcome="y", treatment="t", scores="score")
    Traceback (most recent call last):
        ...
    propensity.errors.OverlapError: column 'score': 1 score (row 3) at 0 or 1 exactly (0 at 0, 1 at...
    """

    def __init__(
        self,
        message: str,
        columns: Iterable[int] = (),
        rows: Iterable[int] = (),
        treated: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.columns, self.rows, self.treated = tuple(columns), tuple(rows), treated


class SeparationError(InvalidInputError):
    """Covariates decide the treatment of some rows: no finite maximum of the likelihood exists.

    Attributes
    ----------
    columns : tuple of int
        The columns of the design that do.

    Examples
    --------
    >>> import pandas as pd
    >>> import propensity as ps
    >>> df = pd.DataFrame({"t": [0, 0, 0, 1, 1, 1], "visits": [1, 2, 3, 4, 5, 6]})
    >>> ps.fit_propensity(df, treatment="t", covariates=["visits"])
    Traceback (most recent call last):
        ...
    propensity.errors.SeparationError: 3 rows with visits > 3 are all treated and 3 rows with...
    """

    def __init__(self, message: str, columns: Iterable[int] = ()) -> None:
        super().__init__(message)
        self.columns = tuple(columns)


class InfeasibleError(InvalidInputError):
    """No weights of an arm's rows balance the terms: these rows lie all on one side of the means wanted.

    Attributes
    ----------
    columns : tuple of int
        The columns of the design across which they do.
    treated : bool or None
        Whether that is the treated arm; None where the arms are to meet halfway.

    Examples
    --------
    >>> import pandas as pd
    >>> import propensity as ps
    >>> df = pd.DataFrame({"t": [0, 0, 0, 1, 1, 1], "visits": [1, 2, 3, 2, 9, 8]})
    >>> ps.fit_weights(df, treatment="t", covariates=["visits"])
    Traceback (most recent call last):
        ...
    propensity.errors.InfeasibleError: no weights of the control rows reach the treated's mean of...
    """

    def __init__(self, message: str, columns: Iterable[int] = (), treated: bool | None = None) -> None:
        super().__init__(message)
        self.columns, self.treated = tuple(columns), treated


class OutOfBagError(InvalidInputError):
    """Every tree of a forest has seen these rows, so that none is left to score them.

    Attributes
    ----------
    rows : tuple of int
        The rows.
    n_trees : int or None
        How many trees would leave each of them out of one; None where no sensible number would.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=1_000)
    >>> design = {"treatment": "opt_in_agent_mode", "covariates": ["query_confidence"]}
    >>> ps.fit_propensity(users, **design, score_model=ps.Forest(n_trees=2))
    Traceback (most recent call last):
        ...
    propensity.errors.OutOfBagError: Forest: 391 rows (rows 2, 3, 4, 5, 6, ...) were drawn for all...
    """

    def __init__(self, message: str, rows: Iterable[int] = (), n_trees: int | None = None) -> None:
        super().__init__(message)
        self.rows, self.n_trees = tuple(rows), n_trees


class NoMatchesError(InvalidInputError):
    """No unit has a neighbour within the caliper.

    Examples
    --------
    >>> import pandas as pd
    >>> import propensity as ps
    >>> df = pd.DataFrame({"t": [0, 0, 1, 1], "score": [0.1, 0.2, 0.8, 0.9]})
    >>> ps.match_nn(df, treatment="t", scores="score", caliper=0.1)
    Traceback (most recent call last):
        ...
    propensity.errors.NoMatchesError: no unit has a neighbour within the caliper (a distance of...
    """


class ConvergenceError(InvalidInputError):
    """The iterations ended before the gradient was small enough to trust the answer.

    Examples
    --------
    >>> import propensity as ps
    >>> issubclass(ps.errors.ConvergenceError, ps.errors.InvalidInputError)  # one clause catches both
    True
    """


class InternalError(RuntimeError):
    """A promise that propensity makes to itself was broken: a bug, worth reporting.

    Examples
    --------
    >>> import propensity as ps
    >>> issubclass(ps.errors.InternalError, RuntimeError)
    True
    """


class OverlapWarning(UserWarning):
    """The groups share few comparable units, so the estimate leans on a handful of rows.

    Examples
    --------
    >>> import pandas as pd
    >>> import propensity as ps
    >>> scores = [0.02] * 20 + [0.5] * 180
    >>> df = pd.DataFrame({"opted": [0, 1] * 100, "spend": range(200), "score": scores})
    >>> effect = ps.ipw(df, outcome="spend", treatment="opted", scores="score")
    >>> print(str(effect.cautions[0])[:55])
    little overlap: 100 treated rows are worth 18 (ESS), an
    """


class SmallSampleWarning(UserWarning):
    """An arm, or the number of clusters, is so small that standard errors tend to come out too small.

    Or few rows with values far out carry the variance, or an arm has the same outcome throughout, of which a
    standard error knows nothing.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=50)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> effect = ps.aipw(users, **roles, covariates=["query_confidence"])
    >>> print(str(effect.cautions[0])[:70])
    the treated arm is worth 15 rows; below 20 the standard error tends to
    """


class CollinearityWarning(UserWarning):
    """A term repeats what earlier terms say, and was left out of the model.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=1_000)
    >>> users["percent"] = 100 * users["query_confidence"]
    >>> covariates = ["query_confidence", "percent"]
    >>> ps.fit_propensity(users, treatment="opt_in_agent_mode", covariates=covariates).dropped
    ('percent',)
    """


class SeparationWarning(OverlapWarning):
    """The covariates foretell the treatment of some rows without error: nobody stands for them.

    Examples
    --------
    >>> import warnings
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=1_000)
    >>> users["beta"] = (users.index < 20) & (users["opt_in_agent_mode"] == 1)
    >>> roles = {"treatment": "opt_in_agent_mode", "covariates": ["query_confidence", "beta"]}
    >>> with warnings.catch_warnings(record=True) as told:
    ...     warnings.simplefilter("always")
    ...     model = ps.fit_propensity(users, **roles)
    >>> print(str(told[0].message)[:60])
    6 rows with beta == True are all treated: the score model fo
    """


class BalanceWarning(UserWarning):
    """The arms still differ after weighting or matching, or one ran short of partners in a region.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=1_000)
    >>> roles = {"treatment": "opt_in_agent_mode", "covariates": ["engagement_tier"]}
    >>> model = ps.fit_propensity(users, **roles)
    >>> pairs = ps.match_nn(users, treatment="opt_in_agent_mode", scores=model, replace=False)
    >>> print(str(pairs.cautions[0])[:55])
    partners run short: 97 treated against 54 controls with
    """


class IntervalWarning(UserWarning):
    """An estimate has no interval of the kind asked for, or too few replicates for steady ends of it.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=1_000)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> options = {"covariates": ["query_confidence"], "estimators": [ps.IPW(), ps.NearestNeighbors()]}
    >>> boot = ps.bootstrap(users, **roles, **options, n_reps=1_200)
    >>> boot.conf_int(kind="bca").isna().any(axis=1)
    estimator
    IPW ATE     False
    1-NN ATT     True
    dtype: bool
    """


class SampleWeightWarning(UserWarning):
    """Sample weights look like counts of identical users, or are balancing weights of the scores in hand.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=1_000)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> users["n"] = 1 + users.index % 5
    >>> effect = ps.aipw(users, **roles, covariates=["query_confidence"], sample_weight="n")
    >>> print(str(effect.cautions[0])[:72])
    the sample weights are whole numbers, and 3,000 in all for 1,000 rows: i
    """


class ArgumentWarning(UserWarning):
    """An argument is probably something else than it is given as.

    Examples
    --------
    >>> import warnings
    >>> import propensity as ps
    >>> with warnings.catch_warnings(record=True) as told:
    ...     warnings.simplefilter("always")
    ...     _ = ps.e_value(0.08)
    >>> print(str(told[0].message)[:60])
    0.08 as a ratio is a fall by 92%; if it is a difference of s
    """


class CalibrationWarning(UserWarning):
    """The scores cannot be the probabilities of this treatment.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=1_000)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> effect = ps.ipw(users, **roles, scores=0.9 * users["query_confidence"])
    >>> print(str(effect.cautions[0])[:62])
    the scores cannot be the probabilities of this treatment: thei
    """


class SlowWarning(UserWarning):
    """What was asked for takes minutes: about how many, and what would take less.

    Examples
    --------
    >>> import warnings
    >>> import propensity as ps
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", ps.errors.SlowWarning)  # it may take as long as it takes
    ...     users = ps.datasets.opt_in_logs(n_users=1_000)
    >>> issubclass(ps.errors.SlowWarning, UserWarning)
    True
    """


class FailedEstimatorWarning(UserWarning):
    """One of several estimators could not be had; the others stand.

    Examples
    --------
    >>> import warnings
    >>> import pandas as pd
    >>> import propensity as ps
    >>> df = pd.DataFrame({"opted": [0, 1, 0, 1] * 20, "visits": [1, 9, 3, 3] * 20, "spend": range(80)})
    >>> df.loc[0, "visits"] = 4
    >>> roles = {"outcome": "spend", "treatment": "opted", "covariates": ["visits"]}
    >>> with warnings.catch_warnings(record=True) as told:
    ...     warnings.simplefilter("always")
    ...     both = [ps.RegressionAdjustment("ATC"), ps.Balancing("ATT")]
    ...     table = ps.estimate(df, **roles, estimators=both)
    >>> print(str(told[0].message)[:60])
    EB ATT could not be had: no weights of the control rows reac
    """


class DegenerateWarning(UserWarning):
    """The question answers itself: nothing is adjusted for, or the outcome is given by a column.

    Examples
    --------
    >>> import warnings
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=1_000)
    >>> with warnings.catch_warnings(record=True) as told:
    ...     warnings.simplefilter("always")
    ...     model = ps.fit_propensity(users, treatment="opt_in_agent_mode", covariates="1")
    >>> print(str(told[0].message)[:60])
    nothing is adjusted for: no covariate has a term, and the ar
    """


class ColumnWarning(UserWarning):
    """A covariate hardly means what it is read as: levels spelled in several ways, an identifier.

    Examples
    --------
    >>> import warnings
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=1_000)
    >>> users.loc[:100, "engagement_tier"] = users["engagement_tier"].str.upper()
    >>> roles = {"treatment": "opt_in_agent_mode", "covariates": ["engagement_tier"]}
    >>> with warnings.catch_warnings(record=True) as told:
    ...     warnings.simplefilter("always")
    ...     model = ps.fit_propensity(users, **roles)
    >>> print(str(told[0].message)[:60])
    column 'engagement_tier': levels that are the same but for c
    """
