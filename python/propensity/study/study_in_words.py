"""A study in words: verdicts, sentences, and the report."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from propensity.calls.keywords import answered_methods
from propensity.frames import checks
from propensity.frames.columns import open_frame
from propensity.frames.counted_rows import as_rows
from propensity.frames.rowwise_checks import are_inside
from propensity.scores.logistic import read_scores
from propensity.study.comparison import NOT_TO_BE_HAD
from propensity.study.kept import Kept
from propensity.study.report_facts import facts_of
from propensity.study.report_markdown import report_in_markdown
from propensity.study.report_page import report_as_page
from propensity.study.sentences import sentences_of
from propensity.study.verdicts import verdicts_of

if TYPE_CHECKING:
    import pandas as pd

    from propensity.study.study import Study


class StudyInWords(Kept):
    """What `Study` says of what it found."""

    def verdicts(self) -> pd.DataFrame:
        """Judge each of the assumptions that the effect rests on; of several outcomes, that on the first.

        Returns
        -------
        DataFrame (4, 2)
            By assumption ("overlap", "balance", "agreement of estimators", "nothing hidden"): the `verdict`
            ("holds", "doubtful", "fails", "cannot be tested") and the `reason`.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"treatment": "opt_in_agent_mode", "covariates": ["engagement_tier"]}
        >>> study = ps.Study(users, outcome="task_completed", **roles)
        >>> study.verdicts().loc["nothing hidden", "verdict"]
        'cannot be tested'
        """
        with self._in_words():
            self._require_scores()
            return verdicts_of(cast("Study", self))

    def summary(self) -> str:
        """Say in four sentences what was found and what it rests on, in a fifth what of further outcomes.

        Returns
        -------
        str
            The effect with its interval and lift beside the raw gap; overlap and balance; whether estimators
            agree; how strong a hidden confounder would have to be. Where an assumption fails, the first says
            so. With several outcomes that is of the first of them, and a fifth sentence gives the effects on
            the others, and says how all of it is had of one of these.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"treatment": "opt_in_agent_mode", "covariates": ["engagement_tier"]}
        >>> study = ps.Study(users, outcome="task_completed", **roles)
        >>> study.summary().startswith("opt_in_agent_mode raised task_completed by")
        True
        """
        return " ".join(self.sentences())

    def sentences(self) -> tuple[str, ...]:
        """Give the sentences of `summary` one by one.

        Returns
        -------
        tuple of str (4,), or (5,) with several outcomes

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"treatment": "opt_in_agent_mode", "covariates": ["engagement_tier"]}
        >>> study = ps.Study(users, outcome="task_completed", **roles)
        >>> len(study.sentences())
        4
        """
        with self._in_words():
            self._require_scores()
            return sentences_of(cast("Study", self))

    def on(self, outcome: str) -> Study:
        """Give the same study of one of several outcomes: its words, its verdicts, its report.

        Parameters
        ----------
        outcome : str
            One of the study's.

        Returns
        -------
        Study
            With the same table and options; a score model that was fitted is not fitted again.

        Raises
        ------
        InvalidInputError
            It is none of them.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"treatment": "opt_in_agent_mode", "covariates": ["engagement_tier"]}
        >>> study = ps.Study(users, outcome=["task_completed", "retained_7d"], **roles)
        >>> study.on("retained_7d").outcome
        'retained_7d'
        """
        study = cast("Study", self)
        checks.choice("outcome", outcome, study.outcomes)
        if len(study.outcomes) == 1:
            return study
        return self._once(f"on {outcome!r}", lambda: _of_one(study, outcome))

    def to_dict(self, by: Sequence[str] | None = None) -> dict[str, Any]:
        """Give what the report says, for a pipeline: numbers, text, lists and dicts alone.

        Parameters
        ----------
        by : list of str, or None, default None
            Columns whose values are groups; None takes covariates of 2 to 8 levels, three at most.

        Returns
        -------
        dict
            It can be written as JSON; what has no value is None.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"treatment": "opt_in_agent_mode", "covariates": ["engagement_tier"]}
        >>> study = ps.Study(users, outcome="task_completed", **roles)
        >>> study.to_dict()["question"]["n_rows"]
        2000
        """
        with self._in_words():
            self._require_scores()
            return facts_of(cast("Study", self), by)

    def to_markdown(self, by: Sequence[str] | None = None) -> str:
        """Write the report in Markdown.

        Parameters
        ----------
        by : list of str, or None, default None
            As for `to_dict`.

        Returns
        -------
        str

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"treatment": "opt_in_agent_mode", "covariates": ["engagement_tier"]}
        >>> study = ps.Study(users, outcome="task_completed", **roles)
        >>> study.to_markdown().startswith("# opt")
        True
        """
        return report_in_markdown(self.to_dict(by))

    def report(self, path: str | PathLike[str], by: Sequence[str] | None = None) -> Path:
        """Write the report, a page that needs nothing else: no network, no script.

        Parameters
        ----------
        path : str or path
            Where to; what is there is overwritten.
        by : list of str, or None, default None
            As for `to_dict`.

        Returns
        -------
        Path
            Where it is.

        Raises
        ------
        ImportError
            There is no jinja2: ``pip install "propensity[report]"``.
        OSError
            It cannot be written there.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"treatment": "opt_in_agent_mode", "covariates": ["engagement_tier"]}
        >>> study = ps.Study(users, outcome="task_completed", **roles)
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = study.report(f"{folder}/study.html")
        ...     path.name
        'study.html'
        """
        page = report_as_page(self.to_dict(by))
        place = Path(path)
        place.write_text(page, encoding="utf-8")
        return place

    def _require_scores(self) -> None:
        """Require scores that weights can be made of, before anything that takes long is asked.

        A model that cannot be fitted leaves the estimators that do without.

        Raises
        ------
        OverlapError
            A score is 0 or 1.
        """
        study = cast("Study", self)
        try:
            model = study.model
        except NOT_TO_BE_HAD:
            return
        if are_inside(model.values):
            return
        frame = open_frame(as_rows(study.df), treatment=study.treatment)
        read_scores(frame, model, model.treated, model.sample_weight)


def _of_one(study: Study, outcome: str) -> Study:
    given: dict[str, Any] = {"cluster": study.cluster, "seed": study.seed, "estimand": study.estimand}
    found = type(study)(study.df, outcome=outcome, **study._design, **study._weighted, **given)
    if "model" in study._kept:
        found._kept["model"] = study.model
    return found


answered_methods(StudyInWords)
