"""The wire: messages as bytes, in AutoGen's format and in agentlab's addition to it.

`parcels` says what travels, `codec` and `frames` how it is written; `calls`, `control` and `watching` are the calls
beside the streams. The generated code is used by nobody outside this package. Read next: `agentlab.host`.
"""
