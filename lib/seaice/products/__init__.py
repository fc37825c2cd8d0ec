"""Which files does a user of the forecasts get?

May import: ground, config, geo, sources, prepare, twin, samples, networks, baselines, forecasts,
trajectories, verify, explain, figures.
"""
