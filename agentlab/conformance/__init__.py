"""The conformance kit: examines workers and hosts in any language. Read `examination` first, then `messages`."""
