"""What is run, and what is fresh?

May import: ground, config, geo, sources, prepare, twin, samples, networks, baselines, forecasts,
verify, explain, figures, products.
"""
