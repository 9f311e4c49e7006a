"""What can be done to a lab, and how it is undone.

Owns: every fault, the record of each on disk, and the engine that injects and heals. Must not: act on anything but a
lab that this program made.

Start at :mod:`pgreplterm.lab.faults.engine` (``inject``, ``heal``, ``heal_lab``); the contract of a fault is in
:mod:`pgreplterm.lab.faults.fault`, the list of them in :mod:`pgreplterm.lab.faults.registry`.
"""
