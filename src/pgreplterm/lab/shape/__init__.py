"""What a lab is to look like, before there is one.

Owns: the plan of a lab, the file and the one-liner it is read from, and what is wrong with either. Must not: make
anything, or ask a server.
"""
