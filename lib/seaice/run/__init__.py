"""Which notebooks are run, and which are fresh?

May import: ground, config, geo, sources, prepare, twin, samples, networks, baselines, forecasts,
verify, explain, figures, products.
"""
