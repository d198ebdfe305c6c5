//! The generator's model: what there is in the cluster at this point of the schedule.

use super::prng::Prng;
use super::step::Step;
use pgformat::MajorVersion;

/// The database in which most of it happens.
pub(super) const MAIN: &str = "postgres";

/// An access method and the column that it indexes.
pub(super) type IndexShape = (&'static str, &'static str);

/// Every kind of index, on the columns of [`super::tables`].
pub(super) const INDEX_SHAPES: [IndexShape; 9] = [
    ("btree", "id"),
    ("btree", "note"),
    ("hash", "k"),
    ("gin", "tags"),
    ("gist", "span"),
    ("gist", "spot"),
    ("spgist", "note"),
    ("spgist", "spot"),
    ("brin", "id"),
];

/// What a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TableKind {
    Plain,
    Unlogged,
    /// By hash of `id` into three.
    Partitioned,
}

#[derive(Debug, Clone)]
pub(super) struct Index {
    pub name: String,
    pub method: &'static str,
}

#[derive(Debug, Clone)]
pub(super) struct Table {
    pub name: String,
    pub kind: TableKind,
    pub tablespace: Option<String>,
    pub indexes: Vec<Index>,
    /// Columns that were added.
    pub columns: Vec<String>,
    pub k_is_bigint: bool,
    /// The next `id`; no value comes twice.
    pub next_id: u64,
    /// A prepared transaction holds a lock: it may be inserted into, and nothing else.
    pub is_locked: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Database {
    pub name: String,
    /// Where its owner chose it.
    pub oid: Option<u64>,
    pub tablespace: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct MaterializedView {
    pub name: String,
    pub table: String,
}

#[derive(Debug, Clone)]
pub(super) struct PreparedTransaction {
    pub gid: String,
    pub table: String,
}

/// What there is.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub version: MajorVersion,
    pub tables: Vec<Table>,
    pub views: Vec<MaterializedView>,
    pub sequences: Vec<String>,
    pub databases: Vec<Database>,
    /// Besides PostgreSQL's own.
    pub tablespaces: Vec<String>,
    pub prepared: Vec<PreparedTransaction>,
    /// Large objects are numbered in the table `picture`.
    pub pictures: u64,
    counter: u64,
}

impl World {
    pub fn new(version: MajorVersion, tablespace: &str) -> Self {
        World {
            version,
            tables: Vec::new(),
            views: Vec::new(),
            sequences: Vec::new(),
            databases: Vec::new(),
            tablespaces: vec![tablespace.to_owned()],
            prepared: Vec::new(),
            pictures: 0,
            counter: 0,
        }
    }

    /// Returns a number that was not given out before.
    pub fn number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// Returns the position of a table for which `fits` holds and that nobody has locked.
    pub fn free_table(&self, random: &mut Prng, fits: impl Fn(&Table) -> bool) -> Option<usize> {
        self.choose(random, |table| !table.is_locked && fits(table))
    }

    /// Returns the position of a table for which `fits` holds.
    pub fn choose(&self, random: &mut Prng, fits: impl Fn(&Table) -> bool) -> Option<usize> {
        let fitting: Vec<usize> = (0..self.tables.len()).filter(|at| fits(&self.tables[*at])).collect();
        random.position(fitting.len()).map(|at| fitting[at])
    }

    /// Returns one of the tablespaces, or `None` for the default one.
    pub fn some_tablespace(&self, random: &mut Prng) -> Option<String> {
        if random.percent(50) { None } else { Some(random.pick(&self.tablespaces).clone()) }
    }
}

/// Returns the name of a tablespace as SQL wants it.
pub(super) fn tablespace_name(tablespace: Option<&String>) -> &str {
    tablespace.map_or("pg_default", String::as_str)
}

/// Makes a step of statements in the main database.
pub(super) fn sql(what: &'static str, sql: String) -> Option<Step> {
    Some(Step::Sql { what, database: MAIN.to_owned(), sql })
}
