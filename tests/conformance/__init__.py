"""The conformance kit, on every worker and host that we know: good ones, AutoGen's, and a broken one."""
