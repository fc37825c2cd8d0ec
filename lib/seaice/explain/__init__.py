"""Why does it say so?

May import: ground, config, geo, sources, prepare, twin, samples, networks, baselines, forecasts,
trajectories, verify.
"""
