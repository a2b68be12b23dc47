"""The command line: what it says, what it writes, and how it ends."""

import json
import subprocess
import sys

import pandas as pd
import pytest

import propensity as ps
from conftest import COVARIATES, OUTCOME, TREATMENT
from propensity.command_line import main
from propensity.frames.files import read_file

ROLES = ["--treatment", TREATMENT, "--outcome", OUTCOME, "--covariates", ",".join(COVARIATES)]


@pytest.fixture(scope="module")
def users():
    return ps.datasets.opt_in_logs(n_users=5_000)


@pytest.fixture(scope="module", params=["users.csv", "users.csv.gz", "users.tsv", "users.parquet"])
def file(request, users, tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / request.param
    if path.suffix == ".parquet":
        users.to_parquet(path)
    else:
        users.to_csv(path, index=False, sep="\t" if ".tsv" in path.name else ",")
    return path


@pytest.fixture
def csv(users, tmp_path):
    users.to_csv(tmp_path / "users.csv", index=False)
    return tmp_path / "users.csv"


def test_report_of_every_file_is_that_of_the_study(file, users, tmp_path, capsys):
    place = tmp_path / "study.html"
    assert main(["report", str(file), *ROLES, "-o", str(place), "--json"]) == 0
    printed = capsys.readouterr()
    study = ps.Study(read_file(file), outcome=OUTCOME, treatment=TREATMENT, covariates=COVARIATES)
    assert json.loads(printed.out) == study.to_dict()
    assert "5,000 rows" in printed.err
    expected = study.report(tmp_path / "own.html").read_text(encoding="utf-8")
    assert place.read_text(encoding="utf-8") == expected
    assert study.effect.estimate == pytest.approx(
        ps.aipw(users, outcome=OUTCOME, treatment=TREATMENT, covariates=COVARIATES).estimate, rel=1e-9
    )


def test_table_of_a_duckdb_file_is_read(users, tmp_path, capsys):
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "logs.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.register("frame", users.drop(columns="signup_date", errors="ignore"))
        connection.execute("CREATE TABLE users AS SELECT * FROM frame")
    roles = ["--treatment", TREATMENT, "--outcome", OUTCOME]
    assert main(["check", str(path), *roles]) in (0, 1)  # the one table that there is
    one = capsys.readouterr().out
    assert main(["check", str(path), "--table", "users", *roles]) in (0, 1)
    assert capsys.readouterr().out == one
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE events AS SELECT 1 AS x")
    assert main(["check", str(path), *roles]) == 2
    assert "which table is meant; it has 'events', 'users'" in capsys.readouterr().err
    assert main(["check", str(path), "--table", "user", *roles]) == 2
    assert "there is no table 'user'; it has 'events', 'users'" in capsys.readouterr().err
    (tmp_path / "bad.duckdb").write_bytes(b"no database" * 500)
    assert main(["check", str(tmp_path / "bad.duckdb"), *roles]) == 2
    assert "this is no DuckDB file that can be read" in capsys.readouterr().err


def test_table_is_named_of_a_file_of_several_alone(csv, capsys):
    assert main(["check", str(csv), *ROLES, "--table", "users"]) == 2
    assert "a table is named, 'users', and this file is but one" in capsys.readouterr().err


def test_report_says_the_summary_and_where_the_page_is(csv, capsys):
    assert main(["report", str(csv), *ROLES]) == 0
    said = capsys.readouterr().out
    assert "raised task_completed by" in said
    assert f"Report written: {csv.with_suffix('.html').resolve()}" in said
    assert csv.with_suffix(".html").exists()


def test_report_takes_every_option(csv, tmp_path, capsys):
    more = ["--cluster", "workspace_id", "--estimand", "ATT", "--by", "wave", "--seed", "4"]
    several = ["--outcome", "retained_7d,cost_usd"]
    assert main(["report", str(csv), *ROLES, *several, *more, "--json", "-o", str(tmp_path / "s.html")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["question"]["estimand"] == "ATT"
    assert found["question"]["outcomes"] == [OUTCOME, "retained_7d", "cost_usd"]
    assert found["question"]["cluster"] == "workspace_id"
    assert found["question"]["seed"] == 4
    assert [group["by"] for group in found["groups"]] == ["wave"]


def test_formula_is_taken_as_such_alone(csv, tmp_path, capsys):
    roles = ["--treatment", TREATMENT, "--outcome", OUTCOME]
    formula = "engagement_tier * query_confidence"
    assert main(["report", str(csv), *roles, "--formula", formula, "-o", str(tmp_path / "s.html")]) == 0
    capsys.readouterr()
    assert main(["report", str(csv), *roles, "--covariates", formula, "-o", str(tmp_path / "s.html")]) == 2
    assert "is a formula" in capsys.readouterr().err


def test_names_with_commas_are_names(users, tmp_path, capsys):
    path = tmp_path / "odd.csv"
    users.rename(columns={"engagement_tier": "tier, last month"}).to_csv(path, index=False)
    options = ["--covariates", "tier, last month", "--covariates", "query_confidence"]
    roles = ["--treatment", TREATMENT, "--outcome", OUTCOME, *options]
    assert main(["report", str(path), *roles, "--json", "-o", str(tmp_path / "s.html")]) == 0
    assert "tier, last month" in json.loads(capsys.readouterr().out)["question"]["covariates"]


def test_check_ends_with_one_where_functions_refuse_the_table(csv, users, tmp_path, capsys):
    assert main(["check", str(csv), *ROLES]) == 0
    assert "nothing to mend" in capsys.readouterr().out
    users.assign(query_confidence=users["query_confidence"].where(users.index > 5)).to_csv(csv, index=False)
    assert main(["check", str(csv), *ROLES]) == 1
    assert "missing in 6 rows" in capsys.readouterr().out
    assert main(["check", str(csv), *ROLES, "--json"]) == 1
    expected = ps.check(pd.read_csv(csv), treatment=TREATMENT, outcome=OUTCOME, covariates=COVARIATES)
    assert json.loads(capsys.readouterr().out) == expected.table.to_dict("records")
    assert main(["check", str(csv), "--treatment", TREATMENT]) == 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.csv", None, "there is no such file"),
        ("sheet.xlsx", b"x", "one of .csv, .tsv, .parquet and .duckdb"),
        ("junk.parquet", b"junk", "no table that can be read"),
        ("junk.csv", b"\xff\xfe\x00", "no table that can be read"),
        ("empty.csv", b"", "no table that can be read"),
        ("other.csv", b"a,b\n1,2\n", "not in the frame"),
    ],
)
def test_file_that_is_none_is_told_in_a_line(name, content, said, tmp_path, capsys):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    assert main(["report", str(path), *ROLES]) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert "Traceback" not in printed.err
    assert not printed.out


def test_page_that_cannot_be_written_is_told_in_a_line(csv, tmp_path, capsys):
    assert main(["report", str(csv), *ROLES, "-o", str(tmp_path / "nowhere" / "s.html")]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_question_that_cannot_be_answered_is_told_in_a_line(csv, users, capsys):
    users.assign(**{TREATMENT: "yes"}).to_csv(csv, index=False)
    assert main(["report", str(csv), *ROLES]) == 2
    assert "the treatment must be bool or 0/1" in capsys.readouterr().err


def test_command_without_arguments_shows_how_it_is_used(capsys):
    assert main([]) == 2
    assert "{check,report,demo}" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main(["report", "users.csv"])
    assert caught.value.code == 2
    assert "--treatment" in capsys.readouterr().err


def test_version_is_told(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"propensity {ps.__version__}\n"


def test_module_is_the_command_line(csv, tmp_path):
    command = [sys.executable, "-m", "propensity", "check", str(csv), *ROLES]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "nothing to mend" in done.stdout
    helped = subprocess.run(
        [sys.executable, "-m", "propensity", "--help"], capture_output=True, text=True, check=True
    )
    assert "demo" in helped.stdout
