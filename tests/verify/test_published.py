"""The published tables are read from files of their layout, refused with other columns, and done without when nobody answers."""

import json
import socket
import time

import matplotlib
import numpy as np
import pandas as pd
import pytest
from support.loopback import Loopback

from seaice import paths
from seaice.errors import DataError
from seaice.figures import scores as figures_scores
from seaice.sources import catalog
from seaice.sources.transfer import DownloadError
from seaice.verify import published

matplotlib.use("agg")

RUN = "IceNet__2021_06_15_1854_icenet_nature_communications__unet_tempscale"
ABLATION = "IceNet__2021_06_30_0954_icenet_pretrain_ablation__unet_tempscale"
MONTHS = pd.date_range("2012-01", "2020-12", freq="MS")
FOLDER = "repository/entry/get"


def forecast_results() -> pd.DataFrame:
    """Known scores: 96 - lead for the calibrated ensemble, others below it; each is 1 better from 2018 on; errors in km2."""
    members = {
        RUN: ("36", "37", "ensemble", "ensemble_tempscaled"),
        ABLATION: ("ensemble",),
        "SEAS5": ("NA",),
        "Linear trend": ("NA",),
    }
    below = {"36": 3, "37": 2, "ensemble": 1, "ensemble_tempscaled": 0, "NA": 4}
    rows = [
        (model, lead, date, member, 96 - lead - below[member] + (date.year >= 2018), 1e6 * lead)
        for model, names in members.items()
        for member in names
        for lead in range(1, 7)
        for date in MONTHS
    ]
    columns = ["Model", "Leadtime", "Forecast date", "Ensemble member", "Binary accuracy", "SIE error"]
    return (
        pd.DataFrame(rows, columns=columns).rename_axis("").reset_index()
    )  # with the index that the file carries along


def small_tables() -> dict[str, pd.DataFrame]:
    leads = [(lead, date) for lead in (1, 6) for date in MONTHS[:3]]
    p = np.linspace(0, 0.5, 5)
    permuted = pd.DataFrame(
        [(0, lead, date, "siconca_abs_1", -0.5) for lead, date in leads]
        # The file may also hold rows that nothing was ever written to, with their index in another order.
        + [("siconca_abs_1", 0, 1, MONTHS[0], "")],
        columns=["Seed", "Leadtime", "Forecast date", "Variable", "Accuracy drop (%)"],
    )
    return {
        "permute_and_predict_results.csv": permuted,
        "sip_bounding_results.csv": pd.DataFrame(
            {"Model": "IceNet", "p'": p, "frac_all": 100 - p, "frac_error": 100 - p, "frac_ice_edge": 100 - p}
        ),
        "ice_edge_region_results.csv": pd.DataFrame(
            [(lead, date, 90.0, 2e6, "Jan") for lead, date in leads],
            columns=["Leadtime", "Forecast date", "Coverage", "Area", "Calendar month"],
        ),
        "uncertainty_results.csv": pd.DataFrame(
            [("SEAS5", lead, date, True, False, 0.4, True, 0.01) for lead, date in leads],
            columns=[
                "Model",
                "Leadtime",
                "Forecast date",
                "Ground truth",
                "Ice edge",
                "SIP",
                "Error?",
                "Histogram weight",
            ],
        ),
        "sea_ice_outlook_errors.csv": pd.DataFrame(
            [(2012, "June", 1.0), (2013, "June", -0.5)], columns=["year", "init_month", "sie_err"]
        ),
    }


@pytest.fixture
def site(tmp_path, own_folders, monkeypatch):
    """The record's server, on the loopback, with all its tables."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "site" / FOLDER
    folder.mkdir(parents=True)
    for name, table in (
        {"2021_07_01_183913_forecast_results.csv": forecast_results()} | small_tables()
    ).items():
        (folder / name).write_text("# made for tests\n" + table.to_csv(index=False))
    with Loopback(tmp_path / "site") as site:
        yield site


@pytest.fixture
def nobody() -> str:
    """An address at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_every_layout_is_an_entry_of_the_record():
    for entry in published.LAYOUTS:
        about = catalog.metadata(entry)
        assert about["doi"] == published.DOI and about["credentials"] == "none"


