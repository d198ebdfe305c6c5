## Restore to an instant: errors (error-KEY, error-KEY-remedy) and notes.
