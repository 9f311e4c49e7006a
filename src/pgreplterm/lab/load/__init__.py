"""The load of a lab: writers at a held rate, readers beside them, and what both see.

Owns: the process that ``Lab.start_load`` starts (``python -m pgreplterm.lab.load``), its plan and its progress file.
Must not: journal single writes; that is the prober's.
"""
