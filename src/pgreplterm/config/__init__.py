"""What a user sets once instead of typing it: profiles in a file, and PGREPLTERM_* variables.

Owns: the keys and their sentences, reading both, which of them wins, and the file that ``config init`` writes.
Must not: connect, or import anything heavy: every command that looks at servers comes through here.
"""
