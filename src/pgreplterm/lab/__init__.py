"""Clusters this program owns: built from nothing, faulted on purpose, removed without a trace.

Owns: local PostgreSQL processes of a lab, the relay on its replication edges, its write load and its prober.
Must not: touch a server it did not create, draw, or judge what it sees (that is ``cluster``).

Start at :mod:`pgreplterm.lab.lab` (``up``, ``Lab``). This file imports nothing, because the relay is a process
of its own that has to be listening before the first standby asks for it.
"""
