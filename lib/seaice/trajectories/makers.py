"""Who says which evolutions go together? The makers of trajectories, behind one contract.

A maker gives each member a map of numbers for every lead. Those of a `mapped` maker are only
ranked: the member with the k-th largest number in a cell gets the k-th of the SICs that the
calibrated forecast has for that cell. So every mapped ensemble has the same distribution in each
cell, and differs in what happens together. Numbers of any other maker are the SIC itself.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from seaice.errors import DataError
from seaice.trajectories import templates

# Draws of a trained network: takes an init_time, a number of members and a source of random
# numbers; gives SIC (trajectory, lead_time, y, x) of the whole map.
Draws = Callable[[pd.Timestamp, int, np.random.Generator], np.ndarray]


class Situation(NamedTuple):
    """What a maker is given.

    sea: cells that count at any lead, bool (y, x); each is a cell of the other arrays. cell_km:
    size of a cell. errors: templates (template, lead_time, y, x), see `templates.errors`. median:
    SIC of the calibrated forecast, fraction 0..1 (lead_time, cell). generated: what a trained
    network draws, SIC (trajectory, lead_time, y, x), or None without one.
    """

    sea: np.ndarray
    cell_km: float
    errors: np.ndarray
    median: np.ndarray
    generated: Callable[[int, np.random.Generator], np.ndarray] | None


class Maker(NamedTuple):
    """How trajectories are made.

    numbers: function of a situation, the number of members and a source of random numbers that
    gives numbers (trajectory, lead_time, cell). mapped: whether they are only ranked.
    """

    numbers: Callable[[Situation, int, np.random.Generator], np.ndarray]
    mapped: bool


def schaake(situation: Situation, members: int, random: np.random.Generator) -> np.ndarray:
    """Return the ranks of the errors of earlier years, smoothed (Schaake shuffle).

    Few years give each cell few ranks, in which neighbours differ by chance: without smoothing,
    single members are rougher than any observed map.
    Source: Clark et al. 2004, doi:10.1175/1525-7541(2004)005<0243:TSSAMF>2.0.CO;2.
    """
    sea, errors = situation.sea, situation.errors
    rank = np.zeros_like(errors)
    rank[..., sea] = ranks(_without_ties(errors, situation))
    smooth = templates.smoothed(rank, sea, templates.SMOOTHED_KM / situation.cell_km)
    return smooth[..., sea][_chosen(len(errors), members, random)]


def dressing(situation: Situation, members: int, random: np.random.Generator) -> np.ndarray:
    """Return the median of the calibrated forecast plus the errors of earlier years, SIC 0..1.

    The errors are those of damped anomaly persistence and so rather too large, and the distribution
    in a cell is not that of the calibrated forecast: a reference without skill of its own.
    """
    chosen = _chosen(len(situation.errors), members, random)
    return (situation.median + situation.errors[..., situation.sea][chosen]).clip(0, 1)


def independent(situation: Situation, members: int, random: np.random.Generator) -> np.ndarray:
    """Return random numbers, independent in every cell and lead: a reference without coherence."""
    return random.random((members, *situation.median.shape), "float32")


def generative(situation: Situation, members: int, random: np.random.Generator) -> np.ndarray:
    """Return what a network draws that was trained for it, of which only the ranks are used.

    situation: what is known. members: how many are drawn, from the numbers of `random`. Raises
    DataError without such a network.
    """
    if situation.generated is None:
        raise DataError(
            "the maker 'generative' needs a trained network; give the section `trajectories` of the run "
            "file a `generator`"
        )
    return _without_ties(situation.generated(members, random), situation)


MAKERS = {
    "schaake": Maker(schaake, mapped=True),
    "dressing": Maker(dressing, mapped=False),
    "independent": Maker(independent, mapped=True),
    "generative": Maker(generative, mapped=True),
}


def ranks(numbers: np.ndarray) -> np.ndarray:
    """Return the rank of each member, above 0 and below 1, (trajectory, lead_time, cell).

    Ranks are evenly spread: (k + 1/2) / members. Of equal numbers that of the earlier member is
    the smaller one, in all cells and leads.
    """
    last = np.ascontiguousarray(np.moveaxis(numbers, 0, -1))
    order = last.argsort(axis=-1, kind="stable")
    rank = np.empty(last.shape, "float32")
    np.put_along_axis(rank, order, (np.arange(len(numbers), dtype="float32") + 0.5) / len(numbers), -1)
    return np.moveaxis(rank, -1, 0)


def _without_ties(maps: np.ndarray, situation: Situation) -> np.ndarray:
    """Return the values (..., cell) of maps (..., y, x); where they tie, those around decide."""
    width = templates.SURROUNDINGS_KM / situation.cell_km
    around = templates.smoothed(maps, situation.sea, width)
    return (maps + templates.SHARE * around)[..., situation.sea]


def _chosen(n_templates: int, members: int, random: np.random.Generator) -> np.ndarray:
    """Return the number of the template of each member; each is taken equally often, up to one."""
    rounds = -(-members // n_templates)
    return np.concatenate([random.permutation(n_templates) for _ in range(rounds)])[:members]
