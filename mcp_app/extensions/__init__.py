"""Extensions of the protocol (SEP-2133): tasks and skills."""
