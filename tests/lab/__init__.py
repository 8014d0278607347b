"""Tests of `agentlab.lab`: a notebook's handle on real processes, and the command line."""
