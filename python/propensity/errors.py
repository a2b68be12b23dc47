"""The exceptions and warnings of propensity: every one says what, where, how many, and what to do.

The compiled core raises these classes too, so this module imports nothing of the package.
"""

from collections.abc import Iterable


class InvalidInputError(ValueError):
    """The data or an argument cannot give a meaningful answer as they stand."""


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
    """

    def __init__(self, message: str, rows: Iterable[int] = (), n_trees: int | None = None) -> None:
        super().__init__(message)
        self.rows, self.n_trees = tuple(rows), n_trees


class NoMatchesError(InvalidInputError):
    """No unit has a neighbour within the caliper."""


class ConvergenceError(InvalidInputError):
    """The iterations ended before the gradient was small enough to trust the answer."""


class InternalError(RuntimeError):
    """A promise that propensity makes to itself was broken: a bug, worth reporting."""


class OverlapWarning(UserWarning):
    """The groups share few comparable units, so the estimate leans on a handful of rows."""


class SmallSampleWarning(UserWarning):
    """An arm, or the number of clusters, is so small that standard errors tend to come out too small."""


class CollinearityWarning(UserWarning):
    """A term repeats what earlier terms say, and was left out of the model."""


class SeparationWarning(OverlapWarning):
    """The covariates foretell the treatment of some rows without error: nobody stands for them."""


class BalanceWarning(UserWarning):
    """The arms still differ after weighting or matching, or one ran short of partners in a region."""


class IntervalWarning(UserWarning):
    """An estimate has no interval of the kind asked for, while others of the table do."""


class SampleWeightWarning(UserWarning):
    """Sample weights look like counts of identical users, or are balancing weights of the scores in hand."""


class ArgumentWarning(UserWarning):
    """An argument is probably something else than it is given as."""


class CalibrationWarning(UserWarning):
    """The scores cannot be the probabilities of this treatment."""


class SlowWarning(UserWarning):
    """What was asked for takes minutes: about how many, and what would take less."""


class FailedEstimatorWarning(UserWarning):
    """One of several estimators could not be had; the others stand."""


class DegenerateWarning(UserWarning):
    """The question answers itself: nothing is adjusted for, or the outcome is given by a column."""


class ColumnWarning(UserWarning):
    """A covariate hardly means what it is read as: levels spelled in several ways, an identifier."""
