//! Some tables or schemas of a database: which objects are they, and what do they stand on?
//!
//! pg_dump can pick tables, but not what those need: their schema, the types of their columns, the functions of their defaults, the
//! parents of partitions. pg_depend knows all of that, by the same numbers that a dump's list of contents has.

use crate::cluster::{ClusterError, Connection, SqlParameter};
use std::collections::BTreeSet;

/// An object: the catalog's number and its own.
pub type ObjectId = (u32, u32);

/// The parts of a database that are wanted.
#[derive(Debug, Clone, Default)]
pub struct Narrowed {
    /// Tables as patterns of pg_dump that fit nothing else, partitions and other children included.
    pub tables: Vec<String>,
    /// Schemas likewise.
    pub schemas: Vec<String>,
    /// All objects that must be there, chosen ones and those that they stand on.
    pub objects: BTreeSet<ObjectId>,
    /// Foreign keys that lead elsewhere, and can't be kept.
    pub foreign_keys: Vec<(ObjectId, String)>,
    /// The schemas of all chosen tables, by name.
    pub schema_names: Vec<String>,
}

/// Why there is nothing of that name.
#[derive(Debug)]
pub enum NarrowedError {
    /// Neither table nor view.
    Unknown {
        /// As it was given.
        name: String,
        /// Those that there are, the first of them.
        known: String,
    },
    /// In several schemas.
    Ambiguous {
        /// As it was given.
        name: String,
        /// Where.
        found: String,
    },
    /// The server's answer.
    Cluster(ClusterError),
}

impl From<ClusterError> for NarrowedError {
    fn from(error: ClusterError) -> Self {
        NarrowedError::Cluster(error)
    }
}

/// Relations that can be chosen, by the parts of a name as SQL reads it.
const BY_NAME: &str = "SELECT c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname) \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace, \
     pg_catalog.parse_ident($1) AS p(parts) \
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' \
     AND CASE pg_catalog.array_length(p.parts, 1) WHEN 1 THEN c.relname = p.parts[1] \
     WHEN 2 THEN n.nspname = p.parts[1] AND c.relname = p.parts[2] ELSE false END ORDER BY 2";

/// What somebody may have meant.
const KNOWN_TABLES: &str = "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' \
     AND NOT c.relispartition ORDER BY 1 LIMIT 20";

const KNOWN_SCHEMAS: &str = "SELECT pg_catalog.quote_ident(nspname) FROM pg_catalog.pg_namespace \
     WHERE nspname <> 'information_schema' AND nspname !~ '^pg_' ORDER BY 1 LIMIT 20";

/// Children and partitions, to any depth, and how pg_dump is to be told of each.
const WITH_CHILDREN: &str = "WITH RECURSIVE family(oid) AS (\
     SELECT unnest($1::oid[]) UNION SELECT i.inhrelid FROM family f JOIN pg_catalog.pg_inherits i ON i.inhparent = f.oid) \
     SELECT c.oid, '\"' || replace(n.nspname, '\"', '\"\"') || '\".\"' || replace(c.relname, '\"', '\"\"') || '\"', n.nspname \
     FROM family f JOIN pg_catalog.pg_class c ON c.oid = f.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') ORDER BY 2";

/// `parts` are the chosen objects with all that is made with them: defaults, constraints, indexes, triggers, policies, owned
/// sequences. Foreign keys that lead elsewhere are not among them, nor the internal triggers of any. `needs` adds what they refer to,
/// and what CREATE TABLE writes in line: defaults and checks. A member of an extension leads to the extension.
const OBJECTS: &str = "WITH RECURSIVE chosen(oid) AS (SELECT unnest($1::oid[])), \
     parts(classid, objid) AS (\
     SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::oid, oid FROM chosen \
     UNION SELECT d.classid, d.objid FROM pg_catalog.pg_depend d \
     WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = ANY ($2::oid[]) \
     UNION SELECT d.classid, d.objid FROM parts p \
     JOIN pg_catalog.pg_depend d ON d.refclassid = p.classid AND d.refobjid = p.objid AND d.deptype IN ('a', 'i') \
     LEFT JOIN pg_catalog.pg_trigger t ON d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND t.oid = d.objid \
     LEFT JOIN pg_catalog.pg_constraint k ON d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.oid = d.objid \
     WHERE t.tgisinternal IS NOT TRUE \
     AND (k.contype IS DISTINCT FROM 'f' OR k.confrelid IN (SELECT oid FROM chosen))), \
     needs(classid, objid) AS (\
     SELECT classid, objid FROM parts \
     UNION SELECT x.classid, x.objid FROM needs n CROSS JOIN LATERAL (\
     SELECT d.refclassid AS classid, d.refobjid AS objid FROM pg_catalog.pg_depend d \
     WHERE d.classid = n.classid AND d.objid = n.objid AND d.refobjid >= 16384 \
     UNION ALL SELECT a.tableoid, a.oid FROM pg_catalog.pg_attrdef a \
     WHERE n.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND a.adrelid = n.objid \
     UNION ALL SELECT k.tableoid, k.oid FROM pg_catalog.pg_constraint k \
     WHERE n.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND k.conrelid = n.objid AND k.contype = 'c' \
     UNION ALL SELECT k.tableoid, k.oid FROM pg_catalog.pg_constraint k \
     WHERE n.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND k.contypid = n.objid \
     UNION ALL SELECT r.tableoid, r.oid FROM pg_catalog.pg_rewrite r \
     JOIN pg_catalog.pg_class v ON v.oid = r.ev_class AND v.relkind IN ('v', 'm') \
     WHERE n.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND r.ev_class = n.objid) x) \
     SELECT classid, objid FROM needs";

