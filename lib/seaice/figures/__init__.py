"""How does it look? Nothing is computed here.

May import: ground, config, geo, sources, prepare, twin, samples, networks, baselines, forecasts,
trajectories, verify, explain, walk.
"""
