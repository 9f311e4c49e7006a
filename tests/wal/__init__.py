"""Proof that the WAL reader agrees with the servers that wrote the WAL, and that it names every kind of end."""
