"""The consent to a drill, for those who ask for it.

Owns: handing it on: only ``drill.foreign`` may import the room it comes from. Must not: ask for it.
"""

from pgreplterm.cluster.operating.consent import Consent, consent

__all__ = ["Consent", "consent"]
