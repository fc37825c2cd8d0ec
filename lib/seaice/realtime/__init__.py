"""What do the networks of a finished run forecast today?

May import: ground, config, geo, sources, prepare, twin, samples, networks, baselines, forecasts,
trajectories, verify, explain, figures, products, decisions, run.
"""
