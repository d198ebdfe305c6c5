## Cada error de la biblioteca y del programa: error-CLAVE es la frase, error-CLAVE-remedy qué hacer.

error-unknown = Error sin nombre.
error-unknown-remedy = Ejecutar el comando de nuevo con -v e informar lo que muestre: es un defecto.

# pgformat
error-format-text = { $what } no es válido: { $text }
error-format-text-remedy = PostgreSQL nunca escribe esto. Revisar de dónde viene el valor; `cadena validate --level deep` revisa los backups.
error-format-damaged = { $what } está dañado: { $detail }
error-format-damaged-remedy = Intentar de nuevo. Si persiste, el archivo mismo está dañado: revisar el log de PostgreSQL y el disco.
error-format-unsupported = { $what } { $found } no está soportado.
error-format-unsupported-remedy = Esta versión soporta PostgreSQL 14 a 18.

# archive
error-archive-damaged = El archivo está dañado en el byte { $offset }: { $detail }
error-archive-damaged-remedy = No restaurar desde este backup. Revisar el disco, usar un backup anterior y hacer un FULL nuevo ahora.
error-archive-tar-damaged = El flujo tar del archivo está mal en su byte { $plain_offset }: { $detail }
error-archive-tar-damaged-remedy = No restaurar desde este backup. Revisar el disco, usar un backup anterior y hacer un FULL nuevo ahora.
error-archive-content-damaged = El contenido de { $path } en el archivo no coincide con su checksum ({ $found_crc32c }, se esperaba { $expected_crc32c }).
error-archive-content-damaged-remedy = No restaurar desde este backup. Revisar el disco, usar un backup anterior y hacer un FULL nuevo ahora.
error-archive-hostile-member = El archivo contiene un miembro que se rechaza: { $path } ({ $reason })
error-archive-hostile-member-remedy = Cadena no escribió este archivo tal como está. No usarlo; averiguar quién lo modificó.
error-archive-absurd = El archivo declara un tamaño absurdo: { $what } = { $value }
error-archive-absurd-remedy = El archivo está dañado o fue manipulado. No usarlo.
error-archive-newer = El archivo tiene la versión de formato { $found }; este programa lee hasta la { $supported }.
error-archive-newer-remedy = Usar la versión de Cadena que lo escribió, o una más nueva.
error-archive-no-member = El archivo no contiene { $path }.
error-archive-no-member-remedy = Ejecutar `cadena validate --level deep` sobre este backup.
error-archive-codec = Falló la compresión: { $detail }
error-archive-codec-remedy = Ejecutar el comando de nuevo. Si vuelve a fallar, informarlo: es un defecto.
error-archive-misuse = El archivo se armó mal: { $detail }
error-archive-misuse-remedy = No se hizo ningún backup. Informarlo: es un defecto.

# storage
error-storage-missing = No existe { $object } en { $storage }.
error-storage-missing-remedy = Revisar que el repositorio sea el correcto y que su disco esté montado.
error-storage-exists = { $object } ya existe en { $storage }; no se sobrescribió nada.
error-storage-exists-remedy = Ejecutar el comando de nuevo.
error-storage-short = { $object } en { $storage } termina en { $size_bytes }; se necesitaban { $wanted_bytes }.
error-storage-short-remedy = El archivo quedó cortado. Ejecutar `cadena validate` para ver qué backups están íntegros.
error-storage-key = { $object } no es un nombre válido en un repositorio: { $reason }
error-storage-key-remedy = Informarlo: es un defecto, o el repositorio fue manipulado.
error-storage-full = No queda espacio para { $object } en { $storage }.
error-storage-full-remedy = Liberar espacio y ejecutar el comando de nuevo. Lo que quedó a medias ya se eliminó.
error-storage-locked = No se puede quitar { $object } de { $storage }: { $reason }
error-storage-locked-remedy = Queda hasta que termine su retención, o hasta que quien puso la retención legal la levante; cada limpieza posterior lo intenta de nuevo.
error-storage-denied = Permiso denegado: { $object } en { $storage }
error-storage-denied-remedy = Ejecutar el comando con el usuario dueño del repositorio, o cambiar el dueño de la carpeta. En Google Drive: compartir la carpeta con la cuenta como editor.
error-storage-io = Falló la operación { $action } sobre { $object } en { $storage }: { $cause }
error-storage-io-remedy = Revisar el disco y que esté montado, y ejecutar el comando de nuevo.
error-storage-link = Un enlace simbólico, { $link }, se interpone en el camino de { $object } en { $storage }.
error-storage-link-remedy = Dentro de un repositorio no se siguen enlaces. Reemplazarlo por una carpeta, o indicar la carpeta real del repositorio.

