# Retention and cleanup.
