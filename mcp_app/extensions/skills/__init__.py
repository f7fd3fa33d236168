"""Skills (`io.modelcontextprotocol/skills`, SEP-2640): folders of instructions, served as resources.

`skill` reads a folder, `extension` speaks the protocol. Which skills there are is the server's business.
"""
