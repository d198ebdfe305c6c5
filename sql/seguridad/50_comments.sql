
    COMMENT ON TABLE seguridad.backup_manifest IS 'Todos los backups del repositorio, también los fallidos y el que está en curso. Lo mantiene Cadena; el repositorio es la verdad. [cadena 1]';
    COMMENT ON COLUMN seguridad.backup_manifest.id IS 'Número del backup en el repositorio; nunca se usa dos veces';
    COMMENT ON COLUMN seguridad.backup_manifest.tipo_backup IS 'FULL, DIFERENCIAL o INCREMENTAL; MANUAL queda reservado';
    COMMENT ON COLUMN seguridad.backup_manifest.backup_base_id IS 'Backup cuyos bloques cambia éste; nulo en un FULL. Sin clave foránea: una base perdida se ve como cadena rota';
    COMMENT ON COLUMN seguridad.backup_manifest.archivo_nombre IS 'Nombre del archivo, sin carpeta';
    COMMENT ON COLUMN seguridad.backup_manifest.archivo_ruta IS 'Dónde está el archivo: repositorio, carpeta y nombre';
    COMMENT ON COLUMN seguridad.backup_manifest.fecha_inicio IS 'Cuándo empezó';
    COMMENT ON COLUMN seguridad.backup_manifest.fecha_fin IS 'Cuándo terminó; nulo si está en curso o si nadie lo vio terminar';
    COMMENT ON COLUMN seguridad.backup_manifest.tamano_bytes IS 'Tamaño del archivo; nulo si no hay archivo';
    COMMENT ON COLUMN seguridad.backup_manifest.checksum_sha256 IS 'SHA-256 del archivo: lo que muestra sha256sum';
    COMMENT ON COLUMN seguridad.backup_manifest.wal_inicio IS 'Primer segmento de WAL que necesita';
    COMMENT ON COLUMN seguridad.backup_manifest.wal_fin IS 'Último segmento de WAL que necesita';
    COMMENT ON COLUMN seguridad.backup_manifest.lsn_inicio IS 'Dónde empieza el WAL que necesita';
    COMMENT ON COLUMN seguridad.backup_manifest.lsn_fin IS 'Dónde termina el WAL que necesita';
    COMMENT ON COLUMN seguridad.backup_manifest.comprimido IS 'Si el archivo está comprimido (zstd): siempre';
    COMMENT ON COLUMN seguridad.backup_manifest.nube_subido IS 'Si hay una copia en otro sitio (nube o carpeta). La sincronización la llena si el repositorio tiene réplicas; si no, no la modifica';
    COMMENT ON COLUMN seguridad.backup_manifest.nube_url IS 'Dónde está esa copia. La sincronización la llena si el repositorio tiene réplicas; si no, no la modifica';
    COMMENT ON COLUMN seguridad.backup_manifest.nube_proveedor IS 'Quién guarda esa copia: LOCAL, S3, GOOGLE_DRIVE y otros. La sincronización la llena si el repositorio tiene réplicas; si no, no la modifica';
    COMMENT ON COLUMN seguridad.backup_manifest.estado IS 'EN_PROGRESO, COMPLETADO (se puede restaurar) o FALLIDO; PENDIENTE y VALIDANDO no se usan';
    COMMENT ON COLUMN seguridad.backup_manifest.error_mensaje IS 'Por qué falló, o por qué ya no se puede restaurar';
    COMMENT ON COLUMN seguridad.backup_manifest.metadata IS 'El resto del registro del backup: archivos, bytes, lector, avisos, tablespaces y demás';
    COMMENT ON COLUMN seguridad.backup_manifest.creado_por IS 'Programa y versión que hizo el backup';

    COMMENT ON TABLE seguridad.backup_chain IS 'Cadenas que se pueden restaurar: un FULL, a lo sumo un DIFERENCIAL y sus INCREMENTALES en orden. [cadena 1]';
    COMMENT ON COLUMN seguridad.backup_chain.id IS 'El id del DIFERENCIAL, o del FULL si no lo hay; en una rama, el de su primer INCREMENTAL';
    COMMENT ON COLUMN seguridad.backup_chain.full_backup_id IS 'El FULL';
    COMMENT ON COLUMN seguridad.backup_chain.diferencial_id IS 'El DIFERENCIAL; nulo si los incrementales se apoyan en el FULL';
    COMMENT ON COLUMN seguridad.backup_chain.incremental_ids IS 'Los INCREMENTALES, en el orden en que se aplican';
    COMMENT ON COLUMN seguridad.backup_chain.fecha_ultima_actualizacion IS 'Cuándo terminó el backup más nuevo de la cadena';

    COMMENT ON TABLE seguridad.backup_validation IS 'Historial de validaciones de los backups que existen. [cadena 1]';
    COMMENT ON COLUMN seguridad.backup_validation.id IS 'Número del evento que la cuenta';
    COMMENT ON COLUMN seguridad.backup_validation.backup_id IS 'El backup validado';
    COMMENT ON COLUMN seguridad.backup_validation.fecha_validacion IS 'Cuándo terminó';
    COMMENT ON COLUMN seguridad.backup_validation.tipo_validacion IS 'CHECKSUM, PROFUNDA o SIMULACRO';
    COMMENT ON COLUMN seguridad.backup_validation.resultado IS 'EXITOSO, FALLIDO (backup dañado o ilegible) o ADVERTENCIA (backup íntegro, clúster dañado)';
    COMMENT ON COLUMN seguridad.backup_validation.checksum_calculado IS 'SHA-256 del archivo leído; nulo si no se pudo leer';
    COMMENT ON COLUMN seguridad.backup_validation.checksum_esperado IS 'SHA-256 registrado';
    COMMENT ON COLUMN seguridad.backup_validation.tiempo_segundos IS 'Cuánto duró';
    COMMENT ON COLUMN seguridad.backup_validation.detalles IS 'Lo que se encontró, y cuánto se leyó';
    COMMENT ON COLUMN seguridad.backup_validation.validado_por IS 'Quién la pidió: usuario@equipo';

    COMMENT ON TABLE seguridad.backup_retention_policy IS 'Políticas de retención: vale la activa más nueva. La escriben las personas; Cadena sólo la lee. [cadena 1]';
    COMMENT ON COLUMN seguridad.backup_retention_policy.id IS 'Número de la política';
    COMMENT ON COLUMN seguridad.backup_retention_policy.nombre IS 'Nombre, único';
    COMMENT ON COLUMN seguridad.backup_retention_policy.descripcion IS 'Para qué es';
    COMMENT ON COLUMN seguridad.backup_retention_policy.retencion_full_meses IS 'Meses que se retiene un FULL';
    COMMENT ON COLUMN seguridad.backup_retention_policy.retencion_diferencial_semanas IS 'Semanas que se retiene un DIFERENCIAL';
    COMMENT ON COLUMN seguridad.backup_retention_policy.retencion_incremental_dias IS 'Días que se retiene un INCREMENTAL';
    COMMENT ON COLUMN seguridad.backup_retention_policy.min_cadenas_activas IS 'Cadenas que se retienen por lo menos, aunque sean más viejas';
    COMMENT ON COLUMN seguridad.backup_retention_policy.activa IS 'Si cuenta';
    COMMENT ON COLUMN seguridad.backup_retention_policy.fecha_creacion IS 'Decide cuál es la más nueva';

    COMMENT ON TABLE seguridad.backup_event IS 'Lo que pasó: el diario del repositorio. Queda cuando los backups ya no están. [cadena 1]';
    COMMENT ON COLUMN seguridad.backup_event.id IS 'Número del evento en el diario; nunca se usa dos veces';
    COMMENT ON COLUMN seguridad.backup_event.fecha_hora IS 'Cuándo pasó';
    COMMENT ON COLUMN seguridad.backup_event.nivel IS 'INFO, WARNING o ERROR';
    COMMENT ON COLUMN seguridad.backup_event.tipo_evento IS 'Qué pasó: backup-started, backup-completed, backup-failed, validation y otros';
    COMMENT ON COLUMN seguridad.backup_event.backup_id IS 'De qué backup se trata, exista o no';
    COMMENT ON COLUMN seguridad.backup_event.mensaje IS 'Lo mismo en una frase';
    COMMENT ON COLUMN seguridad.backup_event.detalles IS 'Los datos del evento';

    COMMENT ON VIEW seguridad.v_backup_resumen IS 'Resumen de backups. [cadena 1]';
    COMMENT ON VIEW seguridad.v_backup_cadenas IS 'Cadenas concatenables: FULL + DIFERENCIAL + INCREMENTALES. [cadena 1]';
    COMMENT ON FUNCTION seguridad.get_backup_space_usage() IS 'Espacio que ocupan los archivos, por tipo. [cadena 1]';
    COMMENT ON FUNCTION seguridad.get_last_full_backup() IS 'El FULL físico completado más nuevo, o ninguna fila. [cadena 1]';
    COMMENT ON FUNCTION seguridad.get_last_differential_backup(bigint) IS 'El DIFERENCIAL completado más nuevo de un FULL, o ninguna fila. [cadena 1]';
    COMMENT ON FUNCTION seguridad.get_last_incremental_backup(bigint) IS 'El INCREMENTAL completado más nuevo que se apoya en un backup, directamente o a través de otros incrementales, o ninguna fila. [cadena 1]';
