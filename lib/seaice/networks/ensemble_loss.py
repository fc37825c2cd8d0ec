"""What does a network minimise that draws possible evolutions? Scores of its members together.

Almost fair CRPS: alpha x fair + (1 - alpha) x that of members as they are. The fair one alone would
let one of two members go anywhere once the other is right (Lang et al. 2024, arXiv:2412.15832).
"""

import keras
import numpy as np
from keras import ops

from seaice.thresholds import ICE_EDGE

ALPHA = 0.95
SCALES = {1: 0.5, 2: 0.3, 4: 0.15, 8: 0.05}  # cells on a side of the means that are scored: weight
EXTENT_WEIGHT = 0.1  # of the CRPS of the extent (million km2) against that of SIC
ENERGY_WEIGHT = 0.02  # of the energy score of the extents of all seas and leads (million km2)
SOFTNESS = 0.03  # SIC, of the step from water to ice, which has no gradient otherwise
LEAST_SQUARE = 1e-8  # under a root, whose gradient at 0 is not finite


@keras.saving.register_keras_serializable(package="seaice")
class EnsembleLoss(keras.losses.Loss):
    """CRPS of SIC at several scales, of the extent, and energy score of extents by sea and lead.

    truth: SIC and weight of each cell (batch, y, x, lead, 2). members: SIC (batch, y, x, lead,
    member), of two or more. Returns one number a sample; less is better. A cell of weight 0 has no
    influence.
    seas: share of each cell that lies in a sea (y, x, sea), the whole map first. cell_area: million
    km2.
    """

    def __init__(self, seas: np.ndarray, cell_area: float, name: str = "ensemble_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.seas, self.cell_area = np.asarray(seas, "float32"), cell_area

    def call(self, truth, members):
        """Return the loss of each sample (batch,)."""
        members = ops.cast(members, "float32")
        siconc, weight = truth[..., :1], truth[..., 1:]
        loss = 0.0
        for cells, share in SCALES.items():
            total = _sums(weight, cells)
            means = [_sums(maps * weight, cells) / ops.maximum(total, 1e-6) for maps in (members, siconc)]
            loss += share * _mean(crps(means[0], means[1][..., 0]), total[..., 0])
        counts = ops.cast(weight > 0, "float32")
        extent, true_extent = (
            self.cell_area * ops.einsum("byxlm,yxs->bslm", _ice(maps) * counts, self.seas)
            for maps in (members, siconc)
        )
        whole = ops.mean(crps(extent[:, 0], true_extent[:, 0, :, 0]), axis=-1)
        number = (extent.shape[1] - 1) * extent.shape[2]
        parts = ops.reshape(extent[:, 1:], (-1, number, extent.shape[3]))
        true_parts = ops.reshape(true_extent[:, 1:], (-1, number))
        return loss + EXTENT_WEIGHT * whole + ENERGY_WEIGHT * energy(parts, true_parts)

    def get_config(self) -> dict:
        """Return the arguments that make this loss again."""
        return {**super().get_config(), "seas": self.seas.tolist(), "cell_area": self.cell_area}


def crps(members, truth):
    """Return the almost fair CRPS (...) of members (..., member), in their unit.

    mean |x_i - y| - (1 - eps) / (2 M (M - 1)) sum_ij |x_i - x_j|, eps = (1 - alpha) / M. truth:
    y, (...).
    """
    n = members.shape[-1]
    error = ops.mean(abs(members - truth[..., None]), axis=-1)
    return error - _pair_weight(n) * sum(abs(members[..., i] - members[..., j]) for i, j in _pairs(n))


def energy(members, truth):
    """Return the almost fair energy score (...) of members (..., number, member).

    truth: (..., number).
    """
    n = members.shape[-1]
    error = ops.mean(_length(members - truth[..., None], axis=-2), axis=-1)
    return error - _pair_weight(n) * sum(
        _length(members[..., i] - members[..., j], axis=-1) for i, j in _pairs(n)
    )


def _pairs(n: int) -> list[tuple[int, int]]:
    """Return every pair of members once."""
    return [(i, j) for i in range(n) for j in range(i)]


def _pair_weight(n: int) -> float:
    """Return the weight of the distance of each pair, counted once."""
    return (1 - (1 - ALPHA) / n) / (n * (n - 1))


def _length(vectors, *, axis: int):
    """Return the Euclidean length of vectors along an axis."""
    return ops.sqrt(ops.sum(ops.square(vectors), axis=axis) + LEAST_SQUARE)


def _ice(siconc):
    """Return 1 where SIC lies above 0.15, 0 below, with a soft step between."""
    return ops.sigmoid((siconc - ICE_EDGE) / SOFTNESS)


def _sums(maps, cells: int):
    """Return sums over squares of cells of maps (batch, y, x, lead, member), padded with zeros."""
    if cells == 1:
        return maps
    pad = [(0, -n % cells) for n in maps.shape[1:3]]
    maps = ops.pad(maps, [(0, 0), *pad, (0, 0), (0, 0)])
    rows, columns = (n // cells for n in maps.shape[1:3])
    parts = ops.reshape(maps, (-1, rows, cells, columns, cells, *maps.shape[3:]))
    return ops.sum(parts, axis=(2, 4))


def _mean(values, weight):
    """Return the weighted mean (batch,) over cells and leads."""
    total = ops.sum(weight, axis=(1, 2, 3))
    return ops.sum(values * weight, axis=(1, 2, 3)) / ops.maximum(total, 1e-6)
