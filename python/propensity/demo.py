"""The tutorial, from the raw logs to the intervals, the pictures and the report: ``propensity demo``."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

import propensity as ps
from propensity.errors import InvalidInputError

OUTCOME = "task_completed"
TREATMENT = "opt_in_agent_mode"
COVARIATES = ["engagement_tier", "query_confidence"]
TIERS = ["light", "medium", "heavy"]

_FEWEST_USERS = 200  # fewer have tiers in which nobody opts in, and the story has no numbers
_FEWEST_REPS = 2


def main(argv: Sequence[str] | None = None) -> None:
    """Run the tutorial on made-up data, whose true effect is known: print tables, save plots and a report."""
    options = _options(argv)
    _require_folder(options.output)
    users = ps.datasets.opt_in_logs(n_users=options.n_users, seed=options.seed)
    _tell(
        f"{len(users):,} users, {users[TREATMENT].sum():,} of whom opted in to agent mode",
        f"made-up data, seed {options.seed}: agent mode really adds {users.attrs['true_effect']:+.4f}",
    )
    _tell("The raw numbers: who completed their task", _naive_table(users))

    model = ps.fit_propensity(users, treatment=TREATMENT, covariates=COVARIATES)
    _tell("Who opts in: the propensity score, by engagement tier", _score_table(users, model))
    _tell("Overlap: the range of the score in each arm", _overlap_table(users, model))

    matches = ps.match_nn(users, treatment=TREATMENT, scores=model)
    _tell("What agent mode did, like compared with like", _effect_table(users, model, matches))
    balance = _balance_table(users, model, matches)
    _tell("Balance: treated minus control, in standard deviations", _signed(balance))

    boot = _bootstrap(users, options)
    _save_plots(options.output, users, model, balance, boot)
    _save_report(options.output, users)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="propensity demo", description=main.__doc__)
    parser.add_argument("--n-users", type=int, default=50_000, help="users to make up (default: 50000)")
    parser.add_argument("--seed", type=int, default=42, help="seed of the made-up data (default: 42)")
    parser.add_argument("--n-reps", type=int, default=500, help="bootstrap replicates (default: 500)")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("propensity-tutorial"),
        help="folder for the plots and the report (default: ./propensity-tutorial)",
    )
    options = parser.parse_args(argv)
    for flag, value, least in (
        ("--n-users", options.n_users, _FEWEST_USERS),
        ("--n-reps", options.n_reps, _FEWEST_REPS),
        ("--seed", options.seed, 0),
    ):
        if value < least:
            verb = "are" if least > 1 else "is"
            parser.error(f"argument {flag}: at least {least:,} {verb} needed, not {value:,}")
    return options


def _require_folder(folder: Path) -> None:
    """Require a folder that can be made or written to, before anything is worked out for it."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        sys.exit(f"--output: {there} is no folder that can be written to; take another")


def _naive_gap(users: pd.DataFrame) -> float:
    completed = users.groupby(TREATMENT)[OUTCOME].mean()
    return float(completed[1] - completed[0])


def _naive_table(users: pd.DataFrame) -> pd.DataFrame:
    completed = users.groupby(TREATMENT)[OUTCOME].mean()
    return pd.DataFrame(
        {
            "opted in": [f"{completed[1]:.4f}"],
            "did not": [f"{completed[0]:.4f}"],
            "naive gap": [f"{_naive_gap(users):+.4f}"],
        },
        index=["share"],
    )


def _score_table(users: pd.DataFrame, model: ps.PropensityModel) -> pd.DataFrame:
    tiers = users.assign(score=model.scores).groupby("engagement_tier")
    table = pd.DataFrame(
        {
            "users": tiers.size().map("{:,}".format),
            "opted in": tiers[TREATMENT].mean().map("{:.3f}".format),
            "mean score": tiers["score"].mean().map("{:.3f}".format),
            "completed": tiers[OUTCOME].mean().map("{:.3f}".format),
        }
    )
    return table.loc[TIERS]


def _overlap_table(users: pd.DataFrame, model: ps.PropensityModel) -> pd.DataFrame:
    arms = model.scores.groupby(users[TREATMENT].map({1: "opted in", 0: "did not"}), sort=False)
    table: pd.DataFrame = arms.agg(lowest="min", highest="max").loc[["opted in", "did not"]]
    return table.map("{:.3f}".format)


