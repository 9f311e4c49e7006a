"""The place events: everything noticed, newest last."""
