"""What may a run file say?

May import: ground.
"""
