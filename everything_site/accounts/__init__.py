"""Who signs in with a browser: sessions, limits of passwords, and what ends with a deleted user."""
