"""Samples of all nodes into one snapshot: who feeds whom, how far behind, and what each node does. Pure."""
