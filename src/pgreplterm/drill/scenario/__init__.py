"""Scenarios: labs, loads, faults and drills composed in a TOML file, run, measured and judged.

Owns: the schema of such a file, its verbs, and running it. Must not: measure (``drill.measure``) or know a terminal.
"""