# repository
error-repository-absent = No hay ningún repositorio en { $storage }.
error-repository-absent-remedy = Crearlo con `cadena init`, o indicar la carpeta correcta con --repository o BACKUP_DIR.
error-repository-foreign = { $storage } contiene el repositorio del clúster { $found }, no del { $wanted }.
error-repository-foreign-remedy = Cada clúster necesita su propio repositorio: indicar otra carpeta con --repository o BACKUP_DIR y crearla con `cadena init`.
error-repository-newer = El repositorio en { $storage } tiene la versión de formato { $found }; este programa lee hasta la { $supported }.
error-repository-newer-remedy = Usar la versión de Cadena que lo creó, o una más nueva.
error-repository-unreadable = No se puede leer { $object } en { $storage }: { $detail }
error-repository-unreadable-remedy = Revisar el disco. Los archivos de backup siguen intactos y se abren con `zstd -dc ARCHIVO | tar x`.
error-repository-busy = { $work ->
    [cleanup] Hay una limpieza en curso: { $name }, proceso { $pid } en { $host }, desde { $since }.
   *[other] Hay un backup en curso: { $name }, proceso { $pid } en { $host }, desde { $since }.
}
error-repository-busy-remedy = Esperar a que termine; `cadena status` lo muestra. Si su proceso muere, el próximo backup o la próxima limpieza toma el relevo por sí solo.
error-repository-no-backup = No existe el backup { $id }.
error-repository-no-backup-remedy = `cadena list` muestra los backups que existen.
error-repository-empty = No hay ningún backup completado.
error-repository-empty-remedy = Hacer uno con `cadena full`.
error-backup-method-kind = Un { $kind } no puede ser lógico: contiene bloques que cambiaron, y un volcado no conoce ninguno.
error-backup-method-kind-remedy = Hacer un FULL lógico con `cadena full --method logical`, o un { $kind } sin `--method`.
error-backup-unknown-database = El servidor no tiene ninguna base de datos { $database }. Tiene: { $known }
error-backup-unknown-database-remedy = Indicar una de ésas con `--database`, o no usar `--database` para volcarlas todas.
error-backup-no-database = El servidor no tiene ninguna base de datos que acepte conexiones y no sea plantilla: no hay nada que volcar.
error-backup-no-database-remedy = Indicar una con `--database`, o admitir conexiones con ALTER DATABASE … ALLOW_CONNECTIONS true.
error-repository-only-logical = Sólo hay backups lógicos, el más nuevo de los cuales es { $id }: contienen volcados de bases de datos, y ningún clúster.
error-repository-only-logical-remedy = Restaurar una base de datos con `cadena restore --backup { $id } --database D --as NUEVA`, o hacer un backup físico con `cadena full`.
error-repository-archive-missing = Falta el archivo del backup { $id }, { $object }.
error-repository-archive-missing-remedy = Recuperar el archivo desde una copia, o usar otro backup. Hacer un FULL nuevo ahora.
error-repository-archive-size = El archivo del backup { $id }, { $object }, mide { $found_bytes }; su registro dice { $recorded_bytes }.
error-repository-archive-size-remedy = El archivo cambió después del backup. Recuperarlo desde una copia, o usar otro backup. Hacer un FULL nuevo ahora.
error-repository-archive-digest = El archivo del backup { $id }, { $object }, tiene el SHA-256 { $found }; su registro dice { $recorded }.
error-repository-archive-digest-remedy = El archivo cambió después del backup. Recuperarlo desde una copia, o usar otro backup. Hacer un FULL nuevo ahora.
error-repository-not-completed = El backup { $id } está { $state }, así que no tiene archivo.
error-repository-not-completed-remedy = `cadena list` muestra los completados.
error-backup-merge-alone = El backup { $id } ya es un FULL: no hay cadena que juntar.
error-backup-merge-alone-remedy = Indicar un DIFERENCIAL o un INCREMENTAL; `cadena list` los muestra.
error-backup-changes-unknown = La vía { $way } no puede decir qué bloques cambiaron: { $reason }
error-backup-changes-unknown-remedy = Omitir --changes: entonces se usa la mejor vía que pueda decirlo. --changes scan sirve siempre, y lee cada página.
error-backup-timeline-changed = El servidor fue promovido mientras empezaba el backup: estaba en la línea de tiempo { $expected } y está en la { $found }.
error-backup-timeline-changed-remedy = Ejecutar el comando de nuevo.
error-backup-before-base = Este backup empezaría en { $start_lsn }, antes que su base, en { $base_lsn }: el servidor volvió atrás, o es un standby retrasado.
error-backup-before-base-remedy = En un standby, ejecutar el comando de nuevo cuando se haya puesto al día. Si no, hacer un FULL.
error-backup-taken = El { $kind } previsto para { $scheduled_for } ya está hecho: backup { $id }.
error-backup-taken-remedy = No hay nada que hacer: otro demonio de este repositorio fue más rápido.
error-backup-base-gone = El backup { $id }, la base de este, desapareció mientras empezaba.
error-backup-base-gone-remedy = Ejecutar el comando de nuevo.
error-base-archive = Su archivo { $object } falta o tiene otro tamaño.
error-base-archive-remedy = Recuperar el archivo desde una copia.
error-base-unreadable = Su archivo { $object } no se puede leer: { $detail }
error-base-unreadable-remedy = Recuperar el archivo desde una copia.
error-base-record = Su registro { $object } no se puede leer: { $detail }
error-base-record-remedy = Recuperar el registro desde una copia, o usar el programa que lo escribió.
error-base-timeline = Terminó en { $stop_lsn } en la línea de tiempo { $timeline }, que desde ahí no llevó a la línea { $present } del servidor.
error-base-timeline-remedy = No tiene nada malo: la historia del servidor se separó de la suya.
error-base-server = { $what }: entonces era { $then }, y ahora es { $now }.
error-base-server-remedy = No tiene nada malo: el servidor fue cambiado.
error-chain-base-missing = El backup { $id } contiene los cambios desde el backup { $base }, que no está.
error-chain-base-missing-remedy = Recuperar el archivo y el registro de la base desde una copia, o restaurar otro backup. El próximo backup vuelve a empezar donde quede una base.
error-chain-base-unreadable = El backup { $id } contiene los cambios desde el backup { $base }, cuyo registro { $object } no se puede leer: { $detail }
error-chain-base-unreadable-remedy = Recuperar ese registro desde una copia, o restaurar otro backup.
error-chain-base-kind = El backup { $id } contiene los cambios desde el backup { $base }, que es { $found } y no { $wanted }.
error-chain-base-kind-remedy = Uno de los dos registros fue cambiado. Recuperarlos desde una copia, o restaurar otro backup.
error-chain-archive-missing = El backup { $id } contiene los cambios desde el backup { $base }, cuyo archivo { $object } falta o tiene otro tamaño.
error-chain-archive-missing-remedy = Recuperar ese archivo desde una copia, o restaurar otro backup.
error-chain-base-swapped = El backup { $id } se hizo sobre un backup { $base } con { $what } { $wanted }; el que está aquí tiene { $found }.
error-chain-base-swapped-remedy = Otro backup ocupa el lugar de la base. Recuperar la verdadera desde una copia, o restaurar otro backup.
error-chain-mismatch = El backup { $id } y su base, el backup { $base }, difieren en { $what }: { $wanted } y { $found }.
error-chain-mismatch-remedy = Uno de los dos registros fue cambiado. Recuperarlos desde una copia, o restaurar otro backup.
error-repository-record-invalid = No se puede escribir el registro del backup { $id }: { $detail }
error-repository-record-invalid-remedy = Informarlo: es un defecto.

