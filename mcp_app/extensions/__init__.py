"""Extensions of the protocol (SEP-2133), and the stores behind what the server demonstrates."""
