"""Who are the members of an ensemble?

Each member is one answer of one network: a seed and a draw. Members are numbered from 0, all draws
of the first network first. A store of members has the dimension `member` (0, 1, ...), with the
coordinates `network (member)`, the seed, and `draw (member)`. A network that gives one answer has
only the draw 0.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from seaice.errors import DataError


class Member(NamedTuple):
    """One answer of one network.

    network: its seed. draw: number of the answer, from 0.
    """

    network: int
    draw: int


def numbered(networks: Iterable[int], n_draws: int = 1) -> list[Member]:
    """Return the members in the order of their numbers.

    networks: seeds, in order. n_draws: answers of each network, from 1 up.
    """
    return [Member(network, draw) for network in networks for draw in range(n_draws)]


def coordinates(members: Sequence[Member]) -> dict[str, tuple]:
    """Return the coordinates `member`, `network` and `draw` (member), int32, with attributes."""
    return {
        "member": (
            "member",
            np.arange(len(members), dtype="int32"),
            {"standard_name": "realization", "long_name": "number of the member", "units": "1"},
        ),
        "network": (
            "member",
            np.array([member.network for member in members], "int32"),
            {"long_name": "seed of the network that the member is an answer of", "units": "1"},
        ),
        "draw": (
            "member",
            np.array([member.draw for member in members], "int32"),
            {"long_name": "number of the member among the answers of its network", "units": "1"},
        ),
    }


def of_store(store: xr.Dataset) -> list[Member]:
    """Return the members of a store in the order of their numbers.

    Raises DataError for a store that does not say which networks its members come from.
    """
    if not {"network", "draw"} <= set(store.coords):
        raise DataError("this forecast does not say of which networks its members are; make it anew")
    pairs = zip(store["network"].values.tolist(), store["draw"].values.tolist(), strict=True)
    return [Member(network, draw) for network, draw in pairs]


def number(members: Sequence[Member], network: int, draw: int = 0) -> int:
    """Return the number of a member.

    Raises DataError, naming it, if it is not among the members.
    """
    try:
        return list(members).index(Member(network, draw))
    except ValueError:
        networks = sorted({member.network for member in members})
        raise DataError(
            f"there is no draw {draw} of network {network} in this ensemble; its networks are {networks}"
        ) from None
