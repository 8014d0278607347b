"""Made from ``protos/`` by ``python -m agentlab.wire.generate``; do not edit."""
