## The WAL archive: errors (error-KEY, error-KEY-remedy).
