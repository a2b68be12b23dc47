"""The command line: ``propensity check``, ``propensity report`` and ``propensity demo``.

It ends with 0 where all went well, with 1 where `check` has found what functions refuse, and with 2 where the
question cannot be answered; errors are a line on the error stream, without a traceback.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from propensity import demo
from propensity.core import __version__
from propensity.errors import InvalidInputError
from propensity.frames.files import read_file
from propensity.study.check import check
from propensity.study.study import Study

_OK, _REFUSED, _WRONG = 0, 1, 2

_DESCRIPTION = "What an opt-in feature really did: a table checked, an effect estimated, a report written."


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv : sequence of str, or None, default None
        What was typed after ``propensity``; None takes it from the terminal.

    Returns
    -------
    int
        The exit code.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    if given[:1] == ["demo"]:
        demo.main(given[1:])
        return _OK
    parser = _parser()
    if not given:
        parser.print_help(sys.stderr)
        return _WRONG
    options = parser.parse_args(given)
    try:
        return int(options.run(options))
    except (InvalidInputError, TypeError, OSError, ImportError) as error:
        print(f"propensity {options.command}: {error}", file=sys.stderr)
        return _WRONG


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="propensity", description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"propensity {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="{check,report,demo}")
    looked_at = commands.add_parser("check", help="look a table over before anything is estimated")
    looked_at.set_defaults(run=_check)
    reported = commands.add_parser("report", help="estimate the effect, and write a page about it")
    reported.set_defaults(run=_report)
    commands.add_parser("demo", help="the tutorial on made-up data (propensity demo --help)")
    for command in (looked_at, reported):
        _add_roles(command, needs_outcome=command is reported)
    reported.add_argument("-o", "--output", type=Path, help="where the page goes (default: FILE.html)")
    reported.add_argument("--estimand", default="ATE", help="ATE, ATT or ATC (default: ATE, everybody)")
    reported.add_argument("--sample-weight", help="column of how much of the population a row stands for")
    reported.add_argument("--by", action="append", help="columns of groups, as tier,country")
    reported.add_argument("--seed", type=int, default=0, help="where draws start (default: 0)")
    looked_at.add_argument("--ids", help="column of which unit a row is of")
    looked_at.add_argument("--treated-at", help="column of the dates of treatment")
    return parser


def _add_roles(command: argparse.ArgumentParser, *, needs_outcome: bool) -> None:
    command.add_argument("file", metavar="FILE", help="a table: .csv, .tsv, .parquet or .duckdb")
    command.add_argument("--table", help="which table of a .duckdb file (default: the one that there is)")
    command.add_argument("--treatment", required=True, help="column of who was treated, 0/1")
    command.add_argument(
        "--outcome", action="append", required=needs_outcome, help="column, or several, as done,retained"
    )
    covariates = command.add_mutually_exclusive_group(required=needs_outcome)
    covariates.add_argument("--covariates", action="append", help="columns known before, as tier,tenure")
    covariates.add_argument("--formula", help="a formula of them instead; it is run as Python")
    command.add_argument("--cluster", help="column of groups whose rows vary together")
    command.add_argument("--json", action="store_true", help="print what was found as JSON")


def _check(options: argparse.Namespace) -> int:
    df = _read(options)
    found = check(
        df,
        treatment=options.treatment,
        covariates=_covariates(options, df),
        outcome=_names(options.outcome, df),
        cluster=options.cluster,
        ids=options.ids,
        treated_at=options.treated_at,
    )
    print(json.dumps(found.table.to_dict("records"), indent=2) if options.json else found)
    return _OK if found.ok else _REFUSED


def _report(options: argparse.Namespace) -> int:
    df = _read(options)
    outcomes = _names(options.outcome, df) or []
    study = Study(
        df,
        outcome=outcomes[0] if len(outcomes) == 1 else outcomes,
        treatment=options.treatment,
        covariates=_covariates(options, df),  # type: ignore[arg-type]
        cluster=options.cluster,
        sample_weight=options.sample_weight,
        seed=options.seed,
        estimand=options.estimand,
    )
    by = _names(options.by, df)
    place = study.report(options.output or Path(options.file).with_suffix(".html"), by=by)
    if options.json:
        print(json.dumps(study.to_dict(by), indent=2, allow_nan=False))
        return _OK
    print(textwrap.fill(study.summary(), 100))
    for caution in study.to_dict(by)["cautions"]:
        print(f"Caution: {caution}", file=sys.stderr)
    print(f"Report written: {place.resolve()}")
    return _OK


def _read(options: argparse.Namespace) -> pd.DataFrame:
    df = read_file(options.file, options.table)
    print(f"{options.file}: {len(df):,} rows, {df.shape[1]:,} columns", file=sys.stderr)
    return df


def _covariates(options: argparse.Namespace, df: pd.DataFrame) -> str | list[str] | None:
    """Give the formula, or the columns; a formula is Python, and asked for as such."""
    if options.formula is not None:
        formula: str = options.formula
        return formula
    return _names(options.covariates, df)


def _names(given: Sequence[str] | None, df: pd.DataFrame) -> list[str] | None:
    """Take names apart at commas, but for those that columns have in them."""
    if given is None:
        return None
    columns: list[Any] = list(df.columns)
    return [name for one in given for name in ([one] if one in columns else _split(one))]


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]
