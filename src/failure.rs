//! What an error means: exit code, enhanced status code and hint. The only place.
