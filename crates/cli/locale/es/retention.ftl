# Retención y limpieza.

cleanup-policy = Política
cleanup-policy-value = { $name }: FULL { $months } meses, DIFERENCIAL { $weeks } semanas, INCREMENTAL { $days } días, al menos { $chains } cadenas
cleanup-policy-wal = WAL { $days } días
cleanup-source = Origen
cleanup-source-catalog = el catálogo
cleanup-source-last-known = el catálogo, como estaba la última vez que se lo consultó
cleanup-source-file = el archivo de configuración
cleanup-source-standard = la estándar
cleanup-backups = Backups
cleanup-wal = Segmentos de WAL
cleanup-count = se van { $going } ({ $size }), quedan { $staying }
cleanup-unfinished = Restos de una limpieza que murió, ya eliminados
cleanup-stays = queda
cleanup-goes = se va
cleanup-nothing = No hay nada que eliminar.
cleanup-dry-run = No se eliminó nada: esto es lo que haría una limpieza ahora.
cleanup-refused = { $name } queda: { $reason }
cleanup-refused-base = { $name } queda: un backup que se apoya en él no se dejó quitar
cleanup-refused-wal = { $count } segmentos de WAL quedan: { $reason }
cleanup-done = Se liberaron { $size } en { $duration }.
column-verdict = Decisión
column-reason = Motivo
status-cleaning = Hay una limpieza en curso: proceso { $pid } en { $host }, desde { $since }.

retention-in-period = no es anterior al { $day }
retention-newest = el más nuevo que se puede restaurar
retention-newest-logical = el más nuevo de los lógicos
retention-chain = su FULL está entre los { $min_chains } más nuevos
retention-next-base = el próximo backup puede apoyarse en él
retention-wal-base = desde él se llega a cualquier instante de los últimos { $days } días
retention-base = el backup { $id } se apoya en él
retention-doubt = { $object }, que no se puede leer, puede apoyarse en él
retention-orphan-beside = junto a su registro está el archivo { $object }, aunque falló
retention-expired = anterior al { $day }
retention-interrupted = una limpieza que murió había empezado a eliminarlo
retention-orphan = Ningún registro responde por { $object }; se queda. `cadena list` dice más.
retention-unreadable-record = El registro { $object } no se puede leer ({ $detail }); mientras esté ahí no se va ni WAL ni nada en lo que pueda apoyarse.
retention-archive-missing = El archivo del backup { $id } falta o tiene otro tamaño.
retention-unknown-descent = Nada dice de dónde viene la línea de tiempo { $timeline }; todo su WAL se queda.
retention-foreign-wal = { $object } no es nuestro y se queda.
gap-removed-by-retention = Eliminado por la política de retención { $policy }

backup-removal-refused = El backup { $name } debía irse, y queda: { $error }
wal-removal-refused = { $segments } segmentos de WAL debían irse, y quedan: { $error }
backup-removed = Se eliminó el backup { $name }: { $reason }.
wal-trimmed = Se eliminaron { $segments } segmentos de WAL que ya nada necesita ({ $freed_bytes }).
cleanup-finished = La limpieza eliminó { $backups } backups y { $segments } segmentos de WAL, y liberó { $freed_bytes }.

error-retention-value = La política de retención { $policy } tiene { $name } = { $value }; se permite: { $allowed }.
error-retention-value-remedy = Corregirla en seguridad.backup_retention_policy o en [retention] de cadena.toml; no se eliminó nada.
error-retention-unreadable = No se puede leer { $object } en { $storage }: { $detail }.
error-retention-unreadable-remedy = Borrar ese archivo para olvidar qué política tenía el catálogo; mientras no se lo pueda consultar, vale entonces [retention] de cadena.toml o la estándar.
error-repository-removal-refused = El backup { $id } no se elimina: { $detail }.
error-repository-removal-refused-remedy = No se eliminó nada. `cadena list` y `cadena cleanup --dry-run` muestran qué se apoya en qué.
