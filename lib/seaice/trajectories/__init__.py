"""How could the ice go on? Equally likely evolutions, coherent in space and time.

May import: ground, config, geo, sources, prepare, twin, samples, networks, baselines, forecasts.
"""
