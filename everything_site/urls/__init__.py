"""URLs, one module for each kind of server (`ROOT_URLCONF`), and what they have in common."""
