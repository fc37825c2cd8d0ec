"""Costs before a run: closed forms against what is built and counted."""

import numpy as np
import pytest

from seaice import paths
from seaice.config import runfile
from seaice.config.values import Simulation
from seaice.networks import costs
from seaice.run import estimates, inputs, preview, stages
from seaice.run.stages import Stage

PAPER = ((432, 432), 50)  # cells and channels of Andersson et al. 2021


GUESS = [
    f"{name}_lead_{k}"
    for name in ("siconc_trend", "siconc_damping", "ice_frequency", "full_ice_frequency")
    for k in range(1, 5)
]


@pytest.mark.parametrize(
    ("network", "shape", "channels", "factor"),
    [
        ("icenet_2021", (16, 16), 5, 0.25),
        ("icenet_2021", (48, 40), 50, 0.06),
        ("icenet_2021", (32, 32), 3, 1.0),
        ("correction", (24, 18), 17, 0.25),
        ("correction", (16, 16), 17, 1.0),
        ("siconc", (24, 18), 10, 0.25),
    ],
)
def test_networks_count_as_built(network, shape, channels, factor):
    import keras

    from seaice.networks import correction, unet

    options = {"n_leads": 4, "filters_factor": factor}
    if network == "siconc":
        network, options["siconc_head"] = "correction", True
        names = [name for name in GUESS if "frequency" not in name]
        built = correction.build(shape, [*names, "siconc_anomaly_lag_1", "siconc_lag_1"], **options)
    elif network == "correction":
        built = correction.build(shape, [*GUESS, "siconc_anomaly_lag_1"], **options)
    else:
        built = unet.build(shape, channels, **options)
    layers = [layer for layer in built.layers if isinstance(layer, keras.layers.Conv2D)]
    flops = [2 * np.prod(layer.kernel.shape) * np.prod(layer.output.shape[1:3]) for layer in layers]
    assert [layer.flops for layer in costs.convolutions(shape, channels, network=network, **options)] == flops
    assert costs.parameters(shape, channels, network=network, **options) == built.count_params()


def test_bytes_moved_are_inputs_outputs_and_weights_once():
    """Worked out for the heads of `correction` on 8 x 8 cells: 16 filters in, 3 leads x 3 classes out."""
    (head,) = [layer for layer in costs.correction((8, 8), 4, 3, 0.25) if layer.side == 1]
    assert (head.n_in, head.n_out) == (16, 9)
    all_of_it = costs.convolutions((8, 8), 4, n_leads=3, filters_factor=0.25, network="correction")
    others = sum(c.cells * (c.n_in + c.n_out) + c.parameters for c in all_of_it if c != head)
    moved = costs.moved((8, 8), 4, size=2, n_leads=3, filters_factor=0.25, network="correction")
    assert moved == 2 * (others + 64 * (16 + 9) + 16 * 9 + 9)


def test_the_published_network():
    """43,838,226 trainable parameters, Andersson et al. 2021; 7,424 are not trainable."""
    assert costs.parameters(*PAPER, filters_factor=2.0) == 43_838_226 + 7_424
    assert costs.forward(*PAPER, filters_factor=2.0) == pytest.approx(
        1.02e12, rel=0.01
    )  # two operations a weight and cell


def test_samples_are_those_that_are_drawn():
    from support.synthetic import ready

    from seaice.samples import pool
    from seaice.samples.assembly import Samples

    table = [{"variable": "siconc", "lags": 3}, {"variable": "month"}]
    store = ready(start="1979-01", end="1990-12").assign_attrs(key="k")
    pooled = pool.PooledBatches(
        {"a": store}, lambda part: Samples(part, table, n_leads=3), batch_size=2, seed=1
    )
    assert estimates.samples("1979-01", "1990-12", table) == len(pooled.order)
    assert estimates.n_channels(table) == len(Samples(store, table, n_leads=3).channels)


def demo(*overrides: str) -> runfile.Run:
    return runfile.load(paths.root() / "params" / "demo.yaml", overrides=overrides)


