"""The house: imports run one way, every room says what it is for, and nothing in it grows too long."""

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "lib" / "seaice"
MAX_MODULE, MAX_FUNCTION = 300, 60  # lines
# Functions that may be longer, as "folder/module.py:function", each with the reason.
LONG_FUNCTIONS: dict[str, str] = {}
GROUND = "ground"  # the modules beside the folders, of which each folder may use any

MODULES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = sorted(file.parent for file in PACKAGE.glob("*/__init__.py"))


def name(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


def layers() -> list[set[str]]:
    """Names on each layer of the contract, from the highest down; the last are the modules that everybody may use."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    (contract,) = [c for c in tools["importlinter"]["contracts"] if c["type"] == "layers"]
    return [
        {word.strip(" ()") for word in layer.replace(":", "|").split("|")} for layer in contract["layers"]
    ]


def imported(file: Path) -> set[str]:
    """Folders and top-level modules of the package that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "seaice":
            found |= {f"seaice.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return {dotted.split(".")[1] for dotted in found if dotted.startswith("seaice.")}


def check_imports(project: Path) -> subprocess.CompletedProcess:
    """Run import-linter on the package and the contract of a project's folder."""
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command; lint_imports_command()",
    ]
    environment = os.environ | {"PYTHONPATH": str(project / "lib")}
    return subprocess.run(
        [*command, "--no-cache", "--no-logo"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path) -> Path:
    """A copy of the package and its contract that a test may spoil."""
    shutil.copytree(PACKAGE, tmp_path / "lib" / "seaice", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contract_is_kept(copy):
    result = check_imports(copy)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "3 kept, 0 broken" in result.stdout


@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        ("grid.py", "from seaice import figures", "The chain runs one way"),
        ("geo/__init__.py", "import seaice.verify", "The chain runs one way"),
        ("baselines/__init__.py", "def late():\n    from seaice import forecasts", "The chain runs one way"),
        ("new_room/__init__.py", "", "The chain runs one way"),
        ("verify/__init__.py", "import matplotlib.pyplot", "Nothing below the figures draws"),
        ("paths.py", "def late():\n    import cartopy.crs", "Nothing below the figures draws"),
        ("geo/__init__.py", "import keras", "What prepares data starts without networks"),
    ],
)
def test_a_forbidden_import_breaks_the_contract(copy, module, statement, contract):
    file = copy / "lib" / "seaice" / module
    file.parent.mkdir(exist_ok=True)
    with open(file, "a", encoding="utf-8") as text:
        text.write(f"\n{statement}\n")
    result = check_imports(copy)
    assert result.returncode == 1, result.stdout + result.stderr
    assert f"{contract} BROKEN" in result.stdout


@pytest.mark.parametrize("file", MODULES, ids=name)
def test_every_module_says_what_it_is_for(file):
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    assert text, "a module begins with a docstring"
    assert text.partition("\n\n")[0].rstrip().endswith((".", "?", "!"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_folder_says_what_it_answers_and_what_it_may_import(folder):
    """Hold `May import: a, b, ground.`, the last paragraph of a folder's docstring, against contract and code."""
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    question, _, rest = text.partition("\n\n")
    assert "?" in question, "the first sentence is the question that the folder answers"
    last = " ".join(rest.split("\n\n")[-1].split())
    assert last.startswith("May import: ") and last.endswith("."), "the last paragraph is `May import: a, b.`"
    listed = {word.strip() for word in last.removeprefix("May import: ").rstrip(".").split(",")}
    order = layers()
    (place,) = [number for number, layer in enumerate(order) if folder.name in layer]
    below = set().union(*order[place + 1 : -1]) | {GROUND}
    assert listed <= below, "a folder imports only what lies below it"
    used = set().union(*(imported(file) for file in folder.rglob("*.py"))) - {folder.name}
    assert {GROUND if module in order[-1] else module for module in used} <= listed, (
        "the docstring names all that is used"
    )


@pytest.mark.parametrize("file", MODULES, ids=name)
def test_no_module_is_too_long(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= MAX_MODULE


def test_no_function_is_too_long_without_a_reason():
    long = {}
    for file in MODULES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = node.end_lineno - node.lineno + 1
                if lines > MAX_FUNCTION:
                    long[f"{name(file)}:{node.name}"] = lines
    assert {function: lines for function, lines in long.items() if function not in LONG_FUNCTIONS} == {}
    assert set(LONG_FUNCTIONS) <= set(long), "a function that is short again leaves the table"
    assert all(LONG_FUNCTIONS.values()), "each has its reason"
