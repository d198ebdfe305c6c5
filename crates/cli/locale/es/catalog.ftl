# El catálogo en la base de datos.

error-backup-interrupted = El proceso { $pid } de { $host } terminó antes de que el backup estuviera completo.
error-backup-interrupted-remedy = Hacer el backup de nuevo; del interrumpido no queda nada.

warning-archive-gone = El archivo { $name } ya no está, o tiene otro tamaño que el registrado.

error-catalog-absent = No hay catálogo (esquema seguridad) en la base de datos de { $target }.
error-catalog-absent-remedy = Crearlo con `cadena catalog install`, o con psql -f migrations/002_add_incremental_backup_system.sql en esa base de datos.
error-catalog-foreign = En la base de datos de { $target } estos objetos no son de Cadena, y no se tocan: { $objects }
error-catalog-foreign-remedy = Mover cada uno a otro esquema, con sus datos (ALTER TABLE … SET SCHEMA …), y ejecutar `cadena catalog install`; o tener el catálogo en otra base de datos (--dbname).
error-catalog-incomplete = Al catálogo de la base de datos de { $target } le falta { $missing }.
error-catalog-incomplete-remedy = Ejecutar `cadena catalog install`. Si falta una columna, eliminar antes su tabla: todo menos las políticas vuelve desde el repositorio.
error-catalog-newer = El catálogo de la base de datos de { $target } tiene la versión { $found }; este programa conoce hasta la { $supported }.
error-catalog-newer-remedy = Usar la versión de Cadena que lo creó, o una más nueva.
error-catalog-privilege = El rol { $role } no tiene los permisos que el catálogo necesita.
error-catalog-privilege-remedy = Como superusuario, en la misma base de datos, ejecutar: { $grants }
error-catalog-read-only = { $target } es un servidor en espera (standby), y no se puede escribir en él.
error-catalog-read-only-remedy = El catálogo se actualiza con el próximo comando que llegue al primario, o con `cadena catalog sync` y --host y --port del primario.
error-catalog-busy = El catálogo de la base de datos de { $target } no respondió en { $seconds } s: está bloqueado, o el servidor está sobrecargado.
error-catalog-busy-remedy = Buscar transacciones largas sobre las tablas de seguridad (pg_stat_activity), y ejecutar `cadena catalog sync`.
error-catalog-policy = La política de retención { $id } ({ $name }) no tiene sentido: { $detail }
error-catalog-policy-remedy = Corregir la fila en seguridad.backup_retention_policy, o poner activa = false.

catalog-not-updated = No se actualizó el catálogo de la base de datos: { $message }
catalog-synced = El catálogo de la base de datos de { $target } dice lo que dice el repositorio.
catalog-rebuilt = El catálogo de la base de datos de { $target } se rehízo desde el repositorio.
catalog-installed = El catálogo está en la base de datos de { $target }.
catalog-inserted = Nuevas
catalog-updated = Cambiadas
catalog-deleted = Quitadas
catalog-unreadable-records = { $count ->
    [one] El registro de un backup no se puede leer; no tiene fila. `cadena status` lo nombra.
   *[other] Los registros de { $count } backups no se pueden leer; no tienen fila. `cadena status` los nombra.
}
catalog-unreadable-lines = { $count ->
    [one] Una línea del diario no es un evento; no tiene fila.
   *[other] { $count } líneas del diario no son eventos; no tienen fila.
}

check-catalog = Catálogo: versión { $version }, en la base de datos de { $target }
check-catalog-off = Catálogo: desactivado por la configuración
check-catalog-standby = Catálogo: { $target } es un servidor en espera (standby); muestra el del primario
check-catalog-absent = Catálogo: no hay en la base de datos de { $target }
check-catalog-absent-remedy = Los backups no lo necesitan. `cadena catalog install` lo crea.
check-catalog-policy = Política de retención { $name }: FULL { $full } meses, DIFERENCIAL { $differential } semanas, INCREMENTAL { $incremental } días, al menos { $chains } cadenas

init-catalog = El catálogo (esquema seguridad) está en la base de datos.
