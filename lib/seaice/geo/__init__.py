"""How does a field come onto the grid?

May import: ground, config.
"""