def test_scores_are_read_under_our_names(site):
    table = published.read("icenet_forecast_results", base_url=site.url)
    assert set(table.model) == {
        "published_icenet",
        "published_icenet_no_pretraining",
        "published_seas5",
        "published_linear_trend",
    }
    assert "NA" in set(table.member) and "36" in set(table.member)  # the text NA is a name, not a gap
    chosen = (
        table.query("model == 'published_seas5' and lead_time == 2")
        .set_index("valid_time")
        .loc[["2012-09-01"]]
    )
    assert chosen.binary_accuracy.item() == 90 and chosen.sie_error.item() == pytest.approx(
        2.0
    )  # million km2


def test_all_tables_are_read(site):
    tables, reasons = published.fetch(tuple(published.LAYOUTS), base_url=site.url)
    assert not reasons and list(tables) == list(published.LAYOUTS)
    for entry, table in tables.items():
        assert list(table.columns) == list(published.LAYOUTS[entry]) and len(table)
    assert tables["icenet_ice_edge_region"].area.unique() == [2.0]
    assert (
        tables["icenet_permute_and_predict"].seed.tolist() == [0] * 6
    )  # the row without a value is left out
    assert tables["icenet_uncertainty"].edge.dtype == bool
    assert "because" not in published.account("demo", tables, reasons)


def test_means_by_lead_are_of_the_ensemble_and_the_test_years(site):
    results = published.read("icenet_forecast_results", base_url=site.url)
    table = published.by_lead(results, ["2018-01", "2020-07"]).set_index(["model", "lead_time"])
    assert table.value["published_icenet", 2] == pytest.approx(95)  # calibrated, 2018 on
    assert table.value["published_icenet_no_pretraining", 2] == pytest.approx(94)  # not calibrated
    assert table.value["published_linear_trend", 6] == pytest.approx(87)
    assert table["first"]["published_icenet", 6] == pd.Timestamp("2018-06-01")  # initialised in January
    assert table.n["published_icenet", 1] == 31 and table.month.unique() == ["all"]
    before = published.by_lead(results, ["1993-01", "2010-07"]).set_index(["model", "lead_time"])
    assert before.n["published_icenet", 1] == len(MONTHS)  # no month in common: all of them
    assert "IceNet, published" in [
        line.get_label() for line in figures_scores.accuracy_by_lead(table.reset_index()).axes[0].lines
    ]


def test_the_same_error_is_a_higher_accuracy_over_more_cells():
    """In September the paper counts 11.98 million km2: an IIEE of 1 there is 91.65 %, of 10 million km2 it is 90 %."""
    rows = [(9, "iiee", 1.0), (9, "binary_accuracy", 90.0), (3, "iiee", 0.0), (3, "binary_accuracy", 100.0)]
    skill = pd.DataFrame(rows, columns=["month", "metric", "value"]).assign(model="icenet", lead_time=2)
    more = skill.assign(model="trees")
    months = pd.concat([skill, more, skill.assign(month="all"), skill.assign(month=8)], ignore_index=True)
    (row,) = published.by_area(months).to_dict("records")
    assert (row["month"], row["lead_time"]) == (9, 2)  # without an error the area of March is not known
    assert row["area"] == pytest.approx(10) and row["published_area"] == pytest.approx(11.98, abs=0.01)
    assert row["over_published_area"] == pytest.approx(91.65, abs=0.01)
    assert row["difference"] == pytest.approx(1.65, abs=0.01)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda t: t.rename(columns={"Leadtime": "Lead"}),
            "the columns .*Lead, .* expected were Model, Ensemble member",
        ),
        (lambda t: t.assign(**{"Binary accuracy": "x"}), "'x' in 'Binary accuracy' is no number"),
        (lambda t: t.assign(**{"Forecast date": "soon"}), "'soon' in 'Forecast date' is no date"),
    ],
)
def test_another_layout_is_refused_with_what_was_found(change, words):
    with pytest.raises(DataError, match=f"icenet_forecast_results: .*{words}"):
        published.tidy(change(forecast_results()), "icenet_forecast_results")


