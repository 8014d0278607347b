"""Tests of `agentlab.wire`: bytes and back, hostile bytes, and the facts of AutoGen's format."""
