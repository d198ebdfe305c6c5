## Lo que dicen los comandos.

problem-line = cadena: { $message }
problem-remedy = { "  " }-> { $remedy }
warning-line = cadena: aviso: { $message }
signal-notice = Se está deteniendo en orden; una vez más para detener de inmediato.

phase-checkpoint = Esperando el checkpoint
phase-scanning = Contando archivos
phase-copying = Copiando
phase-collecting-wal = Agregando el WAL
phase-committing = Asegurando en disco
phase-verifying = Comprobando
phase-restoring = Escribiendo
phase-syncing = Asegurando en disco
phase-starting = Arrancando el servidor

kind-full = FULL
kind-logical = FULL lógico
kind-differential = DIFERENCIAL
kind-incremental = INCREMENTAL
state-in-progress = EN_PROGRESO
state-completed = COMPLETADO
state-failed = FALLIDO

column-id = Id
column-kind = Tipo
column-state = Estado
column-started = Inicio
column-duration = Duración
column-plain = Datos
column-archive = Archivo
column-file = Nombre
column-count = Cantidad
column-result = Resultado
column-files = Archivos
column-pages = Páginas
column-sha256 = SHA-256
column-table = Tabla
column-rows = Filas
column-source = Origen
column-restored = Restaurado

fact-backup = Backup
fact-file = Archivo
fact-started = Inicio
fact-duration = Duración
fact-size = Tamaño
fact-size-value = { $archive } de { $plain } ({ $ratio } : 1)
fact-files = Archivos
fact-databases = Bases de datos
fact-lsn = WAL
fact-lsn-value = { $start } a { $stop }, línea de tiempo { $timeline }
fact-server = Servidor
fact-server-standby = { $version }, un standby
fact-base = base
fact-changes = cambios
fact-reader = Lectura
fact-sha256 = SHA-256

corrupt-pages = { $count ->
    [one] Una página del propio clúster está dañada. El backup la contiene tal como está.
   *[other] { $count } páginas del propio clúster están dañadas. El backup las contiene tal como están.
}
corrupt-page = { $file }, bloque { $block }
corrupt-pages-more = y { $count } más

init-created = El repositorio está listo.
init-existed = El repositorio ya existía; no cambió nada.
init-repository = Repositorio
init-cluster = Clúster
init-role = Rol
init-next = Lo que sigue: `cadena check`, después `cadena full`.
init-privilege =
    cadena: el rol no tiene permiso para { $purpose }. Como superusuario, ejecutar:
      -> { $grant }

merge-done = La cadena { $chain } se juntó en el backup { $id } en { $duration }.
merge-already = La cadena { $chain } ya se había juntado: es el backup { $id }.
backup-done = Backup { $kind } completado en { $duration } ({ $rate }/s).
list-empty = Todavía no hay backups. `cadena full` hace uno.
list-remark = ! { $message }

check-state-ok = bien
check-state-warn = AVISO
check-state-fail = FALLA
check-result-ok = Se pueden hacer backups.
check-result-warn = Se pueden hacer backups; los avisos dicen qué se puede mejorar.
check-result-fail = Todavía no se pueden hacer backups; cada falla dice qué hacer.
check-config-file = Configuración: { $file }
check-config-none = Configuración: sin archivo; variables de entorno y valores por defecto
check-connection = PostgreSQL { $version } en { $target }
check-wal-level = wal_level permite hacer backups
check-wal-level-minimal = wal_level es minimal: PostgreSQL no escribe lo que un backup necesita
check-wal-level-minimal-remedy = Poner wal_level = replica en postgresql.conf y reiniciar el servidor.
check-privileges = El rol { $role } tiene todos los permisos que los backups necesitan
check-privilege-missing = El rol { $role } no tiene permiso para { $purpose }
check-privilege-missing-remedy = Como superusuario, ejecutar: { $grant }
check-slots = Slots de replicación: { $free } de { $all } libres
check-slots-none = Slots de replicación: ninguno de { $all } está libre, y el servidor puede eliminar WAL durante un backup
check-slots-none-remedy = Aumentar max_replication_slots y reiniciar el servidor, o eliminar un slot que nadie use.
check-checksums = Los checksums de datos están activados
check-checksums-off = Los checksums de datos están desactivados: una página dañada sólo se detecta si se nota en su encabezado
check-checksums-off-remedy = Con el servidor detenido: pg_checksums --enable -D DIRECTORIO_DE_DATOS
check-reader-local = El directorio de datos { $directory } se lee directamente
check-reader-sql = Los archivos se leen por SQL, según la configuración
check-reader-auto-sql = Los archivos se leen por SQL (directamente no: { $reason })
check-external-files = La configuración que está fuera del directorio de datos va al backup junto a los datos, y una restauración no la pone en su lugar: { $files }
check-binaries = Programas de PostgreSQL { $version } en { $folder }
check-repository = Repositorio { $folder }
check-repository-absent = No hay ningún repositorio en { $folder }
check-repository-absent-remedy = Crearlo con `cadena init`.
check-writable = Se puede escribir en { $folder }
check-not-writable = No se puede escribir en { $folder }: { $cause }
check-not-writable-remedy = Ejecutar Cadena con un usuario que pueda escribir ahí, o indicar otra carpeta con --repository.
check-space = Espacio: { $free } libres, el clúster ocupa { $needed }
check-space-free = Espacio: { $free } libres
check-space-low = Espacio: { $free } libres, el clúster ocupa { $needed }; comprimido puede que entre o que no
check-space-low-remedy = Liberar espacio, o indicar con --repository una carpeta en un disco más grande.
check-space-unknown = No se puede saber el espacio libre de { $folder }: { $cause }