def _effect_table(users: pd.DataFrame, model: ps.PropensityModel, matches: ps.Matches) -> pd.DataFrame:
    ate, att = (
        ps.ipw(users, outcome=OUTCOME, treatment=TREATMENT, scores=model, estimand=estimand)
        for estimand in ("ATE", "ATT")
    )
    effects = {
        "IPW ATE": (ate, "everybody"),
        "IPW ATT": (att, "those who opted in"),
        "1-NN ATT": (matches.effect(OUTCOME), "those who opted in"),
    }
    rows = {
        label: [f"{effect.estimate:+.4f}", f"  {whose:<21}"] for label, (effect, whose) in effects.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["effect", "of agent mode on"])


def _balance_table(users: pd.DataFrame, model: ps.PropensityModel, matches: ps.Matches) -> pd.DataFrame:
    weighted = {
        estimand: ps.balancing_weights(users, treatment=TREATMENT, scores=model, estimand=estimand)
        for estimand in ("ATE", "ATT")
    }
    samples = {"unadjusted": None, **{f"IPW {name}": w for name, w in weighted.items()}, "1-NN ATT": matches}
    return pd.DataFrame(
        {
            label: ps.smd(users, treatment=TREATMENT, covariates=COVARIATES, weights=weights)
            for label, weights in samples.items()
        }
    )


def _bootstrap(users: pd.DataFrame, options: argparse.Namespace) -> ps.BootstrapResult:
    started = time.perf_counter()
    boot = ps.bootstrap(
        users,
        outcome=OUTCOME,
        treatment=TREATMENT,
        covariates=COVARIATES,
        estimators=[ps.IPW("ATE"), ps.IPW("ATT"), ps.NearestNeighbors("ATT")],
        n_reps=options.n_reps,
        seed=7,
    )
    seconds = time.perf_counter() - started
    table = boot.summary()[["estimate", "std_error", "conf_low", "conf_high"]].map("{:.4f}".format)
    _tell(f"Bootstrap: {options.n_reps:,} replicates, all refitted, in {seconds:.2f} seconds", table)
    for label, n_failed in boot.n_failed[boot.n_failed > 0].items():
        _tell(f"{label} could not be estimated in {n_failed:,} replicates, which are left out")
    print("  (The plain bootstrap is not valid for nearest neighbours: that interval is a rough guide.)")
    return boot


def _signed(table: pd.DataFrame) -> pd.DataFrame:
    return table.map("{:+.4f}".format)


def _save_plots(
    folder: Path,
    users: pd.DataFrame,
    model: ps.PropensityModel,
    balance: pd.DataFrame,
    boot: ps.BootstrapResult,
) -> None:
    try:
        import matplotlib as mpl  # noqa: PLC0415 - an extra
    except ImportError:
        _tell('For the plots: pip install "propensity[plots]"')
        return
    mpl.use("Agg")
    tier = pd.Categorical(users["engagement_tier"], categories=TIERS)
    truth, naive_gap = users.attrs["true_effect"], _naive_gap(users)
    pictures: dict[str, Any] = {
        "overlap": ps.plots.overlap_plot(model, users[TREATMENT], by=tier)[0],
        "balance": ps.plots.love_plot(balance),
        "bootstrap": ps.plots.bootstrap_plot(boot, reference={"naive gap": naive_gap}, truth=truth),
    }
    _make(folder)
    paths = [folder / f"{name}.png" for name in pictures]
    for path, ax in zip(paths, pictures.values(), strict=True):
        ax.figure.savefig(path, dpi=150)
    _tell("Plots saved", "\n".join(str(path.resolve()) for path in paths))


def _save_report(folder: Path, users: pd.DataFrame) -> None:
    study = ps.Study(users, outcome=OUTCOME, treatment=TREATMENT, covariates=COVARIATES)
    try:
        _tell("In words", textwrap.fill(study.summary(), 100))
        _make(folder)
        path = study.report(folder / "report.html")
    except (ImportError, InvalidInputError) as error:
        _tell(f"There is no report: {error}")
        return
    _tell("Report written", str(path.resolve()))


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        sys.exit(f"--output: {folder} cannot be made ({error.strerror}); take another folder")


def _tell(title: str, body: pd.DataFrame | str = "") -> None:
    """Print a heading, bold where the terminal can, and what stands under it."""
    bold = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print(f"\n\033[1m{title}\033[0m" if bold else f"\n{title}")
    text = body.rename_axis(None).to_string(col_space=10) if isinstance(body, pd.DataFrame) else body
    if text:
        print(textwrap.indent(text, "  "))
