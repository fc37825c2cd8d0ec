"""Which notebooks are run, and which are fresh?

May import: ground, config, geo, sources, prepare, twin, samples, networks, baselines, forecasts,
trajectories, verify, explain, figures, products.
"""
