"""May this network forecast from these samples?

It must be finished, and must have been trained on such inputs.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from seaice.errors import DataError
from seaice.networks import trained
from seaice.samples.assembly import Samples

INPUTS = ("channel_names", "n_leads", "shape", "hemisphere", "resolution_km", "cadence")
FIT_PERIOD = ("fit_start", "fit_end")


def check_network(samples: Samples, seed: int, folder: Path) -> None:
    """Raise DataError for a network that is not finished, or that was trained on other inputs.

    The inputs are the channels, the number of leads, the grid and the cadence of the samples.
    """
    if not trained.is_finished(folder):
        raise DataError(
            f"no finished network of seed {seed} in {folder}: run the training of this member first"
        )
    trained_on, actual = _metadata(folder), samples.metadata()
    names = zip(trained_on["channel_names"], actual["channel_names"], strict=False)
    for place, (their_name, our_name) in enumerate(names):
        if their_name != our_name:
            raise DataError(
                f"the network of seed {seed} has '{their_name}' as channel {place}, "
                f"the samples have '{our_name}'; train it again"
            )
    for name in INPUTS:
        if trained_on.get(name) != actual.get(name):
            raise DataError(
                f"the network of seed {seed} was trained with {name} {trained_on.get(name)}, "
                f"the samples have {actual.get(name)}; train it again"
            )


def same_fit(samples: Samples, seed: int, folder: Path) -> None:
    """Raise DataError for a network of another fit period, whose inputs were scaled differently."""
    trained_on, actual = _metadata(folder), samples.metadata()
    for name in FIT_PERIOD:
        if trained_on.get(name) != actual.get(name):
            raise DataError(
                f"the network of seed {seed} was trained with {name} {trained_on.get(name)}, "
                f"the ready store has {actual.get(name)}; run this run anew"
            )


def forecasts_siconc(folders: Mapping[int, Path]) -> bool:
    """Return whether these finished networks forecast SIC.

    folders: by seed. Raises DataError if some of them do and some do not.
    """
    heads = {seed: trained.kind(folder).forecasts_siconc for seed, folder in folders.items()}
    if len(set(heads.values())) > 1:
        without = [seed for seed, head in heads.items() if not head]
        raise DataError(
            f"the networks of seeds {without} forecast no SIC, the others do; train all with one siconc_head"
        )
    return any(heads.values())


def _metadata(folder: Path) -> dict:
    """Return what a network's inputs must agree with, as its training left it."""
    return json.loads((folder / trained.CHANNELS).read_text())
