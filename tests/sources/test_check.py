"""Asking the catalogue's servers: what answers, moved, changed or fails is told apart, and nothing is downloaded."""

import pytest
from support import open_site
from support.loopback import Loopback
from typer.testing import CliRunner

from seaice.errors import DataError
from seaice.sources import check, transfer

AIR = "Datasets/ncep.reanalysis/Monthlies/surface/air.mon.mean.nc"


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Open data of a few months on a server, and a project whose catalogue names it."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("SEAICE_CACHE", str(tmp_path / "data"))
    monkeypatch.setattr("time.sleep", lambda _: None)
    (tmp_path / "site").mkdir()
    open_site.publish_psl(
        tmp_path / "site", AIR, "air", open_site.simulated_air("1979-01", "1979-06"), "degC"
    )
    open_site.publish_cdr(tmp_path / "site", open_site.simulated_ice("1979-01", "1980-12"), "north")
    with Loopback(tmp_path / "site") as site:
        monkeypatch.chdir(open_site.project(tmp_path / "project", site.url))
        yield site


def verdicts(name: str) -> list[tuple[str, str]]:
    return [(answer.verdict, answer.text) for answer in check.check(name)]


def test_what_answers_is_told_with_size_and_format_and_not_downloaded(server):
    [(verdict, text)] = verdicts("noaa_cdr_v6_monthly_north")
    size = next(server.folder.glob("NOAA/**/*.nc")).stat().st_size
    assert verdict == "answers" and text.startswith(f"{size} bytes, NetCDF-4")
    assert server.sent < size / 2 and not list(server.folder.parent.glob("data/downloads/**/*.nc"))


def test_every_mirror_is_asked_and_a_file_that_is_gone_fails(server):
    (_, first), (verdict, text) = verdicts("psl_ncep_air")
    assert "bytes" in first and verdict == "fails" and "mirror" in check.check("psl_ncep_air")[1].address
    assert "the server has no such file" in text
    (server.folder / AIR).unlink()
    assert verdicts("psl_ncep_air")[0][0] == "fails"


def test_a_file_of_another_size_variable_or_format_has_changed(server):
    assert verdicts("psl_ncep_air")[0][0] == "changed"  # a few months are less than half of the record
    air = open_site.simulated_air("1979-01", "1979-06")
    open_site.publish_psl(server.folder, AIR, "temperature", air, "degC")
    assert verdicts("psl_ncep_air")[0] == ("changed", "has no variable air")
    (server.folder / AIR).write_text("<!DOCTYPE html><html>moved</html>")
    assert verdicts("psl_ncep_air")[0] == ("changed", "holds a web page, expected NetCDF")


def test_a_file_that_moved_is_told_with_its_new_place(server):
    file = next(server.folder.glob("NOAA/**/*.nc"))
    path = f"/{file.relative_to(server.folder)}"
    server.moved[path] = f"{server.url}/new/{file.name}"
    (server.folder / "new").mkdir()
    (server.folder / "new" / file.name).write_bytes(file.read_bytes())
    assert verdicts("noaa_cdr_v6_monthly_north") == [("moved", f"to {server.url}/new/{file.name}")]


def test_a_server_that_hangs_or_is_down_fails(server, monkeypatch):
    monkeypatch.setattr(transfer, "TIMEOUT", (1, 0.2))
    server.faults.extend([("hang", 1.0)] * 5)
    [(verdict, text)] = verdicts("noaa_cdr_v6_monthly_north")
    assert verdict == "fails" and "does not answer" in text
    server.close()
    assert verdicts("noaa_cdr_v6_monthly_north")[0][0] == "fails"
    text = "does not answer (ConnectionError); is there a network?"
    assert verdicts("psl_ncep_air")[0] == ("fails", text)


def test_the_command_lists_what_is_to_be_looked_at(server):
    answer = CliRunner().invoke(check.app, ["check", "noaa_cdr_v6_monthly_north", "psl_ncep_air"])
    assert answer.exit_code == 1 and "3 addresses asked, 2 to look at" in answer.output
    assert CliRunner().invoke(check.app, ["check", "noaa_cdr_v6_monthly_north"]).exit_code == 0
    assert "not in the catalogue" in CliRunner().invoke(check.app, ["check", "no_such"]).output


def test_all_files_behind_http_are_asked_for_but_those_that_are_retired(server):
    names = check.entries()
    assert {"osisaf_450a1_daily_north", "psl_ersst", "hadisst", "sea_ice_index_north"} <= set(names)
    assert not {n for n in names if n.startswith(("osisaf_interim", "twin", "nsidc0051", "era5"))}
    with pytest.raises(DataError, match="has no files behind"):
        check.check("era5_arco")
