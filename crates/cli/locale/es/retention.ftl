# Retención y limpieza.
