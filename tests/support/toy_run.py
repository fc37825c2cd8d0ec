"""A run of three small notebooks: a project in a folder, which tests change and execute."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

RUN_FILE = """
run: toy
data: {hemisphere: north, resolution_km: 112.5, start: "1979-01", end: "1980-12", sources: {}}
training: {epochs: 4, focal_gamma: 0}
forecast: {seeds: [3, 36]}
steps:
  - notebook: 01_data
  - notebook: 02_train
    foreach: {seed: forecast.seeds}
  - notebook: 03_skill
"""
TABLES = "from seaice import paths\ntables = paths.tables(run)\ntables.mkdir(parents=True, exist_ok=True)\n"
# A training takes `focal_gamma` seconds here. Imports under `if False` are seen by the keys, as those inside functions are, but
# need not exist for the kernel.
NOTEBOOKS = {
    "01_data": (
        'run = "toy"\ndata = None',
        TABLES
        + 'if False:\n    import seaice.first\n(tables / "data.csv").write_text(f"{data[\'hemisphere\']}\\n" * 9)',
        'store = paths.ready(run)\nstore.mkdir(parents=True, exist_ok=True)\n(store / "zarr.json").write_text(data["hemisphere"])',
        'import os\nprint(os.getcwd(), object(), os.environ["PYTHONHASHSEED"])',
    ),
    "02_train": (
        'run = "toy"\nseed = 0\ntraining = None',
        TABLES + "import time, numpy\nif False:\n    from seaice import second",
        'text = (tables / "data.csv").read_text()\n(tables / f"loss-seed_{seed}.csv").write_text(text + f"{seed},")\n'
        'time.sleep(training["focal_gamma"])\n'
        '(tables / f"loss-seed_{seed}.csv").write_text(text + f"{seed},{training[\'epochs\']}\\n")',
    ),
    "03_skill": (
        'run = "toy"\nforecast = None',
        TABLES
        + 'if False:\n    import seaice.third\nloss = [(tables / f"loss-seed_{s}.csv").read_text() for s in forecast["seeds"]]',
        'head = "model,split,region,lead_time,month,metric,value,n\\n"\n'
        '(tables / "skill.csv").write_text(head + f"icenet,test,all,1,all,binary_accuracy,{len(str(loss))},3\\n")',
    ),
}
LOCK = "numpy==1.0 \\\n    --hash=sha256:aa\nscipy==1.0 \\\n    --hash=sha256:bb\n"
TRAIN = ["02_train-seed_3", "02_train-seed_36"]
ALL = ["01_data", *TRAIN, "03_skill"]
DECLARED = {
    "01_data": {"role": "prepare", "reads": [], "writes": ["ready"]},
    "02_train": {"role": "train", "reads": [], "writes": []},
    "03_skill": {"role": "evaluate", "reads": [], "writes": []},
}


def notebook(folder: Path, name: str, *cells: str) -> None:
    """Write a notebook whose first cell is its parameters cell, and its declaration."""
    first, *others = cells
    content = new_notebook(
        cells=[new_code_cell(first, metadata={"tags": ["parameters"]}), *map(new_code_cell, others)]
    )
    for number, cell in enumerate(content.cells):
        cell.id = f"cell-{number}"
    content.metadata["seaice"] = DECLARED[name]
    nbformat.write(content, folder / "notebooks" / f"{name}.ipynb")


def make_project(folder: Path) -> Path:
    """Write the project: run file, notebooks, lock and an empty catalogue."""
    for name in ("params", "notebooks"):
        (folder / name).mkdir(parents=True)
    (folder / "catalog.yml").touch()
    (folder / "requirements.lock").write_text(LOCK)
    (folder / "params" / "toy.yaml").write_text(RUN_FILE)
    for name, cells in NOTEBOOKS.items():
        notebook(folder, name, *cells)
    return folder


def edit(file: str, old: str, new: str) -> None:
    """Replace a piece of a file that must be there."""
    text = Path(file).read_text()
    assert old in text
    Path(file).write_text(text.replace(old, new))