# cluster
error-cluster-connect = No se puede conectar a PostgreSQL en { $target }: { $detail }
error-cluster-connect-remedy = Revisar que el servidor esté en marcha, y host, puerto, usuario y contraseña (DB_HOST, DB_PORT, DB_USER, DB_PASSWORD, .pgpass o [connection] en cadena.toml).
error-cluster-settings = Los datos de conexión están mal: { $detail }
error-cluster-settings-remedy = Comparar DATABASE_URL y [connection] de cadena.toml con los parámetros de conexión de libpq.
error-cluster-connection-lost = Se perdió la conexión con PostgreSQL: { $detail }
error-cluster-connection-lost-remedy = Revisar el log del servidor y ejecutar el comando de nuevo. No queda ningún backup a medias.
error-cluster-sql = PostgreSQL rechazó { $action }: { $detail } (SQLSTATE { $sqlstate })
error-cluster-sql-remedy = Revisar el log del servidor; `cadena check` indica los privilegios que faltan.
error-cluster-answer = No se entiende la respuesta de PostgreSQL a { $action }: { $detail }
error-cluster-answer-remedy = Revisar que sea un servidor PostgreSQL, sin un proxy que cambie las respuestas. Si no, informarlo: es un defecto.
error-cluster-changed = Ahora responde otro clúster: identificador de sistema { $found } en lugar de { $expected }.
error-cluster-changed-remedy = Indicar un solo servidor, no una dirección que alterna entre servidores, y ejecutar el comando de nuevo.
error-cluster-cancelled = Detenido a pedido.
error-cluster-cancelled-remedy = No queda nada a medias. El comando se puede ejecutar de nuevo en cualquier momento.
error-cluster-file-name = El nombre del archivo { $name } en { $directory } no se puede pasar por SQL.
error-cluster-file-name-remedy = Ejecutar Cadena en el equipo de la base de datos, con un usuario que pueda leer el directorio de datos, y con --reader local.
error-cluster-version = PostgreSQL { $found } no está soportado.
error-cluster-version-remedy = Esta versión soporta PostgreSQL 14 a 18.
error-cluster-privilege = El rol { $role } no tiene permiso para { $action }.
error-cluster-privilege-remedy = Como superusuario, ejecutar: { $grant }
error-cluster-promoted = El standby fue promovido durante el backup; ese backup no sería confiable.
error-cluster-promoted-remedy = Ejecutar el comando de nuevo.
error-cluster-wal-level = wal_level es minimal: PostgreSQL no escribe lo que un backup necesita.
error-cluster-wal-level-remedy = Poner wal_level = replica en postgresql.conf y reiniciar el servidor.
error-cluster-binary-missing = No se encontró el programa { $program } de PostgreSQL { $major }. Se buscó en: { $looked_in }
error-cluster-binary-missing-remedy = Instalar PostgreSQL { $major }, o indicar la carpeta de sus programas en PG_BIN_PATH o pg_bin_path.
error-cluster-program = Falló el programa { $program } de PostgreSQL: { $detail }
error-cluster-program-remedy = Su propio mensaje dice el motivo.
error-cluster-start = El servidor en { $directory } no arrancó: { $detail }
error-cluster-start-remedy = Las líneas de arriba son del log del servidor. Suele ser un puerto ocupado, o una opción que apunta a un archivo que aquí no existe.
error-cluster-no-user = El usuario { $user } no existe en el sistema operativo.
error-cluster-no-user-remedy = Indicar un usuario existente con --owner.
error-cluster-other-user = Sólo root puede ejecutar un servidor como { $user }; el usuario actual es { $current }.
error-cluster-other-user-remedy = Ejecutar el comando como { $user } o como root, o quitar --owner.
error-cluster-root = PostgreSQL se niega a ejecutarse como root.
error-cluster-root-remedy = Indicar otro usuario con --owner, por ejemplo postgres.

