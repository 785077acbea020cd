"""How the embedded hub finds rows by what callers pass, and the structs that it answers with.

Pure functions over the hub's tables. Texts and keys are those of the recordings.
"""
