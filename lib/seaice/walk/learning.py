"""How does a network learn within a walk? From samples whose labels are known, in one graph.

A graph of a network takes longer to make than an update to learn. So all networks of a walk share
one: weights and the state of the optimiser are put into it.
"""

import math
from collections.abc import Callable, Sequence

import keras
import numpy as np
import pandas as pd

from seaice.config.sections import Training
from seaice.networks import kinds
from seaice.samples import batches
from seaice.samples.assembly import Samples
from seaice.schema import ICE_CLASSES

FORECAST_AT_ONCE = 4  # initialisations


class Learnt:
    """Samples of which only some targets may be learnt: the others have the weight 0.

    counts: function of init_times that says which, bool (init_time, lead_time).
    """

    def __init__(self, samples: Samples, counts: Callable[[pd.DatetimeIndex], np.ndarray]):
        self.channels, self.shape = samples.channels, samples.shape
        self.inputs, self.plane_numbers, self.targets = samples.inputs, samples.plane_numbers, samples.targets
        self._samples, self._counts = samples, counts

    def weights(self, init_times) -> np.ndarray:
        """Return the weights (init_time, y, x, lead), see `Samples.weights`."""
        return self._samples.weights(init_times) * self._counts(init_times)[:, None, None, :]


class Learner:
    """One network that takes weights, learns, and forecasts.

    samples: any of the walk, which tell the shape. settings: of the training. seed: of the weights
    that every training from scratch starts with, and of the order of samples.
    """

    def __init__(self, samples: Samples, settings: Training, *, seed: int):
        self.settings, self.seed = settings, seed
        with kinds.DRAWING:
            kinds.deterministic(seed)
            self._network = kinds.untrained(samples, settings)
            self._network.optimizer.build(self._network.trainable_variables)
        self._kind = kinds.of(settings.network, siconc_head=settings.siconc_head)
        self.initial = self._network.get_weights()
        state = self._network.optimizer.variables
        self._fresh = [keras.ops.convert_to_numpy(variable) for variable in state]

    def scratch(self, learnt: Learnt, init_times: pd.DatetimeIndex) -> list[np.ndarray]:
        """Return the weights of a training from scratch, averaged as the settings say."""
        settings = self.settings
        schedule = [init_times] * settings.epochs
        self._learn(self.initial, learnt, schedule, settings.learning_rate, settings.withhold)
        if settings.weight_average is not None:
            self._network.optimizer.finalize_variable_values(self._network.trainable_variables)
        return self._network.get_weights()

    def update(
        self,
        weights: Sequence[np.ndarray],
        learnt: Learnt,
        schedule: Sequence[pd.DatetimeIndex],
        rate: float,
        *,
        pull: float = 0.0,
    ) -> list[np.ndarray]:
        """Return the weights after an update that starts from `weights`.

        schedule: initialisations of each epoch. rate: learning rate at the start; it ends at 0.
        pull: see `_learn`.
        """
        self._learn(weights, learnt, schedule, rate, self.settings.withhold, pull=pull)
        return self._network.get_weights()

    def _learn(
        self,
        weights: Sequence[np.ndarray],
        learnt: Learnt,
        schedule: Sequence[pd.DatetimeIndex],
        rate: float,
        withhold: float,
        *,
        pull: float = 0.0,
    ) -> None:
        """Train from some weights on, with a new optimiser, whose rate falls along a cosine.

        pull: after each step, the share `rate` times `pull` of the way back to the first weights is
        gone: L2-SP, decoupled from the gradient as in AdamW (Li et al. 2018, arXiv:1802.01483).
        """
        network = self._network
        network.set_weights(weights)
        for variable, value in zip(network.optimizer.variables, self._fresh, strict=True):
            variable.assign(value)
        options = {"batch_size": self.settings.batch_size, "seed": self.seed, "withhold": withhold}
        n_steps = sum(-(-len(times) // options["batch_size"]) for times in schedule)
        step = 0
        for epoch, times in enumerate(schedule):
            epoch_batches = batches.Batches(learnt, times, epoch=epoch, **options)
            for batch in range(len(epoch_batches)):
                now = rate * 0.5 * (1 + math.cos(math.pi * step / n_steps))
                network.optimizer.learning_rate = now
                inputs, truth, weight = epoch_batches[batch]
                network.train_on_batch(inputs, truth, sample_weight=weight)
                if pull:
                    _pull(network, weights, now * pull)
                step += 1

    def forecast(self, weights: Sequence[np.ndarray], samples: Samples, init_times) -> np.ndarray:
        """Return the SIP (init_time, lead_time, y, x), 0..1, float32, of a network.

        It is 0 where no cell of the month is active, and NaN on land and for initialisations that
        have no sample.
        """
        times = pd.DatetimeIndex(init_times)
        self._network.set_weights(weights)
        has_sample = np.isin(times, samples.init_times)
        sip = np.full((len(times), samples.n_leads, *samples.shape), np.nan, "float32")
        chosen = np.flatnonzero(has_sample)
        for first in range(0, len(chosen), FORECAST_AT_ONCE):
            rows = chosen[first : first + FORECAST_AT_ONCE]
            answer = self._kind.predict(self._network, samples.inputs(times[rows]), None, 1)[0][0]
            sip[rows] = 1 - answer[:, :, ICE_CLASSES.index("open_water")]
        months = pd.DatetimeIndex(samples.valid_times(times).ravel()).month.to_numpy()
        active = samples.active[months - 1].reshape(sip.shape)
        sip = np.where(np.isnan(sip), sip, np.where(active, sip.clip(0, 1), np.float32(0)))
        sip[..., samples.land] = np.nan
        return sip


def _pull(network: keras.Model, weights: Sequence[np.ndarray], share: float) -> None:
    """Move a network's weights a share of the way back to these."""
    kept = zip(network.get_weights(), weights, strict=True)
    network.set_weights([now + min(share, 1.0) * (before - now) for now, before in kept])
