"""``python -m propensity`` prints the tutorial's numbers and saves its pictures."""

from __future__ import annotations

import subprocess
import sys

import pytest

from propensity import demo as tutorial

SMALL = ["--n-users", "3000", "--n-reps", "10"]
PICTURES = ["balance.png", "bootstrap.png", "overlap.png"]


def test_main_prints_the_tutorials_numbers(tmp_path, capsys):
    tutorial.main(["--n-reps", "10", "--output", str(tmp_path)])
    printed = capsys.readouterr().out
    for number in ["13,451", "+0.2106", "+0.0848", "+0.0767", "+0.0797", "0.647", "0.675", "+0.7416"]:
        assert number in printed


def test_main_saves_the_plots_and_says_where(tmp_path, capsys):
    folder = tmp_path / "new" / "folder"
    tutorial.main([*SMALL, "--output", str(folder)])
    printed = capsys.readouterr().out
    assert sorted(path.name for path in folder.iterdir()) == sorted([*PICTURES, "report.html"])
    for name in PICTURES:
        assert str(folder / name) in printed
        assert (folder / name).read_bytes().startswith(b"\x89PNG")


def test_main_prints_no_escape_codes_into_a_file(tmp_path, capsys):
    tutorial.main([*SMALL, "--output", str(tmp_path)])
    assert "\033" not in capsys.readouterr().out


def test_main_says_how_many_replicates(tmp_path, capsys):
    tutorial.main([*SMALL, "--output", str(tmp_path)])
    assert "Bootstrap: 10 replicates" in capsys.readouterr().out


def test_main_without_matplotlib_says_how_to_get_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    tutorial.main([*SMALL, "--output", str(tmp_path / "none")])
    assert 'pip install "propensity[plots]"' in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "none").iterdir()] == ["report.html"]


def test_main_writes_the_report_and_says_where(tmp_path, capsys):
    tutorial.main([*SMALL, "--output", str(tmp_path)])
    said = capsys.readouterr().out
    assert f"Report written\n  {(tmp_path / 'report.html').resolve()}" in said
    assert "opt_in_agent_mode raised task_completed by" in " ".join(said.split())
    assert "task_completed" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_main_without_jinja2_says_how_to_get_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    tutorial.main([*SMALL, "--output", str(tmp_path)])
    assert 'pip install "propensity[report]"' in capsys.readouterr().out


@pytest.mark.parametrize("flag", ["--n-users", "--seed", "--n-reps", "--output"])
def test_main_explains_its_options(flag):
    command = [sys.executable, "-m", "propensity", "demo", "--help"]
    helped = subprocess.run(command, capture_output=True, text=True, check=True)
    assert flag in helped.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--n-users", "0"], "argument --n-users: at least 200 are needed, not 0"),
        (["--n-users", "10"], "argument --n-users: at least 200 are needed, not 10"),
        (["--n-reps", "1"], "argument --n-reps: at least 2 are needed, not 1"),
        (["--seed", "-1"], "argument --seed: at least 0 is needed, not -1"),
    ],
)
def test_main_answers_impossible_numbers_in_words(options, said, capsys):
    with pytest.raises(SystemExit) as caught:
        tutorial.main(options)
    assert caught.value.code == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert not printed.out


@pytest.mark.filterwarnings("ignore::UserWarning")  # few users, of whom there is much to say
def test_main_works_with_the_fewest_users_and_replicates(tmp_path, capsys):
    tutorial.main(["--n-users", "200", "--n-reps", "2", "--output", str(tmp_path)])
    assert "200 users" in capsys.readouterr().out


def test_main_answers_a_place_for_no_folder_before_it_works(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match=r"--output: .*file is no folder that can be written to"):
        tutorial.main([*SMALL, "--output", str(tmp_path / "file" / "plots")])
    assert not capsys.readouterr().out


def test_main_answers_a_folder_that_cannot_be_made(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(tutorial.Path, "mkdir", refuse)
    with pytest.raises(SystemExit, match=r"plots cannot be made \(Read-only file system\); take another"):
        tutorial.main([*SMALL, "--output", str(tmp_path / "plots")])
