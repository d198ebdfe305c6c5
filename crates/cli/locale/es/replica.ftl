# Copias en otros sitios.

phase-sending = Copiando
status-replicas = Copias en otros sitios
status-replica = { $count } de { $total } backups, WAL hasta { $wal }, último contacto { $at }
status-copies = también en { $replicas }
status-no-copy = en ningún otro sitio
column-name = Nombre
column-provider = Proveedor
column-behind = Pendiente
column-wal-there = WAL hasta
column-complete = Completa
column-place = Dónde

replica-none = No hay ninguna réplica configurada. [[replica]] en cadena.toml dice adónde van las copias.
replica-former = { $replica } ya no está configurada; `cadena replica forget { $replica }` la olvida (lo que hay allí se queda).
replica-forgotten = { $replica } quedó olvidada. Lo que hay allí se queda.
replica-pushed = { $replica }: { $backups } backups y { $segments } segmentos de WAL enviados, { $size } en { $duration }.
replica-faulty = El backup { $id } no se envió: { $message }
replica-not-sent = La réplica { $replica } no se puso al día: { $message } El próximo intento envía lo que falta.
replica-pulled = { $replica }: { $backups } backups y { $segments } segmentos de WAL traídos, { $present } backups ya estaban, { $size } en { $duration }.
replica-verified-text = { $backups } copias de backups y { $segments } de segmentos están bien, { $bad } están mal, { $repaired } se rehicieron; { $size } leídos en { $duration }.
replica-finding = { $place }: { $object }: { $fault } { $outcome }
replica-here = repositorio
replica-repaired = Se rehizo a partir de una copia buena.
replica-not-repaired = `cadena replica verify --repair` la rehace si hay una copia buena.
replica-cleaned-text = { $replica }: { $backups } backups y { $segments } segmentos de WAL eliminados, { $size } liberados.
replica-would-clean = { $replica }: se irían { $backups } backups y { $segments } segmentos de WAL, { $size }.

copy-missing = falta.
copy-size = tiene { $found_bytes } en lugar de { $wanted_bytes }.
copy-digest = su SHA-256 es { $found }, el registrado es { $wanted }.
copy-differs = sus bytes no son los de otra copia, y sin una identidad nadie puede decir cuál de ellas es la buena.
copy-unreadable = no se puede leer: { $detail }.

replica-backup-copied = { $name } se copió a { $replica }: { $url }
replica-failing = La réplica { $replica } falla: { $error }
replica-recovered = La réplica { $replica } está bien de nuevo; fallaba desde { $since }.
replica-source-damaged = { $name } está dañado aquí y no se copió a { $replica }: { $error }
replica-removal-refused = { $name } debía irse de { $replica }, y queda: { $error }
replica-wal-removal-refused = { $segments } segmentos de WAL debían irse de { $replica }, y quedan: { $error }
replica-backup-removed = { $name } se eliminó de { $replica }: { $reason }
replica-wal-trimmed = Se eliminaron { $segments } segmentos de WAL de { $replica }, { $freed_bytes } liberados.
replica-cleanup-finished = Limpieza de { $replica }: { $backups } backups y { $segments } segmentos de WAL eliminados, { $freed_bytes } liberados.
replica-verified = Se compararon las copias de { $replica }: { $bad } malas, { $repaired } rehechas.
replica-attempt-failed = La réplica { $replica } no se puso al día: { $error } Próximo intento en { $seconds } s.
replica-backups-sent = Se copiaron { $count } backups a { $replica }, { $bytes }.
replica-cleaned = Se eliminaron { $backups } backups y { $segments } segmentos de WAL de { $replica }.

attention-replica-failing = La réplica { $replica } falla desde { $since }: { $reason }
attention-replica-behind = A la réplica { $replica } le faltan { $backups } backups y { $segments } segmentos de WAL desde hace más de un día. `cadena start` los envía, o `cadena replica push`.
attention-replica-bad = { $count } copias de { $replica } están mal ({ $at }). `cadena replica verify --repair` las repara.

error-replica-write-only = En la réplica { $replica } solo se escribe: desde aquí no se puede leer ni limpiar.
error-replica-write-only-remedy = Hacerlo con credenciales que puedan leer, o quitar: otra configuración, quizás en otro equipo, sin write_only.
error-replica-unseen = En la réplica { $replica } ({ $storage }) ya hay algo, y no se puede ver de quién es.
error-replica-unseen-remedy = Darle un prefijo donde no haya nada; asegurarse de que no sea el propio repositorio con otra dirección. Si son copias de este repositorio, ejecutar una vez `cadena replica push { $replica }` con credenciales que puedan leer, y sin write_only.
error-replica-foreign = La réplica { $replica } tiene backups del cluster { $found }, no de { $wanted }.
error-replica-foreign-remedy = Dé a la réplica un lugar propio, como otra carpeta u otro prefijo.
error-replica-is-repository = La réplica { $replica } es el propio repositorio: { $storage }.
error-replica-is-repository-remedy = Nombre otro lugar en [[replica]]: una copia junto al original se pierde con él.
error-replica-busy = { $holder } está trabajando con la réplica { $replica }.
error-replica-busy-remedy = El daemon mantiene las réplicas al día por sí mismo. Espere, o termine ese proceso.
error-replica-source-damaged = { $object } en { $storage } está dañado: su SHA-256 es { $found }, el registrado es { $recorded }.
error-replica-source-damaged-remedy = `cadena replica verify --repair` lo rehace a partir de una réplica con una copia buena; `cadena validate` dice qué más está dañado.
error-replica-arrived-short = { $object } llegó a { $storage } con { $found_bytes } en lugar de { $sent_bytes }.
error-replica-arrived-short-remedy = Inténtelo de nuevo; si sigue así, el almacenamiento no conserva lo que recibe.
error-replica-conflict = { $object } en { $storage } es otro: { $found_bytes } en lugar de { $wanted_bytes }.
error-replica-conflict-remedy = Alguien más escribe allí. `cadena replica verify` dice qué copias están bien.
error-replica-state-unreadable = No se puede leer { $object } en { $storage }: { $detail }.
error-replica-state-unreadable-remedy = Es solo una memoria: elimínelo, y el próximo envío lo rehace.
error-replica-no-backup = No hay ningún backup completado { $id } en la réplica { $replica }.
error-replica-no-backup-remedy = `cadena list --from-replica { $replica }` muestra lo que hay.
error-replica-broken-chain = El backup { $id } de la réplica { $replica } se apoya en { $base_id }, que no está allí.
error-replica-broken-chain-remedy = Traiga otro backup; `cadena list --from-replica { $replica }` muestra lo que hay.
error-usage-replica-unknown = No hay ninguna réplica { $name }; conocidas: { $known }.
error-usage-replica-unknown-remedy = Los nombres están en [[replica]] de cadena.toml.
error-usage-no-replica = No hay ninguna réplica configurada.
error-usage-no-replica-remedy = Agregue a cadena.toml un [[replica]] con un nombre y un lugar.
error-usage-from-replica = Este comando escribiría, y la réplica { $name } solo se lee.
error-usage-from-replica-remedy = `cadena replica pull { $name }` hace de ella un repositorio.
error-usage-replica-configured = La réplica { $name } todavía está configurada.
error-usage-replica-configured-remedy = Quite primero su [[replica]] de cadena.toml.
error-retention-unknown = No se conoce la política de retención: { $detail }.
error-retention-unknown-remedy = Corrija la fila de seguridad.backup_retention_policy que se nombra, o desactívela.

