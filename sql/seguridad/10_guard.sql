
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