# reader
error-read-file = No se puede leer { $path } del directorio de datos: { $cause }
error-read-file-remedy = Revisar los permisos del archivo y el disco, y ejecutar el comando de nuevo.
error-read-not-local = El directorio de datos { $directory } no se puede leer desde aquí: { $reason }
error-read-not-local-remedy = Usar --reader sql, o ejecutar Cadena en el equipo de la base de datos con un usuario que pueda leer el directorio de datos.
error-read-too-deep = { $path } está demasiado profundo dentro del directorio de datos.
error-read-too-deep-remedy = PostgreSQL no crea una carpeta así. Sacarla del directorio de datos.
error-read-not-utf8 = El nombre de { $path } en el directorio de datos no es UTF-8, y por SQL no se puede leer.
error-read-not-utf8-remedy = Usar --reader local en el equipo de la base de datos, o cambiar el nombre del archivo.

# pipeline and backup
error-cancelled = Detenido a pedido.
error-cancelled-remedy = No queda nada a medias. El comando se puede ejecutar de nuevo en cualquier momento.
error-worker-panicked = Un proceso de trabajo terminó de forma inesperada: { $detail }
error-worker-panicked-remedy = No se hizo ningún backup. Informarlo: es un defecto.
error-backup-wal-removed = El servidor eliminó el segmento de WAL { $segment } antes de que se pudiera copiar.
error-backup-wal-removed-remedy = Permitirle al rol un slot de replicación (`cadena init --print-grants`), o aumentar wal_keep_size, y repetir el backup.
error-backup-control-file = No se puede leer pg_control completo: { $detail }
error-backup-control-file-remedy = Repetir el backup. Si persiste, el archivo de control del clúster está dañado: revisar el log de PostgreSQL.
error-backup-option = La opción { $option } tiene el valor { $value }: { $reason }
error-backup-option-remedy = `cadena help full` dice qué se admite.
error-backup-timeline-history = La historia de las líneas de tiempo no lleva de { $start } a { $stop }.
error-backup-timeline-history-remedy = Repetir el backup. Si persiste, buscar en pg_wal los archivos .history de ambas líneas de tiempo.
error-backup-spool = Falló el archivo temporal en { $folder }: { $cause }
error-backup-spool-remedy = Liberar espacio allí, o indicar otra carpeta en TMPDIR, y repetir el backup.

