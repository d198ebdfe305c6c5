# El catálogo en la base de datos.

error-backup-interrupted = El proceso { $pid } de { $host } terminó antes de que el backup estuviera completo.
error-backup-interrupted-remedy = Hacer el backup de nuevo; del interrumpido no queda nada.
