"""The notebooks keep the project's rules: small, without outputs or logic, and without copies of settings."""

import ast
from pathlib import Path

import nbformat
import pytest

from seaice import paths
from seaice.config.sections import SECTIONS
from seaice.run import notebooks as run_notebooks, stages

SAMPLED = dict.fromkeys(("of_run", "of_split"), ("ready", "trees"))  # what functions of `sampling` open
NOTEBOOKS = sorted((paths.root() / "notebooks").glob("*.ipynb"))
MAX_LINES, MAX_CELL_LINES = 60, 20  # lines of code; CONTRIBUTING.md


def code_cells(notebook: Path) -> list:
    return [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]


def lines(source: str) -> int:
    return sum(1 for line in source.splitlines() if line.strip() and not line.strip().startswith("#"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_small_without_outputs_and_logic(notebook):
    cells = code_cells(notebook)
    assert not any(cell.outputs or cell.execution_count for cell in cells)
    assert sum(lines(cell.source) for cell in cells) <= MAX_LINES
    assert max(lines(cell.source) for cell in cells) <= MAX_CELL_LINES
    made = [node for cell in cells for node in ast.walk(ast.parse(cell.source))]
    assert not any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in made)
    assert any(isinstance(node, ast.Assert) for node in made), "a page checks something"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_parameters_hold_no_copy_of_settings(notebook):
    """A page is opened by the name of a run: its sections are those of the run file, unless the runner hands them over."""
    (cell,) = [c for c in code_cells(notebook) if "parameters" in c.metadata.get("tags", [])]
    values = {node.targets[0].id: ast.literal_eval(node.value) for node in ast.parse(cell.source).body}
    assert set(values) == run_notebooks.declared(notebook) and values.pop("run") == "demo"
    assert values.pop("seeds", [36]) == [36]
    assert set(values) <= set(SECTIONS) and set(values.values()) == {None}


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_every_declared_section_is_opened_and_no_other_is_read(notebook):
    trees = [ast.parse(cell.source) for cell in code_cells(notebook)]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    (opened,) = [call for call in calls if ast.unparse(call.func) == "experiment.open"]
    assert {k.arg: ast.unparse(k.value) for k in opened.keywords} == {
        name: name for name in run_notebooks.declared(notebook) & SECTIONS.keys()
    }


@pytest.mark.parametrize("file", sorted((paths.root() / "params").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_run_file_fits_the_notebooks(file):
    from seaice.run import plan

    assert plan.load(file, checksum=lambda entry: "not asked").run.run == file.stem


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_every_place_that_the_code_names_is_declared(notebook):
    """Which of them it writes the runner checks after every execution."""
    nodes = [node for cell in code_cells(notebook) for node in ast.walk(ast.parse(cell.source))]
    used = {
        (n.value.id, n.attr) for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)
    }
    places = {name for module, name in used if module in ("paths", "stored") and name in stages.FOLDERS}
    places |= {place for name in SAMPLED for place in SAMPLED[name] if ("sampling", name) in used}
    places |= {"simulation" for module, _ in used if module == "simulations"}
    places |= {"network" for module, _ in used if module == "generations"}
    stage = stages.declared(notebook)
    assert {*stage.reads, *stage.writes} == places
