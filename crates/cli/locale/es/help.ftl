## Ayuda: help-COMANDO es la línea de un comando, help-COMANDO-ARGUMENTO la de un argumento.

help-heading-usage = Uso
help-heading-commands = Comandos
help-heading-arguments = Argumentos
help-heading-options = Opciones
help-heading-global = Opciones de todos los comandos
help-value-file = ARCHIVO
help-value-dir = CARPETA
help-value-host = HOST
help-value-port = PUERTO
help-value-name = NOMBRE
help-value-lang = IDIOMA
help-value-source = ORIGEN
help-value-n = N
help-value-rate = RITMO
help-value-text = TEXTO
help-value-how = MODO
help-value-id = ID
help-value-level = NIVEL
help-value-old-new = VIEJO=NUEVO
help-value-user = USUARIO
help-value-shell = SHELL
help-value-command = COMANDO
help-value-options = [OPCIONES]

help-cadena = Backups de PostgreSQL 14 a 18 que se restauran, y que pueden demostrarlo.
help-after =
    Códigos de salida: 0 hecho, 1 falló, 2 línea de comandos o configuración incorrecta, 3 hecho con avisos, 4 hay otro
    backup u otra restauración en curso, 5 un backup está dañado, 6 rechazado antes de escribir, 130 detenido por una señal.

    La conexión se toma de --host, --port, --dbname, --user; de DB_HOST, DB_PORT, DB_NAME, DB_USER, DB_PASSWORD o
    DATABASE_URL; de cadena.toml; o de las variables PG* y el .pgpass de libpq. `cadena demo` no necesita ninguna.

help-cadena-version = Muestra la versión.
help-global-config = Archivo de configuración (CADENA_CONFIG; si no, cadena.toml de la carpeta actual, si existe).
help-global-repository = Carpeta de los backups (BACKUP_DIR; si no, backups_incrementales).
help-global-host = Host del servidor, o la carpeta de su socket.
help-global-port = Puerto del servidor.
help-global-dbname = Base de datos a la que conectarse; el backup es de todo el clúster.
help-global-user = Rol con el que conectarse. No hay opción para la contraseña: usar DB_PASSWORD o .pgpass.
help-global-lang = Idioma de los mensajes: en o es (CADENA_LANG; si no, el del sistema).
help-global-json = Muestra el resultado, o el error, como JSON en la salida estándar.
help-global-quiet = No muestra nada más que errores y avisos.
help-global-no-progress = No muestra la barra de progreso.
help-global-verbose = Dice más en la salida de errores; dos veces, todavía más.
help-global-help = Muestra esta ayuda.

