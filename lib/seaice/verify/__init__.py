"""How good is it?

May import: ground, config, geo, sources, prepare, twin, samples, networks, baselines, forecasts,
trajectories.
"""
