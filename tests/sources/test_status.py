"""What lives: entries say so, successors exist, and a run that names a retired one is refused."""

import pandas as pd
import pytest
import yaml

from seaice import paths
from seaice.config import runfile
from seaice.errors import DataError
from seaice.run import inputs, plan
from seaice.sources import catalog, status

TOY = """
sources:
  old: {driver: csv, metadata: {status: retired, superseded_by: new, last: "2025-09"}, args: {urlpath: a.csv}}
  older: {driver: csv, metadata: {status: superseded, superseded_by: new}, args: {urlpath: a.csv}}
  new: {driver: csv, metadata: {}, args: {urlpath: a.csv}}
  odd: {driver: csv, metadata: {status: alive}, args: {urlpath: a.csv}}
"""


@pytest.fixture
def toy(tmp_path):
    (tmp_path / "toy.yml").write_text(TOY)
    return tmp_path / "toy.yml"


def test_a_retired_entry_is_refused_with_its_successor_and_a_superseded_one_told(toy):
    assert status.require_alive(["new"], file=toy) == []
    assert status.require_alive(["older", "new"], file=toy) == [
        "entry 'older' is superseded: for new work, name 'new' in its place"
    ]
    with pytest.raises(DataError, match="'old' is retired; its record ends with 2025-09: name 'new'"):
        status.require_alive(["new", "old"], file=toy)
    with pytest.raises(DataError, match="'odd': status 'alive'.*current, superseded, retired"):
        status.of("odd", file=toy)


def test_what_the_catalogue_says_of_the_life_of_a_record_holds_together():
    table = catalog.entries()
    for name in table.index:
        about, life = catalog.metadata(name), status.of(name)
        assert (life == "current") == ("superseded_by" not in about), name
        if life != "current":
            assert status.of(about["superseded_by"]) == "current", name
        first, last = about.get("first"), about.get("last")
        assert last is None or pd.Period(first, "M") < pd.Period(last, "M"), name
    remote = table[(table["available"] == "over the network") & table["cadence"].isin(["monthly", "daily"])]
    families = ("osisaf", "noaa_cdr", "psl_", "sea_ice_index_", "hadisst")
    for name in remote.index[remote.index.str.startswith(families)]:
        assert "first" in catalog.metadata(name), name
    assert status.of("osisaf_interim_daily_north") == "retired"


def test_every_run_file_names_what_lives_and_one_that_names_a_retired_entry_is_refused(tmp_path):
    files = sorted((paths.root() / "params").glob("*.yaml"))
    assert len(files) > 12
    for file in files:
        data = runfile.load(file).data
        inputs.notices(set().union(*data.entries.values()), hemisphere=data.hemisphere)
    run = yaml.safe_load((paths.root() / "params" / "nsidc_daily_north.yaml").read_text())
    run["data"]["sources"]["siconc"] = "osisaf_interim_daily_north"
    (tmp_path / "nsidc_daily_north.yaml").write_text(yaml.safe_dump(run))
    with pytest.raises(DataError, match="'osisaf_interim_daily_north' is retired.*'osisaf_438_daily_north'"):
        plan.load(tmp_path / "nsidc_daily_north.yaml", forgiving=True)


def test_an_entry_of_the_other_hemisphere_is_refused_before_anything_is_read():
    message = (
        "'nsidc0051_monthly_north' is of the north, and the run of the south; name an entry of the south"
    )
    with pytest.raises(DataError, match=message):
        inputs.notices(["nsidc0051_monthly_north"], hemisphere="south")
    assert inputs.notices(["ncep_t2m"], hemisphere="south") == []


def test_runs_on_open_data_need_no_account():
    for name in ("open_north", "open_south", "open_daily_north"):
        run = runfile.load(paths.root() / "params" / f"{name}.yaml")
        for entry in set().union(*run.data.entries.values()):
            about = catalog.metadata(entry)
            assert about["credentials"] == "none" and status.of(entry) == "current", entry
            assert pd.Period(about["first"], "M") <= pd.Period(run.data.start, "M"), entry
            assert pd.Period(about.get("last", "9999-12"), "M") >= pd.Period(run.data.end, "M"), entry
