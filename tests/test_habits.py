"""Files for people and services around the code: they parse, they agree, and each command that they name exists."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from seaice import paths

ROOT = paths.root()
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
PAGES = [
    ROOT / name
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", ".ci/run", ".pre-commit-config.yaml")
]
PAGES += [ROOT / ".devcontainer" / "devcontainer.json", *WORKFLOWS, *sorted((ROOT / "docs").rglob("*.md"))]
PAGES += [*sorted((ROOT / "notebooks").glob("*.ipynb")), ROOT / ".github" / "pull_request_template.md"]
# `make target`, `VARIABLE=x make VARIABLE=y target target`, in code; ordinary prose has no backquote before `make`.
COMMAND = re.compile(r"(?:^|[`\"':]|&&|run:)\s*(?:[A-Z_]+=\S+\s+)*make((?: +[\w.<>=/:-]+)+)", re.MULTILINE)


def named(text: str) -> set[str]:
    """Targets of all calls of make in a text, without settings, options and places to fill in."""
    words = [word for call in COMMAND.findall(text) for word in call.split()]
    return {word for word in words if "=" not in word and not word.startswith("-") and "<" not in word}


def targets() -> set[str]:
    """Names that make knows: its own rules, and a run for each run file."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    rules = set(re.findall(r"^([a-z][\w-]*):(?!=)", text, re.MULTILINE))
    return rules | {file.stem for file in (ROOT / "params").glob("*.yaml")}


def code_of(page: Path) -> str:
    """Text of a page; of Markdown its code only, since `make` is also an English word."""
    text = page.read_text(encoding="utf-8")
    if page.suffix in (".md", ".ipynb"):
        blocks = re.findall(r"^```.*?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        spans = re.findall(r"`[^`\n]+`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
        text = "\n".join(blocks + spans)
    return text


def load(file: Path) -> dict:
    # YAML 1.1 reads the key `on` of a workflow as a boolean.
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {"on" if key is True else key: value for key, value in content.items()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_make_target_that_is_named_exists(page):
    assert named(code_of(page)) - targets() == set()


def test_calls_of_make_are_seen():
    assert named("`make demo`, `A=b make NEWEST=1 lint tests-rest`, `make <run>`") == {
        "demo",
        "lint",
        "tests-rest",
    }
    assert named("      - run: make tests-pages\n") == {"tests-pages"}
    assert {"demo", "test", "lint", "env", "nsidc_north"} <= targets()
    assert {"demo", "test"} <= named(code_of(ROOT / "README.md"))
    assert named((ROOT / ".ci" / "run").read_text(encoding="utf-8")) == {"lint", "test"}


def test_make_agrees_that_the_targets_of_the_workflows_exist():
    wanted = sorted(set().union(*(named(file.read_text(encoding="utf-8")) for file in WORKFLOWS)))
    dry = subprocess.run(
        ["make", "--dry-run", *wanted], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert dry.returncode == 0, dry.stderr


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_workflows_are_bounded_and_call_make_only(file):
    content = load(file)
    assert content["permissions"] == {"contents": "read"}
    assert content["concurrency"]["group"]
    assert content["on"]
    for job in content["jobs"].values():
        assert 0 < job["timeout-minutes"] <= 120
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            if "uses" in step:
                assert re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"]), (
                    "an action is pinned to its major version"
                )
            else:
                assert re.fullmatch(r"make( [\w.=-]+)+", step["run"].strip())


def test_workflows_cover_what_the_package_promises():
    assert {file.stem for file in WORKFLOWS} == {
        "book",
        "lint",
        "newest",
        "pages",
        "sources",
        "tests",
    }
    matrix = load(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]["quick"]["strategy"]["matrix"]
    assert matrix["python-version"] == ["3.11", "3.12", "3.13"]
    for weekly in ("newest", "sources"):
        assert load(ROOT / ".github" / "workflows" / f"{weekly}.yml")["on"]["schedule"]


@pytest.mark.parametrize(
    "file", [file for file in FORMS if file.stem != "config"], ids=lambda file: file.stem
)
def test_issue_forms_have_what_the_site_asks_for(file):
    form = load(file)
    assert form["name"] and form["description"]
    fields = [item for item in form["body"] if item["type"] != "markdown"]
    assert {item["type"] for item in fields} <= {"textarea", "input", "dropdown", "checkboxes"}
    assert len({item["id"] for item in fields}) == len(fields)
    assert all(item["attributes"]["label"] for item in fields)
    assert any(item.get("validations", {}).get("required") for item in fields)


def test_the_other_files_parse():
    json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    hooks = load(ROOT / ".pre-commit-config.yaml")["repos"]
    assert [repo["repo"] for repo in hooks] == ["local"], (
        "hooks are the project's own tools, of the locked versions"
    )
    assert all(
        hook["entry"].split()[0] in ("make",) or "/bin/" in hook["entry"] for hook in hooks[0]["hooks"]
    )


def test_version_changelog_and_citation_agree():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", changelog, re.MULTILINE)
    assert headings[0] == ("Unreleased", ""), "the changes since the last release come first"
    released = dict(headings[1:])
    assert all(released.values()), "a release has its date"
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", changelog, re.MULTILINE)) <= kinds
    assert version.endswith(".dev0") or version in released
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    newest = headings[1] if released else (None, None)
    assert (citation.get("version"), str(citation["date-released"]) if released else None) == newest
    assert ("date-released" in citation) == bool(released)


def test_decisions_are_numbered_listed_and_whole():
    folder = ROOT / "docs" / "decisions"
    records = sorted(folder.glob("[0-9]*.md"))
    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))
    index = (folder / "README.md").read_text(encoding="utf-8")
    for record in records:
        text = record.read_text(encoding="utf-8")
        title = re.match(rf"# {int(record.name[:4])}\. (.+)", text).group(1)
        assert f"[{title}]({record.name})" in index
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
