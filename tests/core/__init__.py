"""Tests of `agentlab.core`: one file a module; what agent-api.md promises of one process is held here."""
