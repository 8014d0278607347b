"""Tests of `agentlab.host`: its decisions with plain calls, then gRPC around them."""
