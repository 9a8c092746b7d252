"""Hearing: from samples at 16 kHz to words that are meant for the dog."""
