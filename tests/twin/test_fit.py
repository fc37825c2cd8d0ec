"""Does the fit reach its target?

It also chooses models that differ, and its packaged results are complete.
"""

import numpy as np
import pandas as pd
import pytest

from seaice.grid import Grid
from seaice.twin import fit as twin_fit, parameters as twin_parameters, realism

GRID = Grid("north", 675.0)


def test_kalman_inversion_finds_a_linear_world(monkeypatch):
    """The figures are linear in the parameters, so the misfit must fall by far."""
    observed = realism.reference("north")
    names, low, high = twin_fit._bounds("north")
    # In units of tolerance, so that no distance is beyond WORST.
    unit = np.array([twin_fit.tolerance(quantity) for quantity, _ in observed])
    response = unit * np.random.default_rng(1).standard_normal((len(names), len(observed)))

    def linear(values, grid):
        share = (values - low) / (high - low) - 0.6
        found = np.array(list(observed.values())) + 4 * share @ response
        return [dict(zip(observed, row, strict=True)) for row in found]

    monkeypatch.setattr(twin_fit, "trial", linear)
    start = twin_parameters.first_guess("north")
    centre, tried = twin_fit.fit(start, GRID, members=60, iterations=6, spread=0.5)
    first = tried.loc[tried.index == tried.index.max(), "misfit"]
    assert len(tried) == 360 and tried["misfit"].is_monotonic_increasing
    assert tried["misfit"][0] < 0.25 * float(first.iloc[0])
    _, low, high = twin_fit._bounds("north")
    assert np.abs((twin_fit._vector(centre) - low) / (high - low) - 0.6).mean() < 0.1


def test_imperfect_models_are_worse_than_the_truth_and_unlike_each_other():
    rng = np.random.default_rng(0)
    tried = pd.DataFrame(rng.random((300, 5)), columns=list("abcde"))
    tried["misfit"] = np.sort(1 + 4 * rng.random(300))
    chosen = twin_fit.choose(tried)
    assert set(chosen) == {"FORECAST", "TWIN-A", "TWIN-B"}
    misfit = {name: tried.set_index("a")["misfit"][row["a"]] for name, row in chosen.items()}
    assert all(m > 1.3 * tried["misfit"].min() for m in misfit.values())
    assert not chosen["TWIN-A"].equals(chosen["TWIN-B"])


def test_regions_cover_the_ice_once():
    sic = np.zeros((1, 12, *GRID.shape), "float32")
    sic[:, :, 4:12, 4:12] = 1
    regions = twin_fit.regional_extents(sic, GRID)
    total = sum(value for (_, month), value in regions.items() if month == 3)
    assert total == pytest.approx(64 * GRID.cell_area_km2 / 1e6, rel=0.1)


def test_a_world_without_ice_counts_as_the_worst():
    figures = realism.reference("north") | {("linear_trend", 1): np.nan, ("extent", 9): 1e3}
    apart = twin_fit.distances([figures], "north")
    assert apart[("linear_trend", 1)][0] == apart[("extent", 9)][0] == twin_fit.WORST
    assert apart[("extent", 3)][0] == 0


def test_every_figure_has_a_tolerance_finer_than_its_limit():
    for quantity, _ in realism.reference("north"):
        limit = realism.LIMITS.get(quantity)
        assert twin_fit.tolerance(quantity) > 0
        assert not isinstance(limit, float) or twin_fit.tolerance(quantity) < limit, quantity


def test_packaged_table_of_misfits_covers_all_models():
    table = pd.read_csv(twin_parameters.DATA.joinpath(twin_fit.MISFIT_TABLE))
    assert set(table["model"]) == {"TRUTH", "FORECAST", "TWIN-A", "TWIN-B"}
    size = (table["units_of_tolerance"] ** 2).groupby([table["hemisphere"], table["model"]]).mean() ** 0.5
    for hemisphere in set(table["hemisphere"]):
        assert size[hemisphere].idxmin() == "TRUTH"
