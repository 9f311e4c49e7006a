"""Recordings: files of snapshots with named instants, written while a cluster is watched and replayed later.

Owns: the file format, its writer and its reader (docs/recording.md). Must not: sample, judge, draw, or know a lab.
"""
