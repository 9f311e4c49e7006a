"""Drills on clusters that are not ours: what SQL reaches is done, the rest is printed and waited for.

Owns: their plans, the printed commands, and running them with a consent. Must not: reach a machine in any way but SQL,
or act before the cluster's name was typed.
"""
