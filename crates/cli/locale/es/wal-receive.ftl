## Receiving WAL: errors (error-KEY, error-KEY-remedy), events and findings about the slot (KEY, KEY-remedy).
