"""Chains of providers: when one fails or hangs, the next one goes on, in the same turn, at the same word.

They are providers themselves, built from providers by their contracts: they know no call.
"""
