"""Measures this project beside a baseline, on the machine it runs on: python -m tools bench. Never deployed."""
