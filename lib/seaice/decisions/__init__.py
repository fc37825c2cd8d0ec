"""What do people decide with a forecast?

May import: ground, config, geo, sources, prepare, twin, samples, networks, baselines, forecasts,
verify, explain, figures, products.
"""
