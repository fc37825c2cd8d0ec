"""The demo stays within its budget: kernels and batches are counted here, memory is in the record of its tracked run."""

import json
import math

import pytest

from seaice import paths
from seaice.config import runfile
from seaice.run import estimates, plan

KERNELS = 14  # one for each page
TRAINING_BATCHES = 2 * (234 + 2 * 189)  # of two members: pre-training, then two epochs
PEAK_BYTES = 1.9e9  # of the runner and a kernel together; a Binder session has 2 GB


@pytest.fixture(scope="module")
def demo():
    return runfile.load(paths.root() / "params" / "demo.yaml")


def test_every_page_of_the_demo_starts_one_kernel(demo):
    planned = plan.load(paths.root() / "params" / "demo.yaml", checksum=lambda entry: entry)
    groups = [group for step in demo.steps for group in planned.groups(step)]
    assert len(demo.steps) == len(groups) == KERNELS


def test_the_demo_trains_no_more_batches_than_its_budget_allows(demo):
    first, settings = demo.pretraining, demo.training
    simulated = estimates.simulated(demo.data.simulations, demo.samples.table)
    pretraining = first.epochs * math.ceil(simulated / first.batch_size)
    observed = estimates.months(*demo.samples.splits.train)
    training = settings.epochs * math.ceil(observed / settings.batch_size)
    assert len(demo.forecast.seeds) * (pretraining + training) <= TRAINING_BATCHES


def test_the_tracked_run_of_the_demo_fits_into_a_binder_session():
    record = json.loads((paths.results("demo") / "record.json").read_text())
    assert record["peak_memory_bytes"] <= PEAK_BYTES
