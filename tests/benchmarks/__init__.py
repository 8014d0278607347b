"""How fast agentlab is, beside what people would use instead. ``python -m tests.benchmarks``; see README.md."""
