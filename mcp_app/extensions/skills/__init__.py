"""Skills (`io.modelcontextprotocol/skills`, SEP-2640): folders of instructions, served as resources.

`skill` reads a folder, `extension` implements the protocol. The server chooses the skills.
"""
