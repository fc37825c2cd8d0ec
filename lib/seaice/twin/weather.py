"""What is the weather of the simulated world?

It is red noise in time, smooth in space, with winds that follow from pressure.
"""

import numpy as np

from seaice.grid import Grid
from seaice.twin.forcing import STEP

MODES = 24  # cosine modes a side, for half-wavelengths down to 450 km
DAY = 86400.0  # s
RANDOM_FIELDS = {  # name: (memory in s, correlation length in m)
    "synoptic": (4 * DAY, 7.0e5),  # Rossby deformation scale and life time of a cyclone
    # Teleconnections are red noise that forgets in 7.4 to 9.5 days: Feldstein 2000,
    # doi:10.1175/1520-0442(2000)013<4430:TTPSAC>2.0.CO;2. With the cyclones, it gives monthly means
    # of pressure nearly the observed autocorrelation at a lag of a month, see `realism.memory`.
    "circulation": (9 * DAY, 9.0e5),
    # Heat of currents, a year or two: Arthun et al. 2012, doi:10.1175/JCLI-D-11-00466.1.
    "ocean": (500 * DAY, 6.0e5),
}
AIR_DENSITY = 1.25  # kg m-3, near the surface at 0 degC
ROTATION = 7.292e-5  # s-1, angular velocity of the Earth
SURFACE_SPEED = 0.7  # ratio of 10 m to geostrophic wind, Overland and Colony 1994 (0.65-0.8)
SURFACE_TURN = 22.0  # degrees across the isobars toward low pressure, same source


class Weather:
    """Spectral first-order autoregressive noise for a batch of members on one grid.

    c(t + dt) = r c(t) + sqrt(1 - r^2) s(k) noise, with r = exp(-dt / memory) and s(k) = exp(-(pi k
    l / width)^2 / 8). So the field has the correlation exp(-(d / l)^2) at distance d, and unit
    standard deviation. Coefficients: (member, field, MODES, MODES) float32.
    """

    def __init__(self, grid: Grid):
        """Prepare the memory and the spatial spectrum of each of RANDOM_FIELDS on a grid."""
        self.size = grid.size
        modes = min(MODES, grid.size)
        width = grid.size * grid.resolution_km * 1000
        k = np.arange(modes)
        square = k[:, None] ** 2 + k**2
        spectrum = np.stack(
            [np.exp(-square * (np.pi * length / width) ** 2 / 8) for _, length in RANDOM_FIELDS.values()]
        )
        spectrum *= grid.size / np.sqrt((spectrum**2).sum((1, 2), keepdims=True))
        memory = np.array([seconds for seconds, _ in RANDOM_FIELDS.values()])[:, None, None]
        self.keep = np.exp(-STEP / memory).astype("float32")
        self.spectrum = spectrum.astype("float32")
        self.kick = (np.sqrt(1 - np.exp(-2 * STEP / memory)) * spectrum).astype("float32")
        wave = np.cos(np.pi * np.outer(np.arange(grid.size) + 0.5, k) / grid.size)
        self.cosines = (wave * np.sqrt(np.where(k == 0, 1, 2) / grid.size)).astype("float32")

    def noise(self, generators) -> np.ndarray:
        """Draw white noise, one generator a member, so that a member is the same in any batch."""
        shape = self.spectrum.shape
        return np.stack([g.standard_normal(shape, dtype="float32") for g in generators])

    def start(self, generators) -> np.ndarray:
        """Return coefficients drawn from the stationary distribution."""
        return self.spectrum * self.noise(generators)

    def step(self, coefficients: np.ndarray, generators) -> np.ndarray:
        """Return the coefficients one step later."""
        return self.keep * coefficients + self.kick * self.noise(generators)

    def field(self, coefficients: np.ndarray) -> np.ndarray:
        """Return the field (member, y, x) float32 of coefficients (member, MODES, MODES)."""
        return self.cosines @ coefficients @ self.cosines.T


def coriolis(grid: Grid) -> np.ndarray:
    """Return the Coriolis parameter (y, x), s-1.

    Equatorward of 40 degrees it is held at its value there.
    """
    lat = grid.lonlat[1]
    sign = 1 if grid.hemisphere == "north" else -1
    return (2 * ROTATION * sign * np.sin(np.radians(np.maximum(np.abs(lat), 40)))).astype("float32")


def geostrophic(pressure: np.ndarray, grid: Grid, parameter: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the geostrophic wind along the grid's x and y axes, m s-1.

    pressure: (..., y, x), Pa. parameter: see `coriolis`.
    u = -1 / (rho f) dp/dy, v = 1 / (rho f) dp/dx. Both EASE2 planes are right-handed as seen from
    outside the Earth, so one formula serves both hemispheres. The stretching of the projection (4 %
    at 60 degrees) is neglected.
    """
    scale = np.float32(1 / (2 * AIR_DENSITY * grid.resolution_km * 1000)) / parameter
    u, v = np.zeros_like(pressure), np.zeros_like(pressure)
    # Row 0 has the largest y.
    np.subtract(pressure[..., 2:, :], pressure[..., :-2, :], out=u[..., 1:-1, :])
    np.subtract(pressure[..., :, 2:], pressure[..., :, :-2], out=v[..., :, 1:-1])
    return u * scale, v * scale


def surface_wind(u: np.ndarray, v: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return the 10 m wind of a geostrophic wind, m s-1.

    It is weaker, and is turned toward low pressure (to the left in the north).
    """
    angle = np.radians(SURFACE_TURN if grid.hemisphere == "north" else -SURFACE_TURN)
    c, s = np.float32(SURFACE_SPEED * np.cos(angle)), np.float32(SURFACE_SPEED * np.sin(angle))
    return c * u - s * v, s * u + c * v