def test_an_unknown_table_is_named():
    with pytest.raises(DataError, match="no published table 'icenet_sip'; there are icenet_forecast_results"):
        published.read("icenet_sip")


def test_nobody_there_is_told_at_once(own_folders, nobody, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    start = time.monotonic()
    tables, reasons = published.fetch(base_url=nobody)
    assert time.monotonic() - start < 5 and not tables and set(reasons) == set(published.SMALL)
    text = published.account("demo", tables, reasons)
    assert "NOT reached" in text and "127.0.0.1 does not answer" in text and "own scores" in text
    assert text.count("because") == 1  # the server is asked, and told of, once
    with pytest.raises(DownloadError):
        published.read("icenet_forecast_results", base_url=nobody)


def test_what_was_fetched_needs_no_server(site):
    address = site.url
    published.read("icenet_forecast_results", base_url=address)
    site.close()
    tables, reasons = published.fetch(base_url=address)
    assert list(tables) == ["icenet_forecast_results"] and len(reasons) == len(published.SMALL) - 1


def test_a_file_that_is_gone_hides_no_other(site):
    (site.folder / FOLDER / "sip_bounding_results.csv").unlink()
    tables, reasons = published.fetch(base_url=site.url)
    assert list(reasons) == ["icenet_sip_bounding"] and "HTTP 404" in reasons["icenet_sip_bounding"]
    assert len(tables) == len(published.SMALL) - 1


def run_page(address: str, capsys, monkeypatch) -> tuple[str, list]:
    """Execute the notebook's cells against a server at `address`; what it prints, and what it displays."""
    cells = json.loads((paths.root() / "notebooks" / "09_published.ipynb").read_text())["cells"]
    skill = pd.DataFrame(
        [
            (m, s, "all", lead, month, metric, value, np.nan, np.nan, 9)
            for m in ("icenet", "linear_trend")
            for s in ("validation", "test")
            for lead in range(1, 7)
            for month in ("all", 3, 9)
            for metric, value in (("binary_accuracy", 90.0 - lead), ("iiee", (10 + lead) / 10))
        ],
        columns=["model", "split", "region", "lead_time", "month", "metric", "value", "low", "high", "n"],
    )
    paths.tables("demo").mkdir(parents=True)
    skill.to_csv(paths.tables("demo") / "skill.csv", index=False)
    genuine, shown, draw = published.fetch, [], figures_scores.accuracy_by_lead
    monkeypatch.setattr(
        figures_scores, "accuracy_by_lead", lambda skill: shown.append(draw(skill)) or shown[-1]
    )
    monkeypatch.setattr(published, "fetch", lambda: genuine(base_url=address))
    names = {"display": shown.append}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    return capsys.readouterr().out, shown


def test_page_with_the_tables(site, capsys, monkeypatch):
    text, shown = run_page(site.url, capsys, monkeypatch)
    assert "read: icenet_forecast_results" in text and "no contest" in text
    assert {"icenet", "published_icenet", "published_seas5", "published_linear_trend"} <= set(shown[0].index)
    areas = shown.pop(3)
    drawn = [line.get_label() for line in shown.pop(2).axes[0].lines]
    assert {"IceNet ensemble", "IceNet, published", "SEAS5, published", "linear trend, published"} <= set(
        drawn
    )
    assert len(shown) == 4 and (paths.figures("demo") / "published.png").exists()
    assert shown[3]["June"].item() == 0.75
    assert areas.loc[(9, 1)].area == 10 and areas.loc[(3, 6)].published_area == 21.2


def test_page_without_the_tables(own_folders, nobody, capsys, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    text, (shown, figure, _) = run_page(nobody, capsys, monkeypatch)
    assert [line.get_label() for line in figure.axes[0].lines] == ["IceNet ensemble", "linear trend"]
    assert "NOT reached" in text and nobody in text
    assert (
        list(shown.index) == ["icenet", "linear_trend"] and (paths.figures("demo") / "published.png").exists()
    )
    # Nothing that depends on the network lies among the tables.
    assert [p.name for p in paths.tables("demo").iterdir()] == ["skill.csv"]