def test_bytes_and_work_of_a_run():
    run = demo()
    one = costs.forward((96, 96), estimates.n_channels(run.samples.table), **estimates._options(run))
    assert estimates.training(run) == run.training.epochs * one * (3 * 378 + 66)
    assert estimates.forecasting(run) == len(run.forecast.seeds) * one * (66 + 31)
    assert estimates.forecast_bytes(run) == 97 * 6 * 96 * 96 * 4 * (4 * 2 + 1)
    assert estimates.baselines_bytes(run) == 97 * 6 * 96 * 96 * 4 * 11 * 2  # SIC beside the probability
    assert estimates.classifiers_bytes(run) == 6 * 120 * 61 * 62  # 2.7 MB, as found on disk
    assert estimates.trajectories_bytes(run) == 2 * 6 * 6 * 96 * 96 * 2 * 40
    steps = 42 * 12 + 12
    assert estimates.ready_bytes(run) == 96 * 96 * (steps * (10 * 4 + 1) + 12 * (18 * 4 + 1))


def test_simulations_count_by_member(own_folders):
    member = {"start": "1990-01", "end": "1992-12", "resolution_km": 675}
    simulations = [member | {"member": 1}, member | {"member": 2}]
    comes, amount = inputs.describe("twin_cmip6_a_north", period={}, simulations=simulations)
    assert (comes, amount) == ("simulated, made on first use", inputs.Amount(2 * 36 * 16 * 16 * 8 * 4))
    comes, amount = inputs.describe("cmip6_mri_esm2_ice", period={}, simulations=simulations[:1])
    assert (comes, amount) == ("over the network, no account needed", inputs.Amount(36 * 130_680 * 4))
    simulations = [Simulation(entry="twin_cmip6_a_north", members=(1, 2), start="1990-01", end="1992-12")]
    table = [{"variable": "siconc", "lags": 12}, {"variable": "tas", "lags": 3}]
    assert estimates.simulated(simulations, table) == 2 * (36 - 12)
    text = "[{entry: a, members: [1, 2], start: 1990-01, end: 1992-12}]"
    run = demo(f"data.simulations={text}", "data.sources={siconc: a, tas: b}", "data.resolution_km=675")
    assert estimates.simulation_bytes(run) == 2 * 16 * 16 * (48 * (6 * 4 + 1) + 12 * (14 * 4 + 1))


def test_pretraining_looks_at_the_observations_now_and_then():
    simulations = "[{entry: twin_cmip6_a_north, members: [1], start: 1850-01, end: 2099-10}]"
    sets = [f"data.simulations={simulations}", "pretraining.epochs=2", "pretraining.validate_every=1000"]
    run = demo(*sets)
    one = costs.forward((96, 96), estimates.n_channels(run.samples.table), **estimates._options(run))
    assert estimates.pretraining(run) == pytest.approx(2 * one * (3 * 2986 + 2986 / 2 / 1000 * 66))
    once_an_epoch = demo(*sets[:2], "pretraining.validate_every=null")
    assert estimates.pretraining(once_an_epoch) == pytest.approx(2 * one * (3 * 2986 + 66))
    assert estimates.pretraining(demo("data.simulations=null", "pretraining=null")) == 0


def test_sizes_for_people():
    assert [inputs.size(n) for n in (7, 1_234, 56_000_000, 2.5e13)] == ["7 B", "1.2 kB", "56 MB", "25.0 TB"]
    assert str(inputs.Amount(None)) == "size not known"
    assert (str(inputs.Amount(1e6)), str(inputs.Amount(1e6, exact=True))) == ("about 1.0 MB", "1.0 MB")


def test_what_can_be_estimated_is_a_place_of_a_run():
    assert set(preview.BYTES) <= set(stages.FOLDERS) and set(preview.OPERATIONS) <= set(stages.ROLES)
    assert all(callable(getattr(paths, name)) for name in stages.FOLDERS)


def test_a_declaration_tells_what_a_step_takes(own_folders):
    run = demo("data.simulations=null", "pretraining=null")
    reads, writes, flops = preview._takes(Stage("train", ("ready", "pretrained"), ("network",)), run)
    assert (list(reads), list(writes)) == (["ready"], ["network"]) and flops == estimates.training(run)
    reads, writes, flops = preview._takes(Stage("pretrain", ("simulation",), ("pretrained",)), run)
    assert (list(reads), list(writes), flops) == ([], [], 0)  # this run has no simulations
    reads, writes, flops = preview._takes(Stage("forecast", ("network",), ("forecast",)), run)
    assert (list(reads), list(writes)) == (["network"], ["forecast"]) and flops == estimates.forecasting(run)
    assert reads["network"].bytes == 2 * estimates.network_bytes(run)
    reads, writes, flops = preview._takes(Stage("attribution", (), ("attribution",)), run)
    assert writes == {"attribution": inputs.Amount(None)}, "written, of a size that nobody estimates"


