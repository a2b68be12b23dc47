"""What a release is made with: one version, workflows pinned by hash, links that lead somewhere from afar."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_citation_has_the_version_of_cargo():
    cargo = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert cited[1] == cargo["package"]["version"]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda file: file.name)
def test_actions_are_pinned_by_hash(workflow):
    used = re.findall(r"uses: (\S+)", workflow.read_text(encoding="utf-8"))
    assert used
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action) for action in used)


def test_workflows_call_commands_of_the_makefile():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    called = [m for w in WORKFLOWS for m in re.findall(r"run: make (\S+)", w.read_text(encoding="utf-8"))]
    assert called
    assert set(called) <= set(targets)


def test_every_tested_python_is_a_classifier():
    text = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    tested = re.findall(r'"(3\.\d+)"', re.search(r"python: \[(.*)\]", text)[1])
    named = [line.rsplit(" ", 1)[1] for line in PROJECT["project"]["classifiers"] if ":: 3." in line]
    assert tested == named


def test_links_of_the_readme_become_absolute():
    address = script("address")
    base = "https://host.example/owner/name"
    text = address.absolute((ROOT / "README.md").read_text(encoding="utf-8"), f"{base}/blob/abc")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert f"{base}/blob/abc/docs/validation.md" in links
    assert all(link.startswith(("https://", "#")) for link in links)


def test_addresses_go_into_the_metadata():
    written = script("address").with_urls(
        (ROOT / "pyproject.toml").read_text(encoding="utf-8"), "https://host.example/o/n"
    )
    urls = tomllib.loads(written)["project"]["urls"]
    assert urls["Repository"] == "https://host.example/o/n"
    assert set(urls) == {"Repository", "Documentation", "Changelog", "Issues"}


def test_oldest_versions_pin_every_dependency():
    pins = script("oldest").constraints(PROJECT)
    pinned = {pin.split("==")[0] for pin in pins}
    assert pinned >= {re.split(r"[>=<]", need)[0] for need in PROJECT["project"]["dependencies"]}
