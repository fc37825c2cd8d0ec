"""What do people do with it?

May import: ground, config, geo, sources, prepare, twin, samples, networks, baselines, forecasts,
verify, explain, figures, products.
"""
