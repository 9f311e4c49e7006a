"""Places that hold WAL files: a folder, a tar archive, object storage; a server's own is in the cluster room.

Owns: listing files and reading stored bytes, each place behind the protocol of ``store``.
Must not: know what the bytes mean, or import a package that the place at hand does not need.
"""
