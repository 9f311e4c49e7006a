"""Procedures: what to do to a cluster of ours, in which order, with what undo, and what it measured.

Owns: preflight, plan, journal, steps and report of a drill. Must not: draw, or touch a cluster that is no lab.
"""
