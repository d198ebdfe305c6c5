
    CREATE OR REPLACE FUNCTION seguridad.get_backup_space_usage()
    RETURNS TABLE (tipo_backup text, cantidad bigint, tamano_bytes bigint, tamano_mb numeric, tamano_gb numeric)
    LANGUAGE sql STABLE
    AS $funcion$
        SELECT bm.tipo_backup,
               count(*),
               sum(bm.tamano_bytes)::bigint,
               round(sum(bm.tamano_bytes) / 1048576.0, 2),
               round(sum(bm.tamano_bytes) / 1073741824.0, 2)
        FROM seguridad.backup_manifest AS bm
        WHERE bm.estado IN ('COMPLETADO', 'VALIDANDO')
        GROUP BY bm.tipo_backup
        ORDER BY bm.tipo_backup
    $funcion$;

    CREATE OR REPLACE FUNCTION seguridad.get_last_full_backup()
    RETURNS SETOF seguridad.backup_manifest
    LANGUAGE sql STABLE ROWS 1
    AS $funcion$
        SELECT bm.*
        FROM seguridad.backup_manifest AS bm
        WHERE bm.tipo_backup = 'FULL' AND bm.estado = 'COMPLETADO'
          AND bm.metadata ->> 'method' IS DISTINCT FROM 'logical'
        ORDER BY bm.id DESC
        LIMIT 1
    $funcion$;

    CREATE OR REPLACE FUNCTION seguridad.get_last_differential_backup(p_full_id bigint)
    RETURNS SETOF seguridad.backup_manifest
    LANGUAGE sql STABLE ROWS 1
    AS $funcion$
        SELECT bm.*
        FROM seguridad.backup_manifest AS bm
        WHERE bm.tipo_backup = 'DIFERENCIAL' AND bm.estado = 'COMPLETADO' AND bm.backup_base_id = p_full_id
        ORDER BY bm.id DESC
        LIMIT 1
    $funcion$;

    CREATE OR REPLACE FUNCTION seguridad.get_last_incremental_backup(p_base_id bigint)
    RETURNS SETOF seguridad.backup_manifest
    LANGUAGE sql STABLE ROWS 1
    AS $funcion$
        WITH RECURSIVE apoyados AS (
            SELECT bm.id
            FROM seguridad.backup_manifest AS bm
            WHERE bm.tipo_backup = 'INCREMENTAL' AND bm.estado = 'COMPLETADO' AND bm.backup_base_id = p_base_id
            UNION
            SELECT bm.id
            FROM apoyados AS a
            JOIN seguridad.backup_manifest AS bm ON bm.backup_base_id = a.id
            WHERE bm.tipo_backup = 'INCREMENTAL' AND bm.estado = 'COMPLETADO'
        )
        SELECT bm.*
        FROM seguridad.backup_manifest AS bm
        WHERE bm.id = (SELECT max(a.id) FROM apoyados AS a)
    $funcion$;
