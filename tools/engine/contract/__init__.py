"""What AWS was recorded to do with task tokens, brought to ministack from outside, in its own process.

ministack's own functions stay as they are; those of Step Functions that this package does better are replaced when it
starts. `python -X … tools/engine/contract` starts ministack so.
"""
