"""What a run measures: curves from ten looks a second, what clients saw, what servers say, and whether nodes agree.

Owns: figures, each with how it was measured. Must not: change a cluster, except by the inserts a measure is asked for,
or judge a figure (a scenario's expectations do).
"""
