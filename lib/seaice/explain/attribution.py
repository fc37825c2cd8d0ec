"""How are the attributions of an ensemble computed and kept?

They are written to a CF Zarr store with the dims case, method, lead, member, input channel and
cell.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import dask.array
import keras
import numpy as np
import pandas as pd
import xarray as xr

from seaice import cf, progress
from seaice.config.sections import Training
from seaice.errors import DataError
from seaice.explain import roi, threads
from seaice.explain.attribution_tables import UNTRAINED, family
from seaice.explain.gradients import METHODS, Function, by_methods
from seaice.explain.presence import exists
from seaice.files import replacing_folder
from seaice.forecasts.check import check_network
from seaice.grid import Grid
from seaice.networks import correction, trained
from seaice.samples.assembly import Samples
from seaice.steps import shift

# 12 bits of a float32's mantissa are kept: a precision of 0.02 %, and a smaller store.
KEPT_BITS = 0xFFFFF800
ATTRIBUTES = Path(__file__).with_name("attribution.yml")
DIMS = cf.dims(ATTRIBUTES)
HALF_A_YEAR = 6  # months from a calendar month to the other one that a baseline is taken from


class Networks(NamedTuple):
    """The members of an ensemble: one network, and the weights of each member by its seed.

    They share the network, as building and compiling one takes longer than many gradients. The last
    member, `UNTRAINED`, has learnt nothing.
    """

    network: keras.Model
    weights: dict[int, list[np.ndarray]]

    @property
    def trained(self) -> list[int]:
        """The seeds of the members that were trained."""
        return [seed for seed in self.weights if seed != UNTRAINED]

    def of(self, seed: int) -> keras.Model:
        """Return the network with the weights of a member, until it is given those of another."""
        self.network.set_weights(self.weights[seed])
        return self.network


def load(samples: Samples, folders: Mapping[int, Path]) -> Networks:
    """Return the finished networks of `train.fit`, by seed, and one that has learnt nothing.

    If the networks correct a first guess, the latter is that first guess. Else it says the same
    whatever it is given, as its weights are 0: random ones would say something at random.
    Raises DataError for a network that these samples cannot be given to.
    """
    for seed, folder in folders.items():
        check_network(samples, seed, Path(folder))
    weights = {}
    for seed, network in trained.networks(folders):
        weights[seed] = network.get_weights()
    before_training = untrained(samples, next(iter(folders.values()))).get_weights()
    has_first_guess = any(isinstance(layer, correction.Prior) for layer in network.layers)
    weights[UNTRAINED] = before_training if has_first_guess else [np.zeros_like(w) for w in weights[seed]]
    return Networks(network, weights)


def ensemble(
    samples: Samples,
    ready: xr.Dataset,
    networks: Networks,
    cases: Sequence[str],
    region: xr.DataArray,
    path: Path,
    *,
    climatology_times,
    lead_times: Sequence[int] = (1, 2, 3, 6),
    methods: Sequence[str] = tuple(METHODS),
) -> xr.Dataset:
    """Write the attributions of every case, lead and member to a Zarr store and return it, lazily.

    cases: target months "YYYY-MM". The input is that of the initialisation lead_time - 1 months
    before.
    region: bool (y, x), see `roi`. Those of its cells count that are active in the target month.
    climatology_times: initialisations. Their mean input of the same calendar month is the baseline
    "climatology", that of the month half a year away is "other_month". methods: of `METHODS`.
    `attribution` (case, method, lead_time, member, channel, y, x): cells with ice; for `gradient`
    and `smoothgrad` cells with ice per unit of the input.
    `output` (case, lead_time, member): SIP of the member, summed over the region.
    `baseline_output`: the same for the baseline of a method.
    The store appears at `path` when it is complete. Raises DataError for a month, method, lead or
    region that cannot be used, and for gradients that are not finite.
    """
    _check(methods, lead_times, samples)
    cells = {case: roi.at_month(region, ready, case) for case in cases}
    counts = [int(mask.sum()) for mask in cells.values()]
    inits = {(case, lead): _init(samples, case, lead) for case in cases for lead in lead_times}
    climatology = climatologies(samples, pd.DatetimeIndex(climatology_times), inits.values())
    seeds = list(networks.weights)
    path = Path(path)
    with replacing_folder(path) as unfinished:
        _template(samples, inits, seeds, region, counts, methods).to_zarr(
            unfinished, compute=False, consolidated=False
        )
        with progress.bar(total=len(seeds) * len(inits), desc="attribution", unit="case") as bar:
            for member, seed in enumerate(seeds):
                network = networks.of(seed)

                def explain(item, seed=seed, member=member, network=network):
                    (case, lead), init = item
                    inputs = samples.inputs([init])
                    months = {"climatology": init.month, "other_month": _other(init.month)}
                    baselines = {"zeros": np.zeros_like(inputs)}
                    baselines |= {name: climatology[month] for name, month in months.items()}
                    where = f"seed {seed}, case {case}, lead {lead}"
                    function = Function(network, cells[case], lead, where=where, often=True)
                    attributions = by_methods(function, methods, inputs, baselines, samples.land)
                    position = {
                        "case": list(cases).index(case),
                        "lead_time": list(lead_times).index(lead),
                        "member": member,
                    }
                    _put(unfinished, position, function(inputs)[0][0], list(attributions.values()))

                for _ in threads.each(explain, inits.items()):
                    bar.update()
    return xr.open_zarr(path, consolidated=False)


def untrained(samples: Samples, folder: Path) -> keras.Model:
    """Return a network of the architecture of a finished one, before training."""
    trained_with = trained.settings(folder)
    settings = Training(
        **{name: trained_with[name] for name in Training.model_fields if name in trained_with}
    )
    return trained.kind(folder).build(samples, settings)


def by_threshold(
    samples: Samples,
    ready: xr.Dataset,
    networks: Networks,
    pair: Sequence[str],
    *,
    lead: int,
    thresholds: Sequence[float] = roi.THRESHOLDS,
) -> pd.DataFrame:
    """Return the share of each family in all gradient x input, by threshold of the region.

    The region is where SIC differed between two months by the threshold or more.
    pair: two months "YYYY-MM". The forecast of the later one at this lead is explained.
    Columns threshold, family, share (%, mean over the members). Thresholds that leave no cell to
    forecast are left out.
    """
    change = abs(roi.difference(ready, pair)).where(ready.active.sel(month=pd.Timestamp(pair[1]).month))
    cells = {
        threshold: roi.at_month(roi.region(ready, pair, threshold=threshold, until=pair[1]), ready, pair[1])
        for threshold in thresholds
        if bool((change >= threshold).any())
    }
    inputs, rows = samples.inputs([_init(samples, pair[1], lead)]), []
    for seed in networks.trained:
        network = networks.of(seed)
        for threshold, region in cells.items():
            function = Function(network, region, lead, where=f"seed {seed}", often=True)
            size = abs(function(inputs, gradient=True)[1][0] * inputs[0]).sum(axis=(0, 1))
            rows += [
                (threshold, family(c.variable), share)
                for c, share in zip(samples.channels, 100 * size / size.sum(), strict=True)
            ]
    table = pd.DataFrame(rows, columns=["threshold", "family", "share"])
    return table.groupby(["threshold", "family"])["share"].sum().div(len(networks.trained)).reset_index()


def climatologies(samples: Samples, times: pd.DatetimeIndex, inits) -> dict[int, np.ndarray]:
    """Return the mean input (1, y, x, channel) of the initialisations `times`, by calendar month.

    Only the calendar months of `inits`, and those half a year away, are computed. Raises DataError
    for one that is not among `times`.
    """
    out = {}
    own = sorted({init.month for init in inits})
    for month in dict.fromkeys([*own, *map(_other, own)]):
        of_month = times[times.month == month]
        if not len(of_month):
            raise DataError(f"no initialisation of month {month} among those whose mean is the climatology")
        out[month] = sum(samples.inputs([time]).astype("float64") for time in of_month) / len(of_month)
    return out


def _other(month: int) -> int:
    """Return the calendar month half a year from this one."""
    return (month + HALF_A_YEAR - 1) % 12 + 1


def _init(samples: Samples, case: str, lead: int) -> pd.Timestamp:
    """Return the initialisation of a case at a lead. Raises DataError where it has no input."""
    init = pd.Timestamp(shift(np.datetime64(pd.Timestamp(case), "ns"), 1 - lead).item())
    try:
        samples.plane_numbers([init])
    except DataError as error:
        raise DataError(f"case {case} at lead {lead}: {error}") from None
    return init


def _check(methods: Sequence[str], lead_times: Sequence[int], samples: Samples) -> None:
    """Raise DataError for a method or a lead that does not exist."""
    for name in methods:
        if name not in METHODS:
            raise DataError(f"attribution method '{name}' is unknown; choose of {', '.join(METHODS)}")
    for lead in lead_times:
        if not 1 <= lead <= samples.n_leads:
            raise DataError(f"lead {lead} is not forecast; there are 1 to {samples.n_leads}")


def _put(store: Path, position: dict, output: float, attributions: list[tuple]) -> None:
    """Write the attributions of one case, lead and member, by all methods.

    position: place of the case, lead_time and member along their dims. attributions: pairs
    (attribution, output of the baseline), one for each method.
    """
    values = np.stack([np.moveaxis(a, -1, 0) for a, _ in attributions]).astype("float32")
    values = (values.view("uint32") & np.uint32(KEPT_BITS)).view("float32")[None, :, None, None]
    start = np.array([b for _, b in attributions], "float32")[None, :, None, None]
    data = xr.Dataset(
        {
            "attribution": (DIMS["attribution"], values),
            "baseline_output": (DIMS["baseline_output"], start),
            "output": (DIMS["output"], np.full((1, 1, 1), output, "float32")),
        }
    )
    window = {d: slice(position[d], position[d] + 1) if d in position else slice(None) for d in data.dims}
    data.to_zarr(store, region=window, consolidated=False)


def _template(
    samples: Samples, inits: Mapping, seeds: list[int], region: xr.DataArray, counts, methods
) -> xr.Dataset:
    """Return the store with all its coordinates and attributes, its values not yet computed."""
    cases, leads = list(dict.fromkeys(c for c, _ in inits)), list(dict.fromkeys(k for _, k in inits))
    names = samples.channel_names
    lengths = (len(cases), len(methods), len(leads), len(seeds), len(names), *samples.shape)
    sizes = dict(zip(DIMS["attribution"], lengths, strict=True))

    def empty(name):
        chunks = [sizes[d] if d in ("channel", "y", "x") else 1 for d in DIMS[name]]
        return dask.array.empty([sizes[d] for d in DIMS[name]], dtype="float32", chunks=chunks)

    data = cf.dataset(
        ATTRIBUTES,
        {name: empty(name) for name in ("attribution", "output", "baseline_output")}
        | {
            "region_cells": counts,
            "exists": np.array([[exists(samples, [inits[c, k]])[0] for k in leads] for c in cases]),
            "region": region.values,
            "case": pd.DatetimeIndex(cases),
            "method": np.array(list(methods), object),
            "lead_time": leads,
            "member": seeds,
            "channel": np.array(names, object),
            "variable": np.array([c.variable for c in samples.channels], object),
            "lag": [int(name.rsplit("_", 1)[1]) if name[-1].isdigit() else 0 for name in names],
            "init_time": np.array([[inits[c, k].to_datetime64() for k in leads] for c in cases]),
            "crs": Grid.of(samples.attrs).mapping(),
        },
        region=region.attrs.get("long_name", "region of interest"),
    ).assign_coords(samples.coords)
    copied = ("run", "hemisphere", "resolution_km")
    return data.assign_attrs({name: samples.attrs[name] for name in copied if name in samples.attrs})