# restore
error-restore-target-not-empty = { $directory } no está vacío. Una restauración solo escribe encima del mismo clúster, con --delta.
error-restore-target-not-empty-remedy = Indicar una carpeta vacía o que todavía no exista.
error-restore-target-running = Hay un servidor en marcha en { $directory } (proceso { $pid }).
error-restore-target-running-remedy = Indicar otra carpeta, o detener ese servidor si se quiere restaurar sobre su clúster (--delta).
error-restore-target = { $directory } no sirve como destino: { $detail }
error-restore-target-remedy = Indicar otra carpeta, o corregir lo anterior.
error-restore-unreachable = El usuario { $owner } no llega a { $directory }: { $ancestor } no le permite el paso.
error-restore-unreachable-remedy = Darle permiso para entrar en { $ancestor } (chmod o+x), o indicar una carpeta en otro lugar.
error-restore-no-space = { $directory } tiene { $free_bytes } libres; la restauración necesita { $needed_bytes }.
error-restore-no-space-remedy = Liberar espacio o indicar una carpeta en otro disco. No se escribió nada.
error-restore-no-inodes = En { $directory } caben { $free_inodes } archivos más; la restauración necesita { $needed_inodes }.
error-restore-no-inodes-remedy = Eliminar archivos allí o indicar una carpeta en otro disco. No se escribió nada.
error-restore-disk-full = El disco está lleno: no se pudo escribir { $path }.
error-restore-disk-full-remedy = Liberar espacio y repetir la restauración. Lo escrito ya se eliminó.
error-restore-unknown-tablespace = El backup no tiene el tablespace { $name }; tiene: { $known }
error-restore-unknown-tablespace-remedy = Indicar uno de ellos en --tablespace VIEJO=NUEVO. No se escribió nada.
error-restore-tablespace-target = El tablespace { $name } iría a { $directory }: { $reason }
error-restore-tablespace-target-remedy = Indicarle una carpeta: --tablespace { $name }=CARPETA. No se escribió nada.
error-restore-logical-target = El backup { $id } es lógico: no se le puede aplicar WAL, así que sólo se restaura a los instantes de sus volcados.
error-restore-logical-target-remedy = No usar `--at`, `--lsn`, `--name` ni `--latest`, o no usar `--backup`: entonces se usa un backup físico y el WAL posterior.
error-restore-not-completed = El backup { $id } está { $state }; sólo se restaura uno completado.
error-restore-not-completed-remedy = `cadena list` muestra los completados.
error-restore-logical = El backup { $id } es lógico: contiene volcados de bases de datos, que se cargan en un servidor en marcha, y ningún archivo de un clúster.
error-restore-logical-remedy = Restaurar una de sus bases con `cadena restore --backup { $id } --database D --as NUEVA`, obtener su volcado con `cadena export --backup { $id } --database D -o ARCHIVO.dump`, o indicar un backup físico; `cadena list` muestra cuál es cuál.
error-restore-write = Falló la escritura de { $path }: { $cause }
error-restore-write-remedy = Revisar el disco y los permisos del destino. Lo escrito ya se eliminó.
error-restore-content = El contenido de { $path } en el archivo no coincide con su checksum.
error-restore-content-remedy = No usar este backup. Restaurar uno anterior, revisar el disco y hacer un FULL nuevo ahora.
error-restore-mismatch = El archivo del backup { $id } tiene { $what } { $found }; su registro dice { $recorded }.
error-restore-mismatch-remedy = Alguien cambió el archivo o su registro por otro. Recuperar ambos desde una copia, o usar otro backup.
error-restore-incomplete = Al archivo del backup { $id } le falta { $path }.
error-restore-incomplete-remedy = No usar este backup. Restaurar uno anterior y hacer un FULL nuevo ahora.
error-restore-remains = Falló la restauración ({ $reason }) y no se pudieron eliminar sus restos en { $directory }: { $cause }
error-restore-remains-remedy = Eliminar la carpeta a mano. No arrancar un servidor en ella.
error-restore-busy = Otra restauración está escribiendo en { $directory }.
error-restore-busy-remedy = Esperar a que termine, o indicar otra carpeta.