help-demo = Crea un clúster descartable, lo respalda con carga, lo restaura y compara.
help-demo-keep = Deja la carpeta y los dos servidores como están, y dice cómo llegar a ellos.
help-init = Crea el repositorio del clúster y revisa los privilegios del rol.
help-init-print-grants = Muestra las sentencias que dan a un rol lo que los backups necesitan, listas para psql, y no hace nada más.
help-init-role = Rol para --print-grants (si no, el de la conexión).
help-check = Revisa cada condición que un backup necesita, con su remedio. No cambia nada.
help-full = Hace un backup FULL: todos los archivos del clúster, y el WAL para arrancar desde ellos.
help-diferencial = Hace un backup DIFERENCIAL: lo que cambió desde el último FULL.
help-incremental = Hace un backup INCREMENTAL: lo que cambió desde el último backup de cualquier tipo.
help-backup-changes = Cómo se encuentran los bloques cambiados: auto (la mejor vía que pueda decirlo, lo habitual), wal (el WAL archivado), server (los resúmenes de un servidor desde la versión 17 con summarize_wal), scan (se lee cada página).
help-backup-reader = De dónde se leen los archivos: auto (local si se puede), local (los de este equipo), sql (la conexión).
help-backup-jobs = Hilos de trabajo, 1 a 64 (si no, tantos como núcleos, 8 como máximo).
help-backup-level = Nivel de zstd, 1 a 19 (si no, 1).
help-backup-max-rate = Lo máximo que se lee por segundo, por ejemplo 50MB.
help-backup-label = Un nombre propio, que queda en el registro y en backup_label.
help-backup-checkpoint = fast empieza enseguida con un checkpoint inmediato (lo habitual); spread espera uno sin apuro.
help-list = Lista los backups.
help-status = Muestra lo que requiere atención, el último backup y los totales.
help-validate = Comprueba que los backups estén íntegros.
help-validate-id = Número del backup (si no, todos los completados).
help-validate-level = checksum: el archivo existe, su tamaño y su SHA-256 (lo habitual). deep: además cada bloque comprimido, archivo y página.
help-validate-jobs = Hilos de trabajo, 1 a 64.
help-preview = Muestra lo que aplicaría una restauración, sin destino.
help-preview-backup = Número del backup.
help-preview-latest = El backup completado más reciente.
help-restore = Restaura un backup en una carpeta vacía: muestra el plan, revisa todo y después escribe.
help-restore-backup = Número del backup.
help-restore-latest = El backup completado más reciente.
help-restore-to = El directorio de datos nuevo: vacío o que todavía no exista.
help-restore-tablespace = Pone el tablespace VIEJO (nombre, OID o carpeta anterior) en la carpeta NUEVO. Se puede repetir.
help-restore-owner = Usuario que será dueño de los archivos, si se ejecuta como root.
help-restore-jobs = Hilos de trabajo, 1 a 64.
help-restore-dry-run = Muestra el plan y termina.
help-restore-start = Arranca el servidor restaurado en --port y espera a que acepte conexiones.
help-restore-socket-dir = Carpeta para el socket del servidor que se arranca.
help-completions = Muestra el script de autocompletado para un shell.
help-completions-shell = bash, elvish, fish, powershell o zsh.
help-help = Muestra la ayuda de un comando.
help-help-command = Nombre del comando.
help-value-time = MOMENTO
help-value-lsn = LSN
help-value-action = ACCIÓN
help-value-mode = MODO
help-value-target = DESTINO
help-init-slot = Crea también el slot de replicación permanente, para que `cadena full` archive el WAL sin el demonio. El servidor guarda todo el WAL hasta que se lea: úselo solo si hay backups con frecuencia.
help-preview-at = Momento al que restaurar: todo lo confirmado hasta entonces. Sin desfase horario vale la zona configurada.
help-preview-lsn = Restaura todo lo anterior a este LSN.
help-preview-name = Restaura hasta un punto de restauración (pg_create_restore_point).
help-preview-timeline = Línea de tiempo que se sigue (si no, la más nueva).
help-restore-at = Momento al que restaurar: todo lo confirmado hasta entonces. Sin desfase horario vale la zona configurada.
help-restore-lsn = Restaura todo lo anterior a este LSN.
help-restore-name = Restaura hasta un punto de restauración (pg_create_restore_point).
help-restore-timeline = Línea de tiempo que se sigue (si no, la más nueva).
help-restore-target-action = Qué hace el servidor al llegar: promote pasa a primario (por defecto), pause espera en solo lectura, shutdown se detiene.
help-restore-archive-mode = off impide que la copia archive o espere a réplicas (por defecto); preserve deja los ajustes del original, para la copia que lo sustituye.
help-restore-wal = Cómo recibe el WAL el servidor: fetch por restore_command, stage lo pone ya en pg_wal, auto elige (por defecto).
help-start = Ejecuta el demonio: recibe el WAL en el repositorio hasta que se detenga, y escribe backup_scheduler.log.
help-windows = Muestra los intervalos exactos que se pueden restaurar, los puntos de restauración y los huecos con su causa.
help-wal-fetch = Para restore_command: pone en su sitio un archivo de WAL. Termina con 1 si no lo hay y con 126 si algo va mal.
help-wal-fetch-name = Nombre del archivo (%f).
help-wal-fetch-target = Dónde ponerlo (%p).
help-wal-fetch-until-lsn = Deja fuera el WAL desde aquí.
help-wal-fetch-spool = Carpeta de los segmentos que se traen por adelantado.
help-wal-fetch-prefetch = Solo llena la carpeta, con tantos segmentos.
help-wal-push = Para archive_command: archiva un archivo de WAL. Repetirlo no cambia nada.
help-wal-push-file = El archivo (%p).
help-start-once = Recibe lo que el servidor tiene ahora y termina (para cron).
