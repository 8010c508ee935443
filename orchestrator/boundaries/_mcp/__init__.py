"""What the MCP boundary is made of: the tools of a server, their pins, and a relay of messages."""
