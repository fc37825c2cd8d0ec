"""What do the networks of a finished run forecast today?

May import: ground, config, geo, sources, prepare, twin, samples, networks, baselines, forecasts,
verify, explain, figures, products, decisions, run.
"""
