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
