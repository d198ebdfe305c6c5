-- Catálogo de Cadena en el esquema seguridad: qué backups hay, cómo se encadenan, qué validaciones y eventos hubo.
--
--   psql -U postgres -d nexoryn_tech -f migrations/002_add_incremental_backup_system.sql
--
-- Sirve para PostgreSQL 14 a 18. Se puede ejecutar cuantas veces se quiera: lo que está queda como está. Es una sola
-- sentencia: o se hace todo, o nada. Sólo toca los objetos que nombra; lo demás del esquema seguridad es de la aplicación.
-- Se compone de los archivos de sql/seguridad, en orden; se modifica allí.

-- El archivo está en UTF-8, cualquiera sea la codificación de la consola.
SET client_encoding = 'UTF8';

DO $migracion$
DECLARE
    -- La marca en el comentario de cada tabla distingue las nuestras de otras con el mismo nombre. La versión sube cuando
    -- cambia la estructura.
    c_marca constant text := '[cadena 1]';
    c_tablas constant text[] := ARRAY['backup_manifest', 'backup_chain', 'backup_validation', 'backup_retention_policy',
        'backup_event'];
    v_sentencias text;
    v_nombres text;
BEGIN
    -- Nada de avisos sobre lo que ya existe; dura lo que dura esta transacción.
    PERFORM pg_catalog.set_config('client_min_messages', 'warning', true);
    -- Los nombres sin esquema son los de PostgreSQL, también dentro de las vistas.
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog', true);
    -- Dos instalaciones a la vez se esperan; también una sincronización.
    PERFORM pg_advisory_xact_lock(109269947346529);

    -- Lo que otro sistema dejó con estos nombres no se toca: pueden ser datos. Sin la marca no es nuestro.
    SELECT string_agg(format('%I.%I', 'seguridad', nombre), ', ' ORDER BY orden, nombre),
           string_agg(format('ALTER %s %s SET SCHEMA seguridad_anterior;', clase, firma), ' '
               ORDER BY orden, nombre)
    INTO v_nombres, v_sentencias
    FROM (
        SELECT 1 AS orden, c.relname::text AS nombre, format('seguridad.%I', c.relname) AS firma,
               CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE'
                   WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS clase
        FROM pg_class AS c
        WHERE c.relnamespace = to_regnamespace('seguridad')
          AND (c.relname = ANY (c_tablas) OR c.relname IN ('v_backup_resumen', 'v_backup_cadenas'))
          AND coalesce(obj_description(c.oid, 'pg_class'), '') !~ '\[cadena [0-9]+\]$'
        UNION ALL
        SELECT 2, p.proname::text, p.oid::regprocedure::text, 'FUNCTION'
        FROM pg_proc AS p
        WHERE p.pronamespace = to_regnamespace('seguridad')
          AND p.proname IN ('get_backup_space_usage', 'get_last_full_backup', 'get_last_differential_backup',
              'get_last_incremental_backup')
          AND coalesce(obj_description(p.oid, 'pg_proc'), '') !~ '\[cadena [0-9]+\]$'
    ) AS ajenos;
    IF v_nombres IS NOT NULL THEN
        RAISE EXCEPTION 'Ya existe con estos nombres algo que no es de Cadena, y no se toca: %', v_nombres
            USING ERRCODE = 'duplicate_object',
                  HINT = 'Moverlo a otro esquema, con sus datos, y ejecutar de nuevo: '
                      || 'CREATE SCHEMA IF NOT EXISTS seguridad_anterior; ' || v_sentencias;
    END IF;

    SELECT string_agg(format('%I.%I', 'seguridad', c.relname), ', ' ORDER BY c.relname)
    INTO v_nombres
    FROM pg_class AS c
    WHERE c.relnamespace = to_regnamespace('seguridad')
      AND c.relname = ANY (c_tablas)
      AND substring(obj_description(c.oid, 'pg_class') FROM '\[cadena ([0-9]+)\]$')::integer > 1;
    IF v_nombres IS NOT NULL THEN
        RAISE EXCEPTION 'El catálogo es de una versión más nueva que esta migración: %', v_nombres
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Usar la migración de esa versión de Cadena.';
    END IF;

    -- CREATE SCHEMA IF NOT EXISTS pide el permiso de crear esquemas aunque el esquema exista.
    IF to_regnamespace('seguridad') IS NULL THEN
        CREATE SCHEMA seguridad;
        COMMENT ON SCHEMA seguridad IS 'Seguridad de los datos: catálogo de backups';
    END IF;

    -- Los ids de backups, validaciones y eventos son los del repositorio: no hacen falta secuencias.
    CREATE TABLE IF NOT EXISTS seguridad.backup_manifest (
        id bigint PRIMARY KEY CHECK (id > 0),
        tipo_backup text NOT NULL CHECK (tipo_backup IN ('FULL', 'DIFERENCIAL', 'INCREMENTAL', 'MANUAL')),
        -- Sin clave foránea: si la base se perdió, que se vea (consulta «cadenas rotas»).
        backup_base_id bigint,
        archivo_nombre text NOT NULL UNIQUE,
        archivo_ruta text,
        fecha_inicio timestamptz NOT NULL,
        fecha_fin timestamptz,
        tamano_bytes bigint CHECK (tamano_bytes >= 0),
        checksum_sha256 char(64) CHECK (checksum_sha256 ~ '^[0-9a-f]{64}$'),
        wal_inicio text,
        wal_fin text,
        lsn_inicio pg_lsn,
        lsn_fin pg_lsn,
        comprimido boolean NOT NULL DEFAULT true,
        nube_subido boolean NOT NULL DEFAULT false,
        nube_url text,
        nube_proveedor text,
        estado text NOT NULL DEFAULT 'PENDIENTE'
            CHECK (estado IN ('PENDIENTE', 'EN_PROGRESO', 'COMPLETADO', 'FALLIDO', 'VALIDANDO')),
        error_mensaje text,
        metadata jsonb NOT NULL DEFAULT '{}',
        creado_por text
    );
    CREATE INDEX IF NOT EXISTS cadena_backup_manifest_fecha ON seguridad.backup_manifest (fecha_inicio DESC);
    CREATE INDEX IF NOT EXISTS cadena_backup_manifest_tipo
        ON seguridad.backup_manifest (tipo_backup, estado, fecha_inicio DESC);
    CREATE INDEX IF NOT EXISTS cadena_backup_manifest_base ON seguridad.backup_manifest (backup_base_id)
        WHERE backup_base_id IS NOT NULL;

    CREATE TABLE IF NOT EXISTS seguridad.backup_chain (
        id bigint PRIMARY KEY,
        full_backup_id bigint NOT NULL REFERENCES seguridad.backup_manifest ON DELETE CASCADE,
        diferencial_id bigint REFERENCES seguridad.backup_manifest ON DELETE CASCADE,
        incremental_ids bigint[] NOT NULL DEFAULT '{}',
        fecha_ultima_actualizacion timestamptz NOT NULL
    );
    CREATE INDEX IF NOT EXISTS cadena_backup_chain_full ON seguridad.backup_chain (full_backup_id);
    CREATE INDEX IF NOT EXISTS cadena_backup_chain_diferencial ON seguridad.backup_chain (diferencial_id);

    CREATE TABLE IF NOT EXISTS seguridad.backup_validation (
        id bigint PRIMARY KEY,
        -- Nunca nulo: con un solo nulo, «NOT IN (SELECT backup_id ...)» no devolvería nada.
        backup_id bigint NOT NULL REFERENCES seguridad.backup_manifest ON DELETE CASCADE,
        fecha_validacion timestamptz NOT NULL,
        tipo_validacion text NOT NULL,
        resultado text NOT NULL CHECK (resultado IN ('EXITOSO', 'FALLIDO', 'ADVERTENCIA')),
        checksum_calculado char(64),
        checksum_esperado char(64),
        tiempo_segundos numeric(12, 3),
        detalles jsonb NOT NULL DEFAULT '{}',
        validado_por text
    );
    CREATE INDEX IF NOT EXISTS cadena_backup_validation_backup
        ON seguridad.backup_validation (backup_id, fecha_validacion DESC);
    CREATE INDEX IF NOT EXISTS cadena_backup_validation_fecha ON seguridad.backup_validation (fecha_validacion DESC);

    CREATE TABLE IF NOT EXISTS seguridad.backup_retention_policy (
        id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
        nombre text NOT NULL UNIQUE,
        descripcion text,
        retencion_full_meses integer NOT NULL DEFAULT 12 CHECK (retencion_full_meses >= 0),
        retencion_diferencial_semanas integer NOT NULL DEFAULT 8 CHECK (retencion_diferencial_semanas >= 0),
        retencion_incremental_dias integer NOT NULL DEFAULT 7 CHECK (retencion_incremental_dias >= 0),
        min_cadenas_activas integer NOT NULL DEFAULT 2 CHECK (min_cadenas_activas >= 1),
        activa boolean NOT NULL DEFAULT true,
        fecha_creacion timestamptz NOT NULL DEFAULT now()
    );
    -- Sólo en una tabla vacía: repuesta más tarde sería la más nueva, y ganaría a la que alguien eligió.
    INSERT INTO seguridad.backup_retention_policy (nombre, descripcion)
    SELECT 'ESTANDAR', 'Política estándar: FULL 12 meses, DIFERENCIAL 8 semanas, INCREMENTAL 7 días'
    WHERE NOT EXISTS (SELECT FROM seguridad.backup_retention_policy);

    CREATE TABLE IF NOT EXISTS seguridad.backup_event (
        id bigint PRIMARY KEY,
        fecha_hora timestamptz NOT NULL,
        nivel text NOT NULL CHECK (nivel IN ('INFO', 'WARNING', 'ERROR')),
        tipo_evento text NOT NULL,
        -- Sin clave foránea: los eventos quedan cuando la retención elimina el backup.
        backup_id bigint,
        mensaje text NOT NULL,
        detalles jsonb NOT NULL DEFAULT '{}'
    );
    CREATE INDEX IF NOT EXISTS cadena_backup_event_fecha ON seguridad.backup_event (fecha_hora DESC);
    CREATE INDEX IF NOT EXISTS cadena_backup_event_backup ON seguridad.backup_event (backup_id)
        WHERE backup_id IS NOT NULL;

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
END
$migracion$;

RESET client_encoding;
