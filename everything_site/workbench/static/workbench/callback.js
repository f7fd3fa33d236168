/** The redirect URI of the sign-in. */