# verify
error-verify-not-completed = El backup { $id } está { $state }; sólo se valida uno completado.
error-verify-not-completed-remedy = `cadena list` muestra los completados.

# the command's own: command line, configuration, output, demo
error-usage-unknown-argument = Argumento desconocido: { $argument }
error-usage-unknown-argument-remedy = El más parecido: { $nearest }. `cadena help` muestra todo.
error-usage-unknown-command = Comando desconocido: { $name }
error-usage-unknown-command-remedy = ¿Se quiso decir `cadena { $nearest }`? `cadena help` muestra todos los comandos.
error-usage-bad-value = { $argument } no puede ser «{ $value }».
error-usage-bad-value-remedy = Se admite: { $allowed }
error-usage-missing = Falta: { $arguments }
error-usage-missing-remedy = `cadena help COMANDO` muestra lo que necesita cada comando.
error-usage-conflict = { $argument } no se puede usar junto con { $other }.
error-usage-conflict-remedy = Quitar uno de los dos.
error-usage-other = { $detail }
error-usage-other-remedy = `cadena help COMANDO` muestra cómo se usa cada comando.
error-config-unreadable = No se puede leer el archivo de configuración { $file }: { $cause }
error-config-unreadable-remedy = Revisar la ruta (--config, CADENA_CONFIG) y los permisos del archivo.
error-config-syntax = { $file }, línea { $line }: { $detail }
error-config-syntax-remedy = Corregir la línea; cadena.toml es un archivo TOML (https://toml.io).
error-config-unknown-section = { $file }, línea { $line }: sección desconocida [{ $name }]
error-config-unknown-section-remedy = ¿Se quiso decir [{ $nearest }]?
error-config-unknown-key = { $file }, línea { $line }: clave desconocida «{ $name }» en [{ $section }]
error-config-unknown-key-remedy = ¿Se quiso decir «{ $nearest }»?
error-config-bad-value = { $file }, línea { $line }: { $name } no puede ser { $value }
error-config-bad-value-remedy = Se admite: { $allowed }
error-config-password-readable = { $file } contiene una contraseña y otros usuarios pueden leerlo (modo { $mode }).
error-config-password-readable-remedy = Ejecutar: chmod 600 { $file }
error-config-bad-variable = La variable de entorno { $variable } no puede ser «{ $value }».
error-config-bad-variable-remedy = Se admite: { $allowed }
error-output-failed = No se puede escribir en la salida estándar: { $cause }
error-output-failed-remedy = Revisar adónde va la salida; puede que su disco esté lleno. La operación en sí ya terminó.
error-demo-folder = La demo no puede usar { $folder }: { $cause }
error-demo-folder-remedy = Indicar en TMPDIR una carpeta con cerca de 1 GiB libre.
error-demo-load = La carga de la demo se detuvo antes de tiempo: { $detail }
error-demo-load-remedy = Ejecutar la demo de nuevo con -v.
error-demo-incomplete = Al backup de la demo le falta { $what }.
error-demo-incomplete-remedy = Informarlo: es un defecto.
# momentos y el registro del demonio
error-usage-time = { $text } no es un momento.
error-usage-time-remedy = Escríbalo así: { $example }; sin desfase horario vale la zona configurada.
error-usage-time-gap = { $text } no existe en { $zone }: el reloj se adelantó y saltó esa hora.
error-usage-time-gap-remedy = Indique cuál se quiere: { $earlier } o { $later }.
error-usage-time-fold = { $text } ocurrió dos veces en { $zone }: el reloj se atrasó.
error-usage-time-fold-remedy = Indique cuál de las dos se quiere: { $earlier } o { $later }.
error-log-file = No se puede abrir el registro { $file }: { $cause }
error-log-file-remedy = Permita que el usuario del demonio escriba en la carpeta del repositorio.
