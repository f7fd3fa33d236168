"""Who signs in with a browser: sessions, limits of passwords, and what is deleted with a user."""
