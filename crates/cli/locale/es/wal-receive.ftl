## Recepción y envío de WAL: errores, lo que informa un receptor y lo que se encuentra sobre su slot.

error-wal-receiver-busy = Otro receptor escribe el WAL de este repositorio: proceso { $pid } en { $host }.
error-wal-receiver-busy-remedy = Con uno basta. `cadena status` muestra hasta dónde llegó; detenerlo antes de iniciar otro.
error-wal-slot-busy = El slot de replicación { $slot } está en uso por el proceso { $pid } del servidor.
error-wal-slot-busy-remedy = Averiguar quién recibe de él (pg_stat_replication). Si es el receptor de otro repositorio, dar a cada uno su propio slot con --slot.
error-wal-slot-lost = El slot de replicación { $slot } perdió su WAL ({ $reason }).
error-wal-slot-lost-remedy = Iniciar el receptor: crea el slot de nuevo y anota lo que falta. Después hacer un FULL y aumentar max_slot_wal_keep_size.
error-wal-slot-unusable = El slot de replicación { $slot } no se puede usar: { $detail }
error-wal-slot-unusable-remedy = Elegir otro nombre con --slot: letras minúsculas, dígitos y guiones bajos.
error-wal-replication-refused = El servidor se niega a transmitir su WAL: { $detail }
error-wal-replication-refused-remedy = El rol necesita REPLICATION (`cadena init --print-grants`), pg_hba.conf una línea para la base `replication`, y el servidor wal_level = replica y lugar en max_wal_senders y max_replication_slots.
error-wal-server-behind = El WAL del servidor termina en { $server_lsn }; antes se recibió de él hasta { $received_lsn } en la línea de tiempo { $timeline }.
error-wal-server-behind-remedy = El servidor volvió a un estado anterior sin línea de tiempo nueva, u otro responde en su dirección. Conectarse al correcto. Si el estado anterior es el deseado, promoverlo a una línea de tiempo propia o usar un repositorio nuevo.
error-wal-removed = El servidor eliminó el segmento WAL { $segment } antes de que se recibiera.
error-wal-removed-remedy = Hacer un FULL nuevo: nada se puede restaurar a través de lo que falta.
error-wal-stream-invalid = El servidor envió WAL que no es válido en { $lsn }: { $detail }
error-wal-stream-invalid-remedy = No se confirmó ni se sobrescribió nada. Revisar el registro y el disco del servidor con pg_waldump; si el servidor volvió a un estado anterior, necesita una línea de tiempo o un repositorio propio.
error-wal-stream-silent = El servidor no responde desde hace { $seconds } segundos.
error-wal-stream-silent-remedy = Revisar el servidor y la red. Al iniciarse de nuevo, el receptor sigue donde estaba.
error-wal-file-name = { $name } no es nombre de un segmento WAL, de un archivo de historia ni de la historia de un backup.
error-wal-file-name-remedy = Pasar el %p de archive_command, así: archive_command = 'cadena wal-push %p'
error-wal-file = { $action } { $path } falló: { $cause }
error-wal-file-remedy = Revisar que el archivo exista y que el usuario del servidor pueda leerlo. El servidor lo intenta de nuevo por sí solo.

wal-streaming = Recibiendo la línea de tiempo { $timeline } desde { $lsn } (slot { $slot })
wal-slot-created = Se creó el slot de replicación { $slot }
wal-segment-archived = El segmento WAL { $segment } está archivado
wal-timeline-switched = El servidor pasó de la línea de tiempo { $from } a la { $to } en { $lsn }
wal-gap-found = Se perdió WAL: { $gap }. Hacer un FULL nuevo: nada se puede restaurar a través de esto
wal-gap-found-remedy = Hacer un FULL ahora con `cadena full`, para poder restaurar instantes posteriores al hueco.
wal-gap = línea de tiempo { $timeline }, desde { $from_lsn } hasta { $to_lsn } ({ $cause })
wal-slot-dropped = El slot de replicación { $slot } retenía { $retained_bytes } de WAL, más que { $limit_bytes }, y se eliminó antes de que llenara el disco del servidor
wal-slot-dropped-remedy = Averiguar por qué el receptor se atrasó. El slot se crea de nuevo cuando se ponga al día.
wal-slot-replaced = El slot de replicación { $slot } había perdido su WAL ({ $reason }) y se creó de nuevo
wal-slot-replaced-remedy = Aumentar max_slot_wal_keep_size o mantener el receptor en marcha.

slot-absent = No hay slot de replicación { $slot }: el servidor puede eliminar WAL que nadie recibió
slot-absent-remedy = Iniciar el receptor: crea el slot.
slot-lost = El slot de replicación { $slot } perdió su WAL ({ $reason })
slot-lost-remedy = Iniciar el receptor: crea el slot de nuevo y anota lo que falta. Después hacer un FULL y aumentar max_slot_wal_keep_size.
slot-at-risk = El slot de replicación { $slot } está por perder WAL: el servidor guarda { $safe_wal_bytes } más
slot-at-risk-remedy = Iniciar el receptor o averiguar por qué es lento; aumentar max_slot_wal_keep_size.
slot-retains-too-much = El slot de replicación { $slot } retiene { $retained_bytes } de WAL, más que { $limit_bytes }
slot-retains-too-much-remedy = Iniciar el receptor o averiguar por qué es lento. Elimina el slot antes que llenar el disco del servidor.
slot-used-by-other = Otro cliente recibe del slot de replicación { $slot }: { $application }, proceso { $pid }
slot-used-by-other-remedy = Dar a cada cliente su propio slot.
slot-unusable = El slot de replicación { $slot } no se puede usar: { $detail }
slot-unusable-remedy = Elegir otro nombre con --slot.
slot-unbounded = El servidor no limita lo que retiene el slot de replicación { $slot }: si nadie recibe, su disco puede llenarse
slot-unbounded-remedy = Fijar max_slot_wal_keep_size en el servidor.
