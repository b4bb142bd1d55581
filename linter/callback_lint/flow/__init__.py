"""Follows task tokens through the Python code of a function, which is read and never run.

A value holds nothing, or what came from outside and so may hold a token, or a token. Assignments, loops, f-strings,
containers and calls of functions in the same code pass it on; a key or an attribute picks a part of it. What is not
known holds nothing, so that a finding is rarely false and a leak may be missed.
"""
