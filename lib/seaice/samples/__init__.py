"""Which array goes into a network for one `init_time`?

May import: ground, config, geo, sources, prepare, twin.
"""
