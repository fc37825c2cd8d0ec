"""What is an input or a model called in a figure? Words in place of the names that code has."""

import re

VARIABLES = {
    "siconc": "SIC",
    "siconc_anomaly": "SIC anomaly",
    "siconc_trend": "linear trend of SIC",
    "siconc_damping": "damping of anomalies",
    "ice_frequency": "ice in the last 10 years",
    "full_ice_frequency": "full ice, last 10 years",
    "trees": "boosted trees' forecast",
    "tas": "air temperature",
    "ta500": "air temperature at 500 hPa",
    "tos": "sea temperature",
    "rsds": "sunlight arriving",
    "rsus": "sunlight reflected",
    "psl": "sea-level pressure",
    "zg500": "height of 500 hPa",
    "zg250": "height of 250 hPa",
    "ua10": "zonal wind at 10 hPa",
    "uas": "wind along x",
    "vas": "wind along y",
    "land": "land",
    "position": "position",
    "month": "month of the year",
    "season": "day of the year",
}
GROUPS = {  # those of `explain.importance.WIDE`
    "ice_history": "all past ice",
    "known_ahead": "all that is known ahead",
    "atmosphere": "all weather",
    "ocean": "sea temperature",
}
STRATEGIES = {  # those of `config.walking`
    "frozen": "never learns on",
    "frozen_moving": "normals move, weights do not",
    "new_year_only": "learns the new year",
    "replay": "learns with replay",
    "replay_l2": "replay with a pull back",
    "replay_averaged": "replay, averaged",
    "last_twenty": "trained anew on twenty years",
    "retrained": "trained anew on all years",
    "trees_refitted": "trees, refitted each year",
    "trees_frozen": "trees, fitted once",
    "trees_calibrated": "refitted trees, calibrated",
}


def of_input(name: str) -> str:
    """Return what a variable, a group of variables or a channel is called.

    A channel has its age or its lead in steps: "SIC, lag 2". A name that no table has stays.
    """
    channel = re.fullmatch(r"(\w+)_(lag|lead)_(\d+)", name)
    if channel and channel[1] in VARIABLES:
        return f"{VARIABLES[channel[1]]}, {channel[2]} {channel[3]}"
    return (VARIABLES | GROUPS).get(name, name)


def of_walker(model: str) -> str:
    """Return what a model of a walk is called: a strategy of networks, its IceNet, or trees."""
    strategy = model.removeprefix("icenet_")
    words = STRATEGIES.get(strategy, strategy)
    return f"IceNet: {words}" if model != strategy else words
