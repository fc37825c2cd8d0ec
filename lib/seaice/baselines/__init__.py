"""What must be beaten?

May import: ground, config, geo, sources, prepare, twin, samples, networks.
"""
