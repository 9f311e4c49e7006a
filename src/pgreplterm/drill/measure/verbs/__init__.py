"""The measures, a module for each thing that is looked at.

Owns: taking them. Must not: know the registry, or a scenario.
"""
