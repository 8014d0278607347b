"""Tests of `agentlab.worker`: in one loop with a host, then in processes that really die."""
