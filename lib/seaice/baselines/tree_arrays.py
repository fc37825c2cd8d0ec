"""How do fitted trees travel? As plain arrays, which any machine reads and no code comes with.

A pickle of a classifier can run code when it is opened, and only the version of scikit-learn that
wrote it reads it for certain.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seaice.errors import DataError
from seaice.files import replacing

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

FILE = "trees.npz"
# Of every node. `arrays_of` adds `leads` and `start` (lead), the log-odds before the first tree.
NODES = {
    "feature": ("feature_idx", "uint8"),
    "threshold": ("num_threshold", "float64"),
    "missing_left": ("missing_go_to_left", "bool"),
    "left": ("left", "uint16"),
    "right": ("right", "uint16"),
    "leaf": ("is_leaf", "bool"),
    "value": ("value", "float32"),
}


class BoostedTrees:
    """The trees of one lead, with the method of a classifier that forecasts need.

    nodes: `NODES`, each (tree, node). start: the log-odds before the first tree. A node sends a row
    to its left child if the feature is at most the threshold.
    """

    def __init__(self, nodes: Mapping[str, np.ndarray], start: float):
        self.nodes, self.start = dict(nodes), float(start)

    def predict_proba(self, rows: np.ndarray) -> np.ndarray:
        """Return the probabilities (row, 2) of open water and ice.

        rows: (row, feature), float32.
        """
        log_odds, cells = np.full(len(rows), self.start), np.arange(len(rows))
        for tree in range(len(self.nodes["leaf"])):
            part = {name: values[tree] for name, values in self.nodes.items()}
            node = np.zeros(len(rows), int)
            while not (done := part["leaf"][node]).all():
                value = rows[cells, part["feature"][node]]
                left = np.where(np.isnan(value), part["missing_left"][node], value <= part["threshold"][node])
                child = np.where(left, part["left"][node], part["right"][node])
                node = np.where(done, node, child)
            log_odds += part["value"][node]
        ice = 1 / (1 + np.exp(-log_odds))
        return np.stack([1 - ice, ice], axis=1)


def arrays_of(by_lead: "Mapping[int, HistGradientBoostingClassifier]") -> dict[str, np.ndarray]:
    """Return the arrays of fitted classifiers of two classes, each `NODES` (lead, tree, node).

    Thresholds are rounded down to float32, in which the features are, so that every row goes the
    same way. Raises DataError for trees with categories, which no feature here has.
    """
    trees = [[predictors[0].nodes for predictors in c._predictors] for c in by_lead.values()]
    if any(nodes["is_categorical"].any() for lead in trees for nodes in lead):
        raise DataError("trees with categorical features can't be written as arrays; fit them without")
    shape = (len(trees), max(map(len, trees)), max(len(nodes) for lead in trees for nodes in lead))
    arrays = {name: np.zeros(shape, dtype) for name, (_, dtype) in NODES.items()}
    arrays["leaf"][:] = True  # a tree that is not there, of value 0
    for lead, of_lead in enumerate(trees):
        for tree, nodes in enumerate(of_lead):
            for name, (field, _) in NODES.items():
                arrays[name][lead, tree, : len(nodes)] = nodes[field]
    exact = arrays["threshold"]
    rounded = exact.astype("float32")
    arrays["threshold"] = np.where(rounded > exact, np.nextafter(rounded, np.float32(-np.inf)), rounded)
    starts = [classifier._baseline_prediction.item() for classifier in by_lead.values()]
    return arrays | {"leads": np.array(list(by_lead)), "start": np.array(starts)}


def write(arrays: Mapping[str, np.ndarray], file: Path) -> None:
    """Write the result of `arrays_of` to a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as temporary:
        np.savez_compressed(temporary, **arrays)


def read(file: Path) -> dict[int, BoostedTrees] | None:
    """Return the trees by lead, or None if there is no such file.

    Raises DataError for a damaged one.
    """
    if not file.is_file():
        return None
    try:
        with np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in (*NODES, "leads", "start")}
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{file}: these trees can't be read ({type(error).__name__}: {error}); install the bundle anew"
        ) from None
    return {
        int(lead): BoostedTrees({name: arrays[name][number] for name in NODES}, arrays["start"][number])
        for number, lead in enumerate(arrays["leads"])
    }
