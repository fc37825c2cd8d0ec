"""What do people decide with a forecast?

May import: ground, config, geo, sources, prepare, twin, samples, networks, baselines, forecasts,
trajectories, verify, explain, figures, products.
"""
