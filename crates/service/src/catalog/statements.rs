//! The catalog's SQL. Everything is named with its schema: the session's search_path is pg_catalog only.

/// How many of our tables are there (whoever's); which of them, and which views and functions, are not ours; what is missing; the
/// version; whether we may use it; whether the server is a standby; who we are. Ours have a mark in their comment.
pub const STATE: &str = r"
WITH wanted(name, may_write, columns) AS (VALUES
    ('backup_manifest', true, 'id tipo_backup backup_base_id archivo_nombre archivo_ruta fecha_inicio fecha_fin tamano_bytes checksum_sha256 wal_inicio wal_fin lsn_inicio lsn_fin comprimido nube_subido nube_url nube_proveedor estado error_mensaje metadata creado_por'),
    ('backup_chain', true, 'id full_backup_id diferencial_id incremental_ids fecha_ultima_actualizacion'),
    ('backup_validation', true, 'id backup_id fecha_validacion tipo_validacion resultado checksum_calculado checksum_esperado tiempo_segundos detalles validado_por'),
    ('backup_retention_policy', false, 'id nombre descripcion retencion_full_meses retencion_diferencial_semanas retencion_incremental_dias min_cadenas_activas activa fecha_creacion'),
    ('backup_event', true, 'id fecha_hora nivel tipo_evento backup_id mensaje detalles')
), found AS (
    SELECT w.name, w.may_write, w.columns, c.oid,
        substring(obj_description(c.oid, 'pg_class') FROM '\[cadena ([0-9]{1,9})\]$')::integer AS version
    FROM wanted AS w
    LEFT JOIN pg_class AS c ON c.relname = w.name AND c.relnamespace = to_regnamespace('seguridad')
), others AS (
    SELECT 'seguridad.' || c.relname AS name FROM pg_class AS c
    WHERE c.relnamespace = to_regnamespace('seguridad') AND c.relname IN ('v_backup_resumen', 'v_backup_cadenas')
      AND coalesce(obj_description(c.oid, 'pg_class'), '') !~ '\[cadena [0-9]+\]$'
    UNION ALL
    SELECT 'seguridad.' || p.proname FROM pg_proc AS p
    WHERE p.pronamespace = to_regnamespace('seguridad')
      AND p.proname IN ('get_backup_space_usage', 'get_last_full_backup', 'get_last_differential_backup',
          'get_last_incremental_backup')
      AND coalesce(obj_description(p.oid, 'pg_proc'), '') !~ '\[cadena [0-9]+\]$'
), missing AS (
    SELECT 'seguridad.' || f.name AS name FROM found AS f WHERE f.oid IS NULL
    UNION ALL
    SELECT 'seguridad.' || f.name || '.' || column_name
    FROM found AS f, string_to_table(f.columns, ' ') AS column_name
    WHERE f.oid IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_attribute AS a
        WHERE a.attrelid = f.oid AND a.attname = column_name AND a.attnum > 0 AND NOT a.attisdropped)
)
SELECT count(oid),
    coalesce(string_agg('seguridad.' || name, ', ' ORDER BY name) FILTER (WHERE oid IS NOT NULL AND version IS NULL), ''),
    (SELECT coalesce(string_agg(o.name, ', ' ORDER BY o.name), '') FROM others AS o),
    (SELECT coalesce(string_agg(m.name, ', ' ORDER BY m.name), '') FROM missing AS m),
    coalesce(max(version), 0),
    coalesce(has_schema_privilege(to_regnamespace('seguridad'), 'USAGE')
        AND bool_and(has_table_privilege(oid, 'SELECT') AND (NOT may_write OR has_table_privilege(oid, 'INSERT')
            AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE'))), false),
    pg_is_in_recovery(), current_user::text
FROM found";

/// What a role needs: to use the catalog that is there, or to make one.
pub const GRANTS: &str = r"
SELECT statement
FROM (SELECT to_regnamespace('seguridad') IS NOT NULL, EXISTS (SELECT FROM pg_class AS c
        WHERE c.relnamespace = to_regnamespace('seguridad') AND c.relname = 'backup_manifest')) AS has(has_schema, has_tables),
    LATERAL (VALUES
        (1, NOT has_schema, format('GRANT CREATE ON DATABASE %I TO %I;', current_database(), $1::text)),
        (2, has_schema AND NOT has_tables, format('GRANT USAGE, CREATE ON SCHEMA seguridad TO %I;', $1::text)),
        (3, has_tables, format('GRANT USAGE ON SCHEMA seguridad TO %I;', $1::text)),
        (4, has_tables, format('GRANT SELECT, INSERT, UPDATE, DELETE ON seguridad.backup_manifest, seguridad.backup_chain, '
            'seguridad.backup_validation, seguridad.backup_event TO %I;', $1::text)),
        (5, has_tables, format('GRANT SELECT ON seguridad.backup_retention_policy, seguridad.v_backup_resumen, '
            'seguridad.v_backup_cadenas TO %I;', $1::text))
    ) AS statements(place, is_needed, statement)
WHERE is_needed
ORDER BY place";

/// Who we are.
pub const ROLE: &str = "SELECT current_user::text";

/// The newest active policy; its instant in microseconds.
pub const POLICY: &str = "SELECT id, nombre, retencion_full_meses, retencion_diferencial_semanas, \
    retencion_incremental_dias, min_cadenas_activas, \
    CASE WHEN isfinite(fecha_creacion) THEN (extract(epoch FROM fecha_creacion) * 1000000)::bigint END \
    FROM seguridad.backup_retention_policy WHERE activa \
    ORDER BY fecha_creacion DESC NULLS LAST, id DESC LIMIT 1";

pub const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
pub const COMMIT: &str = "COMMIT";
pub const ROLLBACK: &str = "ROLLBACK";

/// Nobody waits for us for long, and we for nobody. A commit does not wait for a synchronous standby: it may be our own receiver, which
/// is not always there. For this transaction only.
pub const BOUNDS: &str = "SELECT set_config('lock_timeout', $1 || 's', true), \
    set_config('statement_timeout', $2 || 's', true), set_config('synchronous_commit', 'local', true)";

/// One sync at a time; the migration takes it too. The number is the word cadena in ASCII.
pub const LOCK: &str = "SELECT pg_advisory_xact_lock(109269947346529)";

/// Empties what comes from the repository. The policies are people's.
pub const EMPTY: [&str; 4] = [
    "DELETE FROM seguridad.backup_event",
    "DELETE FROM seguridad.backup_validation",
    "DELETE FROM seguridad.backup_chain",
    "DELETE FROM seguridad.backup_manifest",
];

/// Removes what is not in `$1`. A backup that has another name than its row goes, too: then its row can be made anew, whatever other
/// row has the name now.
pub const DELETE_MANIFEST: &str = "WITH gone AS (DELETE FROM seguridad.backup_manifest AS m WHERE NOT EXISTS ( \
    SELECT FROM jsonb_to_recordset($1::jsonb) AS r(id bigint, archivo_nombre text) \
    WHERE r.id = m.id AND r.archivo_nombre = m.archivo_nombre) RETURNING 1) SELECT count(*) FROM gone";

/// `nube_*` is not among them: see [`UPDATE_CLOUD`].
pub const UPSERT_MANIFEST: &str = r"
WITH changed AS (
    INSERT INTO seguridad.backup_manifest AS m (id, tipo_backup, backup_base_id, archivo_nombre, archivo_ruta, fecha_inicio,
        fecha_fin, tamano_bytes, checksum_sha256, wal_inicio, wal_fin, lsn_inicio, lsn_fin, estado, error_mensaje, metadata,
        creado_por)
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS r(id bigint, tipo_backup text, backup_base_id bigint, archivo_nombre text,
        archivo_ruta text, fecha_inicio timestamptz, fecha_fin timestamptz, tamano_bytes bigint, checksum_sha256 char(64),
        wal_inicio text, wal_fin text, lsn_inicio pg_lsn, lsn_fin pg_lsn, estado text, error_mensaje text, metadata jsonb,
        creado_por text)
    ON CONFLICT (id) DO UPDATE SET (tipo_backup, backup_base_id, archivo_nombre, archivo_ruta, fecha_inicio, fecha_fin,
        tamano_bytes, checksum_sha256, wal_inicio, wal_fin, lsn_inicio, lsn_fin, estado, error_mensaje, metadata, creado_por)
        = (EXCLUDED.tipo_backup, EXCLUDED.backup_base_id, EXCLUDED.archivo_nombre, EXCLUDED.archivo_ruta,
        EXCLUDED.fecha_inicio, EXCLUDED.fecha_fin, EXCLUDED.tamano_bytes, EXCLUDED.checksum_sha256, EXCLUDED.wal_inicio,
        EXCLUDED.wal_fin, EXCLUDED.lsn_inicio, EXCLUDED.lsn_fin, EXCLUDED.estado, EXCLUDED.error_mensaje, EXCLUDED.metadata,
        EXCLUDED.creado_por)
    WHERE (m.tipo_backup, m.backup_base_id, m.archivo_nombre, m.archivo_ruta, m.fecha_inicio, m.fecha_fin, m.tamano_bytes,
        m.checksum_sha256, m.wal_inicio, m.wal_fin, m.lsn_inicio, m.lsn_fin, m.estado, m.error_mensaje, m.metadata, m.creado_por)
        IS DISTINCT FROM (EXCLUDED.tipo_backup, EXCLUDED.backup_base_id, EXCLUDED.archivo_nombre, EXCLUDED.archivo_ruta,
        EXCLUDED.fecha_inicio, EXCLUDED.fecha_fin, EXCLUDED.tamano_bytes, EXCLUDED.checksum_sha256, EXCLUDED.wal_inicio,
        EXCLUDED.wal_fin, EXCLUDED.lsn_inicio, EXCLUDED.lsn_fin, EXCLUDED.estado, EXCLUDED.error_mensaje, EXCLUDED.metadata,
        EXCLUDED.creado_por)
    RETURNING m.xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM changed";

/// Says of every backup where a copy is: of those in `$1` there, of the others nowhere. Only for a repository that has replicas; without
/// any, the columns belong to whoever else copies backups into a cloud.
pub const UPDATE_CLOUD: &str = r"
WITH changed AS (
    UPDATE seguridad.backup_manifest AS m
    SET (nube_subido, nube_url, nube_proveedor) = (r.id IS NOT NULL, r.nube_url, r.nube_proveedor)
    FROM seguridad.backup_manifest AS one
    LEFT JOIN jsonb_to_recordset($1::jsonb) AS r(id bigint, nube_url text, nube_proveedor text) ON r.id = one.id
    WHERE m.id = one.id
        AND (m.nube_subido, m.nube_url, m.nube_proveedor) IS DISTINCT FROM (r.id IS NOT NULL, r.nube_url, r.nube_proveedor)
    RETURNING 1
)
SELECT count(*) FROM changed";

pub const DELETE_CHAIN: &str = "WITH gone AS (DELETE FROM seguridad.backup_chain AS c WHERE NOT EXISTS ( \
    SELECT FROM jsonb_to_recordset($1::jsonb) AS r(id bigint) WHERE r.id = c.id) RETURNING 1) SELECT count(*) FROM gone";

pub const UPSERT_CHAIN: &str = r"
WITH changed AS (
    INSERT INTO seguridad.backup_chain AS c (id, full_backup_id, diferencial_id, incremental_ids, fecha_ultima_actualizacion)
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS r(id bigint, full_backup_id bigint, diferencial_id bigint,
        incremental_ids bigint[], fecha_ultima_actualizacion timestamptz)
    ON CONFLICT (id) DO UPDATE SET (full_backup_id, diferencial_id, incremental_ids, fecha_ultima_actualizacion)
        = (EXCLUDED.full_backup_id, EXCLUDED.diferencial_id, EXCLUDED.incremental_ids, EXCLUDED.fecha_ultima_actualizacion)
    WHERE (c.full_backup_id, c.diferencial_id, c.incremental_ids, c.fecha_ultima_actualizacion) IS DISTINCT FROM
        (EXCLUDED.full_backup_id, EXCLUDED.diferencial_id, EXCLUDED.incremental_ids, EXCLUDED.fecha_ultima_actualizacion)
    RETURNING c.xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM changed";

/// How many rows there are, the highest id, the sum of the ids, the sum of the instants in microseconds: equal figures of the journal mean
/// that the table holds the journal up to that id.
pub const FINGERPRINT_VALIDATION: &str = "SELECT count(*), coalesce(max(id), 0), coalesce(sum(id), 0), \
    coalesce(sum((extract(epoch FROM fecha_validacion) * 1000000)::bigint), 0) FROM seguridad.backup_validation";
pub const FINGERPRINT_EVENT: &str = "SELECT count(*), coalesce(max(id), 0), coalesce(sum(id), 0), \
    coalesce(sum((extract(epoch FROM fecha_hora) * 1000000)::bigint), 0) FROM seguridad.backup_event";

pub const DELETE_VALIDATION: &str = "WITH gone AS (DELETE FROM seguridad.backup_validation AS v \
    WHERE NOT v.id = ANY ($1::bigint[]) RETURNING 1) SELECT count(*) FROM gone";
pub const DELETE_EVENT: &str = "WITH gone AS (DELETE FROM seguridad.backup_event AS e \
    WHERE NOT e.id = ANY ($1::bigint[]) RETURNING 1) SELECT count(*) FROM gone";

pub const UPSERT_VALIDATION: &str = r"
WITH changed AS (
    INSERT INTO seguridad.backup_validation AS v (id, backup_id, fecha_validacion, tipo_validacion, resultado,
        checksum_calculado, checksum_esperado, tiempo_segundos, detalles, validado_por)
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS r(id bigint, backup_id bigint, fecha_validacion timestamptz,
        tipo_validacion text, resultado text, checksum_calculado char(64), checksum_esperado char(64),
        tiempo_segundos numeric(12, 3), detalles jsonb, validado_por text)
    ON CONFLICT (id) DO UPDATE SET (backup_id, fecha_validacion, tipo_validacion, resultado, checksum_calculado,
        checksum_esperado, tiempo_segundos, detalles, validado_por) = (EXCLUDED.backup_id, EXCLUDED.fecha_validacion,
        EXCLUDED.tipo_validacion, EXCLUDED.resultado, EXCLUDED.checksum_calculado, EXCLUDED.checksum_esperado,
        EXCLUDED.tiempo_segundos, EXCLUDED.detalles, EXCLUDED.validado_por)
    WHERE (v.backup_id, v.fecha_validacion, v.tipo_validacion, v.resultado, v.checksum_calculado, v.checksum_esperado,
        v.tiempo_segundos, v.detalles, v.validado_por) IS DISTINCT FROM (EXCLUDED.backup_id, EXCLUDED.fecha_validacion,
        EXCLUDED.tipo_validacion, EXCLUDED.resultado, EXCLUDED.checksum_calculado, EXCLUDED.checksum_esperado,
        EXCLUDED.tiempo_segundos, EXCLUDED.detalles, EXCLUDED.validado_por)
    RETURNING v.xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM changed";

pub const UPSERT_EVENT: &str = r"
WITH changed AS (
    INSERT INTO seguridad.backup_event AS e (id, fecha_hora, nivel, tipo_evento, backup_id, mensaje, detalles)
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS r(id bigint, fecha_hora timestamptz, nivel text, tipo_evento text,
        backup_id bigint, mensaje text, detalles jsonb)
    ON CONFLICT (id) DO UPDATE SET (fecha_hora, nivel, tipo_evento, backup_id, mensaje, detalles) = (EXCLUDED.fecha_hora,
        EXCLUDED.nivel, EXCLUDED.tipo_evento, EXCLUDED.backup_id, EXCLUDED.mensaje, EXCLUDED.detalles)
    WHERE (e.fecha_hora, e.nivel, e.tipo_evento, e.backup_id, e.mensaje, e.detalles) IS DISTINCT FROM (EXCLUDED.fecha_hora,
        EXCLUDED.nivel, EXCLUDED.tipo_evento, EXCLUDED.backup_id, EXCLUDED.mensaje, EXCLUDED.detalles)
    RETURNING e.xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM changed";
