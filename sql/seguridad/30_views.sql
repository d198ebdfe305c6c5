
    CREATE OR REPLACE VIEW seguridad.v_backup_resumen AS
    SELECT bm.id,
           bm.tipo_backup,
           bm.estado,
           bm.archivo_nombre,
           bm.fecha_inicio,
           bm.fecha_fin,
           bm.fecha_fin - bm.fecha_inicio AS duracion,
           round(bm.tamano_bytes / 1048576.0, 2) AS tamano_mb,
           bm.nube_subido,
           v.resultado AS ultima_validacion,
           v.fecha_validacion,
           CASE
               WHEN bm.estado = 'FALLIDO' THEN 'Falló: ' || coalesce(bm.error_mensaje, 'sin detalles')
               WHEN bm.estado = 'EN_PROGRESO' THEN 'En progreso'
               WHEN bm.metadata ->> 'method' = 'logical' THEN 'Volcados de bases de datos'
               WHEN bm.backup_base_id IS NULL THEN 'Base completa del clúster'
               ELSE 'Cambios desde ' || coalesce(base.archivo_nombre, 'el backup ' || bm.backup_base_id || ', que ya no está')
           END AS descripcion
    FROM seguridad.backup_manifest AS bm
    LEFT JOIN seguridad.backup_manifest AS base ON base.id = bm.backup_base_id
    LEFT JOIN LATERAL (
        SELECT bv.resultado, bv.fecha_validacion
        FROM seguridad.backup_validation AS bv
        WHERE bv.backup_id = bm.id
        ORDER BY bv.fecha_validacion DESC, bv.id DESC
        LIMIT 1
    ) AS v ON true;

    CREATE OR REPLACE VIEW seguridad.v_backup_cadenas AS
    SELECT bc.id AS chain_id,
           f.id AS full_id,
           f.archivo_nombre AS full_archivo,
           f.fecha_inicio AS full_fecha,
           d.archivo_nombre AS diferencial_archivo,
           d.fecha_inicio AS diferencial_fecha,
           cardinality(bc.incremental_ids) AS cantidad_incrementales,
           inc.inicio AS inc_inicio,
           inc.fin AS inc_fin
    FROM seguridad.backup_chain AS bc
    JOIN seguridad.backup_manifest AS f ON f.id = bc.full_backup_id
    LEFT JOIN seguridad.backup_manifest AS d ON d.id = bc.diferencial_id
    LEFT JOIN LATERAL (
        SELECT min(i.fecha_inicio) AS inicio, max(i.fecha_fin) AS fin
        FROM seguridad.backup_manifest AS i
        WHERE i.id = ANY (bc.incremental_ids)
    ) AS inc ON true;
