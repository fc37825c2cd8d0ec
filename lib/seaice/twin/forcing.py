"""What drives the simulated world from outside?

The sun, greenhouse gases, warm and cold currents, and mean pressure.
"""

import numpy as np

from seaice.grid import Grid, Hemisphere

SOLAR_CONSTANT = 1361.0  # W m-2, Kopp and Lean 2011, doi:10.1029/2010GL045777
OBLIQUITY = 23.44  # degrees, present-day tilt of the Earth's axis
# Steps of 365 / 72 = 5.07 days resolve the melt season, and a month has a whole number of them.
STEPS_A_MONTH = 6
STEPS_A_YEAR = 12 * STEPS_A_MONTH
STEP = 365 * 86400.0 / STEPS_A_YEAR  # s, length of a step in a year without leap days

# Effective radiative forcing since 1850, W m-2. Round numbers after IPCC AR6 WG1 Annex III,
# historical and then SSP2-4.5.
FORCING_YEARS = (1850, 1900, 1950, 1970, 1980, 1990, 2000, 2010, 2020, 2050, 2100)
FORCING = (0.0, 0.2, 0.5, 0.8, 1.1, 1.6, 2.0, 2.4, 2.8, 3.9, 4.9)

# Centres of warm and cold currents: latitude, longitude (degrees), radius (km). Their amplitudes
# are parameters of each model.
CURRENTS = {
    "north": {
        "norwegian": (69.0, 4.0, 900.0),  # North Atlantic and Norwegian currents
        "barents": (73.0, 36.0, 500.0),  # their branch to the Barents Sea
        "svalbard": (80.0, 8.0, 300.0),  # West Spitsbergen current
        "irminger": (58.0, -40.0, 800.0),  # Irminger current and the North Atlantic drift
        "greenland": (72.0, -18.0, 450.0),  # East Greenland current, cold
        "labrador": (62.0, -60.0, 700.0),  # Baffin and Labrador currents, cold
        "hudson": (60.0, -85.0, 600.0),  # Hudson Bay, cold and fresh
        "bering": (56.0, -175.0, 900.0),  # Alaskan stream and the eastern Bering Sea
        "okhotsk": (57.0, 148.0, 700.0),  # East Sakhalin current, cold
        "siberian": (76.0, 130.0, 900.0),  # river water on the Siberian shelves
    },
    "south": {
        "weddell": (-66.0, -40.0, 1200.0),  # Weddell gyre, cold
        "ross": (-68.0, -160.0, 1000.0),  # Ross gyre, cold
        "bellingshausen": (-68.0, -80.0, 800.0),  # circumpolar deep water on the shelf
        "indian": (-60.0, 80.0, 1500.0),  # Antarctic circumpolar current close to the coast
    },
}

# Centres of mean sea level pressure: latitude, longitude (degrees), radius (km), anomaly in January
# and in July (hPa).
# Round numbers after the climatology of Kalnay et al. 1996,
# doi:10.1175/1520-0477(1996)077<0437:TNYRP>2.0.CO;2.
BACKGROUND_HPA = 1013.0  # hPa, global mean sea level pressure
CENTRES = {
    "north": (
        (52.0, -175.0, 1500.0, -16.0, -1.0),  # Aleutian low
        (62.0, -35.0, 1500.0, -15.0, -4.0),  # Icelandic low
        (71.0, 35.0, 1000.0, -8.0, -1.0),  # Barents Sea trough
        (50.0, 100.0, 2000.0, 18.0, -8.0),  # Siberian high in winter
        (77.0, -150.0, 1100.0, 8.0, 2.0),  # Beaufort high
        (74.0, -40.0, 900.0, 6.0, 3.0),  # Greenland high
    ),
    "south": (
        (-90.0, 0.0, 1800.0, 5.0, 5.0),  # high over the ice sheet
        (-67.0, -120.0, 1400.0, -7.0, -9.0),  # Amundsen Sea low
        (-66.0, 20.0, 1300.0, -4.0, -4.0),  # trough east of the Weddell Sea
        (-64.0, 95.0, 1300.0, -4.0, -4.0),  # trough off East Antarctica
    ),
}
SOUTH_TROUGH_HPA = -26.0  # hPa, circumpolar trough at 66 S, same source


