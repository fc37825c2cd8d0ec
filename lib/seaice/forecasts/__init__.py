"""What do the networks say?

May import: ground, config, geo, sources, prepare, twin, samples, networks.
"""
