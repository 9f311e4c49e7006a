"""The lab in Docker: the engine, the image its servers run from, and their containers, networks and volumes.

Owns: everything that is said to a Docker Engine. Must not: be imported before a command needs Docker, since the SDK
takes 0.1 s; so nothing here imports it at its own import.
"""
