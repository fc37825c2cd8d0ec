"""What do finished networks say today?

May import: ground, config, geo, sources, prepare, twin, samples, networks, baselines, forecasts,
verify, explain, figures, products, decisions, run.
"""
