"""Agents to play with at once: each small, and worth reading.

`agentlab.gallery.debate` has two players and a judge.
"""
