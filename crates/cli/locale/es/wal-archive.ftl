## Errores del archivo de WAL.

error-wal-missing = El segmento WAL { $segment } no está en { $storage }.
error-wal-missing-remedy = Recuperarlo del pg_wal del servidor o de otra copia, si alguna aún lo tiene. Sin él, ninguna restauración pasa de este punto; si se perdió, hacer un FULL nuevo.
error-wal-damaged = El segmento WAL { $segment } en { $storage } está dañado: { $detail }
error-wal-damaged-remedy = Nunca se sobrescribe por sí solo. Si el servidor aún tiene el segmento en pg_wal, apartar el archivo dañado y archivar el segmento de nuevo; si no, las restauraciones terminan antes de él: revisar el disco y hacer un FULL nuevo ahora.
error-wal-invalid = Estos bytes no son el segmento WAL { $segment }: { $detail }
error-wal-invalid-remedy = No se archivó nada. Revisar que archive_command pase %p y %f y que el archivo en el servidor esté íntegro; `pg_waldump` muestra dónde se corta.
error-wal-conflict = El segmento WAL { $segment } ya está en { $storage }, con otro contenido: { $detail }
error-wal-conflict-remedy = Dos servidores escriben la misma línea de tiempo, o se volvió a iniciar uno viejo. No se sobrescribió nada. Averiguar cuál es el correcto antes de eliminar algo; promover el otro a una línea de tiempo propia.
error-wal-history-conflict = La historia de la línea de tiempo { $timeline } ya está en { $storage }, con otro contenido.
error-wal-history-conflict-remedy = Dos servidores se promovieron a la misma línea de tiempo. No se sobrescribió nada. Dar a uno de los dos un repositorio propio, con `cadena init`.
error-wal-foreign = Este WAL es del clúster con identificador { $found }; el repositorio pertenece al { $expected }.
error-wal-foreign-remedy = Cada clúster necesita su propio repositorio: indicar el correcto con --repository o BACKUP_DIR.
error-wal-geometry = El archivo de WAL tiene { $what } { $expected }; esto es { $found }.
error-wal-geometry-remedy = Un archivo de WAL contiene una sola forma de WAL. Crear un repositorio nuevo con `cadena init` y hacer un FULL en él.
error-wal-newer = { $object } tiene el formato { $found }; esta versión lee hasta el { $supported }.
error-wal-newer-remedy = Usar la versión de Cadena que lo escribió, o una más nueva.
error-wal-unreadable = No se puede leer { $object } en { $storage }: { $detail }
error-wal-unreadable-remedy = Revisar el disco. Recuperar el archivo desde una copia; los segmentos junto a él siguen intactos y se abren con `zstd -dc`.
