"""Extensions of the protocol (SEP-2133), each of which could serve another server."""
