"""The wire: messages as bytes, in AutoGen's format and in agentlab's addition to it.

`agentlab.wire.parcels` says what travels, `agentlab.wire.codec` how it is written; the generated code in
`agentlab.wire.generated` is used by nobody outside this package. Read next: `agentlab.host`.
"""