validate-valid = válido
validate-damaged = DAÑADO
validate-error = Backup { $id }, daño: { $message }
validate-warning = Backup { $id }, aviso: { $message }

plan-backups = { $count ->
    [one] La restauración aplica este backup:
   *[other] La restauración aplica estos { $count } backups:
}
plan-target = Destino
plan-tablespace = Tablespace { $name }
plan-files = Archivos
plan-writes = Escribe
plan-reads = Lee
plan-space = Espacio
plan-space-value = { $needed } necesarios, { $free } libres en { $directory }
plan-remains = Se elimina antes
plan-over = Sobre el clúster
plan-over-value = se escribe lo que difiere y se elimina lo que el backup no tiene; hasta que termine, ningún servidor arranca ahí
plan-owner = Dueño
restore-done = Se restauraron { $files } archivos, { $size } en { $duration } ({ $rate }/s).
restore-done-over = Se compararon { $compared } y se escribieron { $written } de { $size } ({ $files } archivos) en { $duration }; { $removed ->
    [0] no se eliminó nada.
    [one] se eliminó una entrada que el backup no tiene o que se hace de nuevo.
   *[other] se eliminaron { $removed } entradas que el backup no tiene o que se hacen de nuevo.
}
restore-started = El servidor acepta conexiones en el puerto { $port } después de { $duration }: { $command }
restore-dry-run = No se escribió nada (--dry-run).
restore-running = Ahora es un clúster independiente; se detiene con pg_ctl stop.
restore-next = El clúster está listo: se arranca con pg_ctl o con el servicio habitual. El WAL se aplica en el primer arranque.

demo-source = 1. Un clúster nuevo de PostgreSQL { $version } en { $folder }, con tres tablas.
demo-backup =
    2. Mientras { $workers } conexiones escribían sin pausa ({ $transactions } transacciones hasta ahí), se hizo un backup FULL:
       Archivo: { $file }, { $archive } de { $plain } en { $duration }
       SHA-256 en el registro: { $sha256 }
demo-increment = { "   " }Un { $kind } en { $duration }: { $archive } en { $file } (bloques cambiados hallados por: { $way }).
demo-validated =
    3. El archivo se leyó de nuevo y se comprobó hasta cada página ({ $files } archivos, { $pages } páginas, { $duration }):
       SHA-256 del archivo:    { $sha256 }
demo-damaged =
    3. El archivo se leyó de nuevo, y NO es lo que se escribió ({ $files } archivos, { $pages } páginas, { $duration }):
       SHA-256 del archivo:    { $sha256 }
demo-restored =
    4. Restaurado en { $folder } ({ $files } archivos, { $duration }) y arrancado en el puerto { $port }.
demo-comparison =
    5. La comparación. La carga siguió, así que el origen de ahora no es la medida. Cada transacción anotó la posición del WAL
       en la que se ejecutó. { $acknowledged } transacciones estaban confirmadas antes de que el backup terminara en { $lsn }:
       todas tienen que estar. Faltan: { $missing }. El clúster restaurado contiene { $restored }, incluidas las confirmadas en
       el último WAL del backup; en total se confirmaron { $all }. En exactamente esas { $restored }, las tablas de ambos contienen:
demo-rewind =
    6. Después alguien se equivocó: UPDATE account sin WHERE, y DROP TABLE document. El WAL que el servidor guardaba desde antes del
       backup se recibió en el archivo, y el clúster se restauró a { $instant }, el instante anterior, con el
       backup y { $count } segmentos de WAL, hasta { $lsn }. Junto a lo que el origen contenía entonces:
demo-same = igual
demo-differs = DISTINTO
demo-success = El clúster restaurado es el que se respaldó, y el error está deshecho.
demo-failure = Un clúster restaurado NO contiene lo que debe. Por favor, informarlo.
demo-kept = Queda en { $folder }. Para mirar y para detener:
init-slot = El slot de replicación { $slot } está listo: desde ahora el servidor guarda todo el WAL hasta que lo lea `cadena start` o `cadena full`.
backup-no-catch-up = No se pudo archivar junto al backup el WAL del slot de replicación: { $message }
column-timeline = Línea
column-from = Desde
column-until = Hasta
column-from-lsn = Desde LSN
column-until-lsn = Hasta LSN
column-backups = Backups
windows-none = Aún no se puede restaurar nada: no hay ningún backup completado. `cadena full` hace uno.
windows-gap = Hueco en la línea de tiempo { $timeline }, de { $from } a { $to } ({ $size }): { $cause }
windows-isolated = El backup { $id } solo se restaura hasta su propio final: falta el WAL posterior.
windows-point = Punto de restauración { $name }: { $time }, { $lsn }
plan-until = Recupera hasta
plan-until-value = { $lsn }, por la línea de tiempo { $timeline }
plan-last-commit = Última confirmación
plan-last-commit-value = { $time }, en { $lsn }
plan-wal = WAL
plan-wal-value = { $count ->
    [one] un segmento, { $size }, { $how }
   *[other] { $count } segmentos, { $size }, { $how }
}
plan-wal-stage = puestos en pg_wal
plan-wal-fetch = traídos por restore_command
check-stream = El slot de replicación { $slot } está bien.
start-once = { $count ->
    [one] Un segmento archivado; todo lo anterior a { $lsn } está a salvo.
   *[other] { $count } segmentos archivados; todo lo anterior a { $lsn } está a salvo.
}
check-stream-none = Aún no existe el slot de replicación { $slot }: lo crea `cadena start`, para restaurar a cualquier segundo.
