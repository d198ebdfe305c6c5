# Lo que muestra `status`, y lo que requiere atención.

status-running = En curso: { $name }, proceso { $pid } en { $host }, desde { $since }.
status-fine = Nada requiere atención.
status-attention = Requiere atención:
status-kinds = Backups
status-chains = Cadenas
status-chains-more = { $count ->
    [one] Un backup más antiguo no se dibuja: `cadena list` lo muestra.
   *[other] { $count } backups más antiguos no se dibujan: `cadena list` los muestra.
}
status-chain-broken = NO SE PUEDE RESTAURAR
status-not-validated = sin validar
status-valid = válido ({ $level }, { $at })
status-valid-warned = válido, con avisos ({ $level }, { $at })
status-invalid = DAÑADO ({ $level }, { $at })
status-wal = WAL
status-restorable = Restaurable
status-restorable-value = cualquier momento desde { $from } hasta { $until }
status-restorable-more = { $count ->
    [one] y una ventana más: `cadena windows`
   *[other] y { $count } ventanas más: `cadena windows`
}
status-receiver = Receptor
status-receiver-value = recibiendo; a salvo hasta { $lsn }, retraso de { $size } desde hace { $duration }
status-slot = Slot
status-slot-value = { $name }, retiene { $size } en el servidor
status-validation = Validación
status-validated = Backups
status-validated-value = { $valid } válidos, { $failed } dañados, { $never } sin validar
status-validated-last = La última
status-space = Espacio
status-space-backups = Backups
status-space-wal = WAL
status-space-orphans = Archivos sin registro
status-space-total = En total
status-space-free = Libre
column-last = Último
column-next = Próximo

attention-archive = El archivo del backup { $id } falta o tiene otro tamaño. No se puede restaurar; hacer un FULL nuevo.
attention-unreadable = No se puede leer el registro { $object }: { $detail }
attention-no-backup = No hay ningún backup completado. `cadena full` hace uno.
attention-failed = El último backup, { $id }, falló: { $reason }
attention-corrupt-pages = { $count ->
    [one] El backup { $id } contiene una página que estaba dañada en el propio clúster.
   *[other] El backup { $id } contiene { $count } páginas que estaban dañadas en el propio clúster.
}
attention-interrupted = El backup { $name } del proceso { $pid } en { $host }, iniciado { $since }, quedó interrumpido. El próximo backup lo limpia.
attention-orphan = { $object } es un archivo sin registro. Cadena nunca lo elimina por su cuenta.
attention-late = { $kind } debía hacerse { $since }, y no se hizo. Ver si `cadena start` está en marcha, y qué dice backup_scheduler.log.
attention-invalid = El backup { $id } se encontró dañado ({ $level }, { $validated_at }). `cadena validate { $id } --level deep` dice dónde; hacer un FULL nuevo.
attention-space = Quedan { $free_bytes } libres para el repositorio, y el próximo FULL ocupará unos { $needed_bytes }. Hacer lugar, o ver `cadena cleanup --dry-run`.
attention-slot = { $finding }
attention-wal = { $finding }
attention-receiver-dead = Nadie recibe el WAL: el proceso { $pid } en { $host } terminó después de { $since }, en { $lsn }. Vuelva a ejecutar `cadena start`.
attention-receiver-waiting = El receptor (proceso { $pid } en { $host }) no está conectado desde { $since }; el archivo acaba en { $lsn }. El motivo está en backup_scheduler.log.
attention-lag = El archivo lleva { $lag_bytes } de retraso desde hace { $lag_seconds }. Revise disco y red; con el servidor se perderían los cambios desde entonces.
