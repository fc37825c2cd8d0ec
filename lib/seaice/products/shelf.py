"""How are all products of a run found? By catalogues for STAC and Intake, and a link to the newest.

They lie beside the products and are made anew whenever one is added.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

from seaice import files
from seaice.products import product, stac, store

CATALOGUE, INTAKE, LATEST = "catalog.json", "forecasts.yml", "latest"


def names(folder: Path) -> list[str]:
    """Return the names of the finished products in a run's folder, in order of init_time.

    A product is finished when its key is there: the folder of a product appears in one step.
    """
    try:
        entries = [entry.name for entry in os.scandir(folder) if entry.name[:1].isdigit()]
    except FileNotFoundError:
        return []
    return sorted(name for name in entries if (folder / name / store.KEY).is_file())


def update(run: str) -> None:
    """Write the catalogues of a run's products, and link `latest`. Needs `store.alone`."""
    folder = store.folder(run)
    finished = names(folder)
    if not finished:
        return
    files.write_text(folder / CATALOGUE, stac.dumps(catalogue(run, folder, finished)))
    files.write_text(folder / INTAKE, intake(run, folder, finished))
    link = folder / LATEST
    if (link / store.KEY).is_file() and not link.is_symlink():
        shutil.rmtree(link)  # whoever copied the folder has a copy of a product in place of the link
    if not link.is_symlink() or os.readlink(link) != finished[-1]:
        with files.replacing(link) as temporary:
            temporary.symlink_to(finished[-1])


def catalogue(run: str, folder: Path, finished: Sequence[str]) -> dict:
    """Return the STAC catalogue of products; those without an item of their own are left out."""
    links = [{"rel": "root", "href": "./catalog.json", "type": "application/json"}]
    links += [
        {"rel": "item", "href": f"./{name}/{stac.ITEM}", "type": "application/geo+json", "title": name}
        for name in finished
        if (folder / name / stac.ITEM).is_file()
    ]
    return {
        "type": "Catalog",
        "stac_version": stac.VERSION,
        "id": f"seaice-{run}",
        "title": f"Sea-ice forecasts of the run {run}",
        "description": "Forecast products of the IceNet compendium, one item for each init_time.",
        "links": links,
    }


def intake(run: str, folder: Path, finished: Sequence[str]) -> str:
    """Return a catalogue for Intake: `latest` and each init_time, and their dates and risks."""
    sources = {}
    for name in [LATEST, *finished]:
        of = finished[-1] if name == LATEST else name
        place = f"{{{{ CATALOG_DIR }}}}/{name}"
        sources[name] = {
            "description": f"Forecast of the run {run} from {of}",
            "driver": "zarr",
            "args": {"urlpath": f"{place}/{product.ZARR}", "consolidated": False},
        }
        if (folder / of / "decisions.nc").is_file():
            sources[f"{name}_decisions"] = {
                "description": f"Dates and risks in the forecast of the run {run} from {of}",
                "driver": "netcdf",
                "args": {"urlpath": f"{place}/decisions.nc"},
            }
    return yaml.safe_dump({"metadata": {"version": 1}, "sources": sources}, sort_keys=False, width=120)