def test_what_the_pages_take_of_a_run():
    """What a page declares, held against a table written by hand from reading the pages."""
    run, found = demo(), {}
    for step in run.steps:
        stage = stages.declared(paths.notebook(step.notebook))
        found[step.notebook[:2]] = (set(stage.reads), set(stage.writes), preview._opened(stage, run))
    ice, climate = set(run.data.sources.values()), {"twin_cmip6_a_north"}
    seasonal = {run.data.seasonal, run.data.limit}
    assert found == {
        "01": (set(), set(), ice | seasonal),
        "02": (set(), {"ready", "simulation"}, ice | climate),
        "03": ({"ready"}, {"baselines", "trees", "classifiers"}, seasonal),
        "04": ({"ready", "simulation", "trees"}, {"pretrained"}, set()),
        "05": ({"ready", "pretrained", "trees"}, {"network"}, set()),
        "06": ({"ready", "network", "baselines", "trees"}, {"forecast"}, set()),
        "07": ({"ready", "forecast", "baselines"}, set(), set(run.data.sources.values())),
        "08": ({"ready", "forecast", "baselines"}, set(), set()),
        "09": (set(), set(), set()),
        "10": ({"ready", "network", "trees", "forecast", "classifiers"}, {"importance"}, set()),
        "11": ({"ready", "network", "trees"}, {"attribution"}, set()),
        "12": (set(), set(), set()),
        "13": ({"ready", "trees", "forecast"}, {"trajectories", "generator"}, set()),
        "15": ({"ready", "trajectories"}, {"decisions"}, set()),
    }


def test_leads_as_outputs_cost_more_memory_and_far_less_work():
    table = costs.leads_table((432, 432), n_leads=93, speed=10.0)
    assert table.channels.to_dict() == {"output": 195, "input": 12}
    assert table.seconds["input"] > 40 * table.seconds["output"]
    assert table.memory["output"] > 5 * table.memory["input"]
    options = {"n_leads": 93, "filters_factor": 0.25, "network": "correction", "siconc_head": True}
    assert table.step["output"] == pytest.approx(3 * costs.forward((432, 432), 195, **options) / 1e9)


def test_days_are_counted_where_the_run_is_daily():
    splits = {"train": ["2015-01-15", "2016-03-02"], "validation": ["2016-04-01", "2016-06-01"]}
    splits["test"] = ["2016-07-01", "2016-12-02"]
    data = {"hemisphere": "north", "resolution_km": 675, "cadence": "daily", "sources": {"siconc": "a"}}
    run = runfile.Run.model_validate(
        {
            "run": "toy",
            "data": data | {"start": "2015-01", "end": "2016-12"},
            "samples": {"channels": [{"variable": "land"}], "n_leads": 30, "splits": splits},
            "training": {"network": "correction", "siconc_head": True},
            "forecast": {"seeds": [1, 2]},
            "steps": [{"notebook": "06_forecast"}],
        }
    )
    judged = 62 + 155
    assert estimates.forecast_bytes(run) == judged * 30 * 16 * 16 * 4 * (3 * 3 + 1 + 2)
    assert estimates.baselines_bytes(run) == judged * 30 * 16 * 16 * 4 * 8 * 2  # no physics of days
    days = 365 + 366 + 93
    assert estimates.ready_bytes(run) == 16 * 16 * (days * (5 * 4 + 1) + 12 * (4 + 1) + 93 * 4)


def test_a_simulated_record_of_days_counts_days(own_folders):
    comes, amount = inputs.describe(
        "twin_daily_north", period={}, simulations=[{"resolution_km": 675, "end": "1980-12"}]
    )
    assert (comes, amount) == ("simulated, made on first use", inputs.Amount((365 + 366) * 16 * 16 * 8 * 4))