const FOREIGN_KEYS: &str = "SELECT tableoid, oid, pg_catalog.format('%s (%s)', conname, conrelid::pg_catalog.regclass) \
     FROM pg_catalog.pg_constraint \
     WHERE contype = 'f' AND conrelid = ANY ($1::oid[]) AND NOT confrelid = ANY ($1::oid[]) ORDER BY 3";

/// Finds tables by their names, as SQL writes them (without a schema: in whichever has it), or schemas.
///
/// # Errors
/// [`NarrowedError`].
pub fn narrow(within: &mut Connection, tables: &[String], schemas: &[String]) -> Result<Narrowed, NarrowedError> {
    let mut narrowed = Narrowed::default();
    let mut relations: Vec<u32> = Vec::new();
    let mut namespaces: Vec<u32> = Vec::new();
    for name in tables {
        relations.push(find_table(within, name)?);
    }
    for name in schemas {
        let sql = "SELECT oid, nspname FROM pg_catalog.pg_namespace WHERE nspname = (pg_catalog.parse_ident($1))[1]";
        let found = within.query("look for the schema", sql, &[SqlParameter::Text(name)])?;
        if found.rows() == 0 {
            return Err(unknown(within, name, KNOWN_SCHEMAS)?);
        }
        namespaces.push(found.parse(0, 0)?);
        let schema = found.text(0, 1)?;
        narrowed.schemas.push(format!("\"{}\"", schema.replace('"', "\"\"")));
        narrowed.schema_names.push(schema.to_owned());
    }
    if !namespaces.is_empty() {
        let sql = "SELECT oid FROM pg_catalog.pg_class WHERE relnamespace = ANY ($1::oid[]) AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')";
        let found = within.query("list the schemas' tables", sql, &[SqlParameter::Text(&oid_array(&namespaces))])?;
        for row in 0..found.rows() {
            relations.push(found.parse(row, 0)?);
        }
    }
    // A schema is dumped as it is; a table comes with its children wherever they are.
    if !tables.is_empty() {
        let parameter = oid_array(&relations);
        let found = within.query("look for partitions", WITH_CHILDREN, &[SqlParameter::Text(&parameter)])?;
        relations.clear();
        for row in 0..found.rows() {
            relations.push(found.parse(row, 0)?);
            narrowed.tables.push(found.text(row, 1)?.to_owned());
            narrowed.schema_names.push(found.text(row, 2)?.to_owned());
        }
    }
    narrowed.schema_names.sort();
    narrowed.schema_names.dedup();
    let (relations, namespaces) = (oid_array(&relations), oid_array(&namespaces));
    let parameters = [SqlParameter::Text(&relations), SqlParameter::Text(&namespaces)];
    let found = within.query("look for what they need", OBJECTS, &parameters)?;
    for row in 0..found.rows() {
        narrowed.objects.insert((found.parse(row, 0)?, found.parse(row, 1)?));
    }
    let found = within.query("look for foreign keys", FOREIGN_KEYS, &parameters[..1])?;
    for row in 0..found.rows() {
        narrowed.foreign_keys.push(((found.parse(row, 0)?, found.parse(row, 1)?), found.text(row, 2)?.to_owned()));
    }
    Ok(narrowed)
}

fn find_table(within: &mut Connection, name: &str) -> Result<u32, NarrowedError> {
    let found = within.query("look for the table", BY_NAME, &[SqlParameter::Text(name)])?;
    match found.rows() {
        0 => Err(unknown(within, name, KNOWN_TABLES)?),
        1 => Ok(found.parse(0, 0)?),
        rows => {
            let places: Result<Vec<&str>, ClusterError> = (0..rows).map(|row| found.text(row, 1)).collect();
            Err(NarrowedError::Ambiguous { name: name.to_owned(), found: places?.join(", ") })
        }
    }
}

fn unknown(within: &mut Connection, name: &str, known: &str) -> Result<NarrowedError, ClusterError> {
    let found = within.query("list what there is", known, &[])?;
    let known: Vec<&str> = (0..found.rows()).map(|row| found.text(row, 0)).collect::<Result<_, _>>()?;
    Ok(NarrowedError::Unknown { name: name.to_owned(), known: known.join(", ") })
}

fn oid_array(oids: &[u32]) -> String {
    let texts: Vec<String> = oids.iter().map(u32::to_string).collect();
    format!("{{{}}}", texts.join(","))
}
