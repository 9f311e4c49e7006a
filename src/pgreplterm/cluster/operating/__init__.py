"""The one place that writes to a server we do not own.

Owns: the consent without which there is no such session, and the few statements it may send. Must not: be imported by
anything but ``drill.foreign``, which import-linter enforces: an observed DSN is another type, and cannot write.
"""
