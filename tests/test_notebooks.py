"""The notebooks keep the project's rules: small, without outputs or logic, and their defaults are the demo run."""

import ast
from pathlib import Path

import nbformat
import pytest

from seaice import keys, params, paths, stages

NOTEBOOKS = sorted((paths.root() / "notebooks").glob("*.ipynb"))
MAX_LINES, MAX_CELL_LINES = 60, 20  # lines of code; CONTRIBUTING.md


def code_cells(notebook: Path) -> list:
    return [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]


def lines(source: str) -> int:
    return sum(1 for line in source.splitlines() if line.strip() and not line.strip().startswith("#"))


def defaults(notebook: Path) -> dict:
    """Names and values of the parameters cell, which must be literals."""
    (cell,) = [c for c in code_cells(notebook) if "parameters" in c.metadata.get("tags", [])]
    return {node.targets[0].id: ast.literal_eval(node.value) for node in ast.parse(cell.source).body}


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
def test_defaults_are_the_demo_run(notebook):
    plan = params.load(paths.root() / "params" / "demo.yaml")
    (step,) = [step for step in plan.steps if step.notebook == notebook.stem]
    given = plan.merged(step, plan.members(step)[0])
    found = defaults(notebook)
    assert set(found) == keys.declared(notebook)
    assert found == {name: given[name] for name in found}


@pytest.mark.parametrize("file", sorted((paths.root() / "params").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_run_file_fits_the_notebooks(file):
    from seaice import plan

    assert plan.load(file, checksum=lambda entry: "not asked").run.run == file.stem


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_every_place_that_the_code_names_is_declared(notebook):
    """Which of them it writes the runner checks after every execution."""
    nodes = [node for cell in code_cells(notebook) for node in ast.walk(ast.parse(cell.source))]
    used = {(n.value.id, n.attr) for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)}
    places = {name for module, name in used if module == "paths" and name in stages.FOLDERS}
    places |= {"simulation" for module, _ in used if module == "simulated"}
    places |= {"network" for module, _ in used if module == "generations"}
    stage = stages.declared(notebook)
    assert {*stage.reads, *stage.writes} == places
