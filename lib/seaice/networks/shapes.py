"""How large are the networks, and what do they start from?

The numbers that they are built from. Keras is not imported, so that `costs` and the baselines use
the same numbers.
"""

from seaice.schema import ICE_CLASSES

CLASSES = len(ICE_CLASSES)
UNET_FILTERS = (64, 128, 256, 256, 512)  # filters of each level at factor 1, Andersson et al. 2021
CORRECTION_FILTERS = (64, 128, 192, 256)  # filters of each level at factor 1
# The number of cells on a side must be a multiple of these, so that all max-poolings are exact.
UNET_HALVINGS, CORRECTION_HALVINGS = (
    2 ** (len(filters) - 1) for filters in (UNET_FILTERS, CORRECTION_FILTERS)
)
GROUP = 8  # filters of the correcting network that are normalised together
# Weights of damped anomaly, trend and frequency before training, in the logits of SIC > 0.15 and of
# SIC >= 0.80.
BLEND = ((0.6, 0.25, 0.35), (0.5, 0.25, 0.3))
STEEPNESS = 8.0  # logits of the first guess per unit of SIC above the threshold
LAST_STEEPNESS = 24.0  # the same for the last observed SIC, where it replaces the frequency of ice
MOST = 4.0  # logits, the largest absolute value that one predictor of the first guess may have
LEAST_SHARE = 0.03  # smallest frequency of ice in the first guess: ten years can't tell more
