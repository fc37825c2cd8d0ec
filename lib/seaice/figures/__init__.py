"""How does it look? Nothing is computed here.

May import: ground, config, geo, sources, prepare, twin, samples, networks, baselines, forecasts,
verify, explain, walk.
"""