def insolation(lat: np.ndarray) -> np.ndarray:
    """Return the daily-mean insolation at the top of the atmosphere, W m-2.

    lat: degrees, any shape. Returns (STEPS_A_YEAR, *shape) float32, one value for each step of the
    year.
    The orbit is circular, with the equinox on day 80: S = S0 / pi (H sin(lat) sin(d) + cos(lat)
    cos(d) sin(H)), with declination d and hour angle of sunset H. Source: Hartmann 1994, Global
    Physical Climatology, eq. 2.17.
    """
    day = (np.arange(STEPS_A_YEAR) + 0.5) * 365 / STEPS_A_YEAR
    tilt = np.arcsin(np.sin(np.radians(OBLIQUITY)) * np.sin(2 * np.pi * (day - 80) / 365))
    tilt = tilt.reshape(-1, *[1] * np.ndim(lat))
    phi = np.radians(lat)
    hour = np.arccos(np.clip(-np.tan(phi) * np.tan(tilt), -1, 1))
    sun = hour * np.sin(phi) * np.sin(tilt) + np.cos(phi) * np.cos(tilt) * np.sin(hour)
    return (SOLAR_CONSTANT / np.pi * sun).astype("float32")


def greenhouse(year: float) -> float:
    """Return the effective radiative forcing of a (decimal) year since 1850, W m-2."""
    return float(np.interp(year, FORCING_YEARS, FORCING))


def winter(step: int, hemisphere: Hemisphere) -> float:
    """Return how much winter it is at a step of the year, 0..1.

    In the north it is 1 in mid-January and 0 in mid-July; in the south it is the other way round.
    """
    phase = 2 * np.pi * ((step + 0.5) / STEPS_A_YEAR - 0.5 / 12)
    return float(0.5 + 0.5 * np.cos(phase) * (1 if hemisphere == "north" else -1))


def distance_km(grid: Grid, lat: float, lon: float) -> np.ndarray:
    """Return the great-circle distance of every cell to a point (degrees), km, (y, x)."""
    cell_lon, cell_lat = (np.radians(degrees) for degrees in grid.lonlat)
    phi, theta = np.radians(lat), np.radians(lon)
    cosine = np.sin(phi) * np.sin(cell_lat) + np.cos(phi) * np.cos(cell_lat) * np.cos(cell_lon - theta)
    return 6371.0 * np.arccos(np.clip(cosine, -1, 1))  # km, mean radius of the Earth


def currents(grid: Grid) -> dict[str, np.ndarray]:
    """Return the Gaussian footprint (0..1) of every current of the hemisphere, (y, x) float32."""
    return {
        name: np.exp(-((distance_km(grid, lat, lon) / radius) ** 2)).astype("float32")
        for name, (lat, lon, radius) in CURRENTS[grid.hemisphere].items()
    }


def mean_pressure(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean sea level pressure in January and in July, Pa, each (y, x) float32."""
    january, july = np.full((2, *grid.shape), BACKGROUND_HPA)
    if grid.hemisphere == "south":
        trough = SOUTH_TROUGH_HPA * np.exp(-(((grid.lonlat[1] + 66) / 10) ** 2))
        january, july = january + trough, july + trough
    for lat, lon, radius, in_january, in_july in CENTRES[grid.hemisphere]:
        shape = np.exp(-((distance_km(grid, lat, lon) / radius) ** 2))
        january, july = january + in_january * shape, july + in_july * shape
    return (100 * january).astype("float32"), (100 * july).astype("float32")
