//! Some tables or schemas of a dump, without a server to ask: which of its entries are they, and what do they stand on?
//!
//! pg_dump writes into a dump which entry depends on which (upstream `pg_dump.c`, `BuildArchiveDependencies`), and `pg_restore --list --verbose`
//! shows it. What belongs to a table depends on it; what a table stands on, it depends on.

use super::load::Dump;
use super::{DatabaseError, DatabaseRequest};
use crate::cluster::{ClientPrograms, Program};
use crate::{Cancel, Error};
use std::collections::{BTreeMap, BTreeSet};

/// Entries that can be chosen by a name.
const RELATIONS: &[&str] = &["TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE", "SEQUENCE"];
/// Entries that belong to the relation that they depend on.
const PARTS: &[&str] = &[
    "MATERIALIZED VIEW DATA",
    "SEQUENCE OWNED BY",
    "CHECK CONSTRAINT",
    "FK CONSTRAINT",
    "TABLE ATTACH",
    "INDEX ATTACH",
    "ROW SECURITY",
    "SEQUENCE SET",
    "TABLE DATA",
    "CONSTRAINT",
    "STATISTICS",
    "SEQUENCE",
    "DEFAULT",
    "TRIGGER",
    "POLICY",
    "INDEX",
    "RULE",
];
/// Entries that go with whatever they depend on.
const REMARKS: &[&str] = &["SECURITY LABEL", "COMMENT", "ACL"];
/// Kinds that are looked for besides, so that none of them is taken for a shorter one.
const OTHERS: &[&str] = &["DEFAULT ACL", "SCHEMA"];
/// How many names an error lists.
const MOST_KNOWN: usize = 20;

/// What of a dump is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NarrowedDump {
    /// For `pg_restore --use-list`.
    pub list: String,
    /// Foreign keys that lead elsewhere, and can't be kept.
    pub foreign_keys: Vec<String>,
}

/// Finds the tables or schemas that are asked for, with all that belongs to them and the definitions that they stand on.
///
/// # Errors
/// `DatabaseUnknownObject`, `DatabaseAmbiguousTable`; `ClusterProgram`; `cancelled`.
pub(super) fn narrow_dump(
    programs: &ClientPrograms,
    dump: &Dump,
    owners: &[String],
    request: &DatabaseRequest,
    cancel: &Cancel,
) -> Result<NarrowedDump, Error> {
    let listing = Program::offline(&programs.restore()).detailed_listing(&dump.path, cancel)?;
    // What a predefined role owns is in nobody's list of owners.
    let owners: Vec<String> = owners.iter().cloned().chain(["pg_database_owner".to_owned()]).collect();
    let contents = Contents::parse(&listing, &owners);
    Ok(contents.narrow(&request.database, &request.tables, &request.schemas)?)
}

/// An entry, as a line of the list says it: `219; 1259 16535 TABLE ventas pedidos ana`.
struct Entry {
    line: String,
    kind: &'static str,
    /// Schema, name and owner, with blanks between them; `-` for no schema.
    named: String,
    depends_on: Vec<u64>,
}

struct Contents<'o> {
    /// By number.
    entries: BTreeMap<u64, Entry>,
    /// The numbers, in the dump's order.
    order: Vec<u64>,
    /// Whoever owns anything. Names may hold blanks: only with its owner at its end an entry's name is known.
    owners: &'o [String],
}

impl<'o> Contents<'o> {
    fn parse(listing: &str, owners: &'o [String]) -> Self {
        let mut contents = Contents { entries: BTreeMap::new(), order: Vec::new(), owners };
        for line in listing.lines() {
            if let Some(numbers) = line.strip_prefix(";\tdepends on:") {
                let last = contents.order.last().and_then(|number| contents.entries.get_mut(number));
                if let Some(entry) = last {
                    entry.depends_on.extend(numbers.split_whitespace().filter_map(|number| number.parse::<u64>().ok()));
                }
            } else if let Some((number, entry)) = entry(line) {
                contents.order.push(number);
                contents.entries.insert(number, entry);
            }
        }
        contents
    }

    fn narrow(&self, database: &str, tables: &[String], schemas: &[String]) -> Result<NarrowedDump, DatabaseError> {
        let mut chosen = BTreeSet::new();
        for table in tables {
            chosen.insert(self.table(database, table)?);
        }
        let mut own = BTreeSet::new();
        for schema in schemas {
            self.schema(database, schema, &mut chosen, &mut own)?;
        }
        while let Some(child) = self.next_child(&chosen) {
            chosen.insert(child);
        }
        own.extend(chosen.iter().copied());
        while let Some(part) = self.next_part(&own, &chosen) {
            own.insert(part);
        }
        let mut wanted = own.clone();
        while let Some(more) = self.next_needed(&wanted) {
            wanted.insert(more);
        }
        let keys = self.order.iter().filter(|number| self.leads_elsewhere(**number, &chosen));
        let foreign_keys = keys.filter_map(|number| Some(self.shown(self.entries.get(number)?))).collect();
        let mut list = String::new();
        for number in self.order.iter().filter(|number| wanted.contains(number)) {
            if let Some(entry) = self.entries.get(number) {
                list.push_str(&entry.line);
                list.push('\n');
            }
        }
        Ok(NarrowedDump { list, foreign_keys })
    }

    /// Finds one relation by its name as SQL writes it.
    fn table(&self, database: &str, name: &str) -> Result<u64, DatabaseError> {
        let parts = parse_name(name).unwrap_or_default();
        let wanted: Vec<(String, &String)> = match parts.as_slice() {
            [schema, table] => vec![(schema.clone(), table)],
            [table] => self.schemas().into_iter().map(|schema| (schema, table)).collect(),
            _ => Vec::new(),
        };
        let is_it = |entry: &Entry| {
            RELATIONS.contains(&entry.kind)
                && wanted.iter().any(|(schema, table)| self.is_named(entry, &format!("{schema} {table}")))
        };
        let found: Vec<u64> = self.order.iter().copied().filter(|number| is_it(&self.entries[number])).collect();
        match found.as_slice() {
            [one] => Ok(*one),
            [] => {
                let relations = self.entries.values().filter(|entry| RELATIONS[..4].contains(&entry.kind));
                let known = relations.take(MOST_KNOWN).map(|entry| self.shown(entry)).collect::<Vec<_>>().join(", ");
                let (database, name) = (database.to_owned(), name.to_owned());
                Err(DatabaseError::DatabaseUnknownObject { database, name, known })
            }
            several => {
                let found = several.iter().map(|number| self.shown(&self.entries[number])).collect::<Vec<_>>();
                Err(DatabaseError::DatabaseAmbiguousTable { name: name.to_owned(), found: found.join(", ") })
            }
        }
    }

    /// Chooses all that is in a schema, but for foreign keys, of which each is looked at.
    fn schema(
        &self,
        database: &str,
        name: &str,
        chosen: &mut BTreeSet<u64>,
        own: &mut BTreeSet<u64>,
    ) -> Result<(), DatabaseError> {
        let known = self.schemas();
        let schema = match parse_name(name).as_deref() {
            Some([schema]) if known.contains(schema) => schema.clone(),
            _ => {
                let (database, name, known) = (database.to_owned(), name.to_owned(), known.into_iter());
                let known = known.take(MOST_KNOWN).collect::<Vec<_>>().join(", ");
                return Err(DatabaseError::DatabaseUnknownObject { database, name, known });
            }
        };
        for (number, entry) in &self.entries {
            let is_itself = entry.kind == "SCHEMA" && self.is_named(entry, &format!("- {schema}"));
            let is_in_it = entry.named.strip_prefix(schema.as_str()).is_some_and(|rest| rest.starts_with(' '));
            if is_in_it && RELATIONS.contains(&entry.kind) {
                chosen.insert(*number);
            } else if is_itself || is_in_it && entry.kind != "FK CONSTRAINT" {
                own.insert(*number);
            }
        }
        Ok(())
    }

    /// Returns the names of all schemas; `public` has no entry where nobody has touched it.
    fn schemas(&self) -> BTreeSet<String> {
        let of = |entry: &Entry| {
            let named = entry.named.strip_prefix("- ")?;
            self.owners
                .iter()
                .find_map(|owner| named.strip_suffix(owner.as_str())?.strip_suffix(' '))
                .map(str::to_owned)
        };
        let schemas = self.entries.values().filter(|entry| entry.kind == "SCHEMA");
        schemas.filter_map(of).chain(["public".to_owned()]).collect()
    }

    fn is_named(&self, entry: &Entry, name: &str) -> bool {
        let owner = entry.named.strip_prefix(name).and_then(|rest| rest.strip_prefix(' '));
        owner.is_some_and(|owner| self.owners.iter().any(|known| known == owner))
    }

    /// Returns an entry's schema and name, without its owner.
    fn name_of<'e>(&self, entry: &'e Entry) -> &'e str {
        let name = self.owners.iter().find_map(|owner| entry.named.strip_suffix(owner.as_str())?.strip_suffix(' '));
        name.unwrap_or(&entry.named)
    }

    /// Writes it for people.
    fn shown(&self, entry: &Entry) -> String {
        self.name_of(entry).replacen(' ', ".", 1)
    }

    fn depends_on_any(&self, entry: &Entry, on: &BTreeSet<u64>) -> bool {
        entry.depends_on.iter().any(|number| on.contains(number))
    }

    /// A partition, or another table that inherits, of one that is chosen.
    fn next_child(&self, chosen: &BTreeSet<u64>) -> Option<u64> {
        let is_table = |kind: &str| ["TABLE", "FOREIGN TABLE"].contains(&kind);
        let parents: BTreeSet<u64> =
            chosen.iter().copied().filter(|number| is_table(self.entries[number].kind)).collect();
        let mut children = self.entries.iter().filter(|(_, entry)| is_table(entry.kind));
        let child = children.find(|(number, entry)| !chosen.contains(number) && self.depends_on_any(entry, &parents));
        child.map(|(number, _)| *number)
    }

    /// What belongs to what is there, and is not there yet.
    fn next_part(&self, own: &BTreeSet<u64>, chosen: &BTreeSet<u64>) -> Option<u64> {
        // A foreign key is a matter of both tables.
        let is_whole = |entry: &Entry| {
            entry.kind != "FK CONSTRAINT" || self.relations_of(entry).all(|number| chosen.contains(&number))
        };
        let is_part = |number: &u64, entry: &Entry| {
            PARTS.contains(&entry.kind) && !own.contains(number) && self.depends_on_any(entry, own) && is_whole(entry)
        };
        self.entries.iter().find(|(number, entry)| is_part(number, entry)).map(|(number, _)| *number)
    }

    /// Tells whether it is a foreign key of a table that is wanted, to one that is not.
    fn leads_elsewhere(&self, number: u64, chosen: &BTreeSet<u64>) -> bool {
        let Some(entry) = self.entries.get(&number).filter(|entry| entry.kind == "FK CONSTRAINT") else { return false };
        // Its own name begins with that of the table which has it.
        let has_it = |table: &u64| {
            let name = self.name_of(&self.entries[table]);
            entry.named.strip_prefix(name).is_some_and(|rest| rest.starts_with(' '))
        };
        let (here, elsewhere): (Vec<u64>, Vec<u64>) =
            self.relations_of(entry).partition(|number| chosen.contains(number));
        !elsewhere.is_empty() && here.iter().any(has_it)
    }

    /// Returns the relations that an entry depends on.
    fn relations_of<'e>(&'e self, entry: &'e Entry) -> impl Iterator<Item = u64> + 'e {
        let is_relation = |number: &u64| self.entries.get(number).is_some_and(|of| RELATIONS.contains(&of.kind));
        entry.depends_on.iter().copied().filter(is_relation)
    }

    /// What something that is wanted depends on, or what is said of it.
    fn next_needed(&self, wanted: &BTreeSet<u64>) -> Option<u64> {
        let entries = wanted.iter().filter_map(|number| self.entries.get(number));
        let mut needed = entries.flat_map(|entry| &entry.depends_on).copied();
        needed.find(|number| !wanted.contains(number) && self.entries.contains_key(number)).or_else(|| {
            let is_remark = |number: &u64, entry: &Entry| {
                REMARKS.contains(&entry.kind) && !wanted.contains(number) && self.depends_on_any(entry, wanted)
            };
            self.entries.iter().find(|(number, entry)| is_remark(number, entry)).map(|(number, _)| *number)
        })
    }
}

fn entry(line: &str) -> Option<(u64, Entry)> {
    let (number, rest) = line.split_once("; ")?;
    let number = number.parse::<u64>().ok()?;
    let mut words = rest.splitn(3, ' ');
    let (_catalog, _object) = (words.next()?.parse::<u32>().ok()?, words.next()?.parse::<u32>().ok()?);
    let what = words.next()?;
    let kinds = RELATIONS.iter().chain(PARTS).chain(REMARKS).chain(OTHERS);
    let fitting = kinds.filter_map(|kind| Some((*kind, what.strip_prefix(kind)?.strip_prefix(' ')?)));
    let (kind, named) = fitting.max_by_key(|(kind, _)| kind.len()).unwrap_or(("", what));
    Some((number, Entry { line: line.to_owned(), kind, named: named.to_owned(), depends_on: Vec::new() }))
}

/// Reads the parts of a name as SQL does: what is not quoted is in small letters (of ASCII: the rest depends on the server's locale).
fn parse_name(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let part;
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut name = String::new();
            let mut characters = quoted.char_indices().peekable();
            let end = loop {
                match characters.next()? {
                    (at, '"') if characters.peek().is_none_or(|(_, next)| *next != '"') => break at,
                    (_, '"') => {
                        characters.next();
                        name.push('"');
                    }
                    (_, character) => name.push(character),
                }
            };
            (part, rest) = (name, &quoted[end + 1..]);
        } else {
            let end = rest.find(['.', '"']).unwrap_or(rest.len());
            (part, rest) = (rest[..end].to_ascii_lowercase(), &rest[end..]);
        }
        if part.is_empty() {
            return None;
        }
        parts.push(part);
        match rest.strip_prefix('.') {
            Some(more) => rest = more,
            None if rest.is_empty() => return Some(parts),
            None => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = include_str!("narrow_dump/listing.txt");

    fn narrowed(tables: &[&str], schemas: &[&str]) -> Result<(Vec<String>, Vec<String>), DatabaseError> {
        let owners = ["postgres".to_owned(), "ana".to_owned()];
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let narrowed = Contents::parse(LISTING, &owners).narrow("shop", &owned(tables), &owned(schemas))?;
        let what = |line: &str| line.splitn(4, ' ').nth(3).unwrap().to_owned();
        Ok((narrowed.list.lines().map(what).collect(), narrowed.foreign_keys))
    }

    #[test]
    fn a_table_brings_what_belongs_to_it_and_the_definitions_it_stands_on() {
        let (list, keys) = narrowed(&["pedidos"], &[]).unwrap();
        let wanted = [
            "SCHEMA - ventas ana",
            "DOMAIN ventas dom postgres",
            "TYPE ventas estado postgres",
            "FUNCTION ventas f() postgres",
            "FUNCTION ventas trg() postgres",
            "TABLE ventas pedidos ana",
            "COMMENT ventas TABLE pedidos ana",
            "ACL ventas TABLE pedidos ana",
            "SEQUENCE ventas pedidos_id_seq ana",
            "SEQUENCE OWNED BY ventas pedidos_id_seq ana",
            "DEFAULT ventas pedidos id ana",
            "TABLE DATA ventas pedidos ana",
            "SEQUENCE SET ventas pedidos_id_seq ana",
            "CONSTRAINT ventas pedidos pedidos_pkey ana",
            "INDEX ventas pedidos_c_idx ana",
            "STATISTICS ventas st postgres",
            "TRIGGER ventas pedidos t ana",
            "POLICY ventas pedidos p ana",
            "ROW SECURITY ventas pedidos ana",
        ];
        assert_eq!(list, wanted);
        assert_eq!(keys, ["ventas.pedidos pedidos_c_fkey"]);
    }

    #[test]
    fn foreign_keys_between_wanted_tables_stay() {
        let (list, keys) = narrowed(&["ventas.pedidos", "lineas", "clientes"], &[]).unwrap();
        let kept = list.iter().filter(|line| line.starts_with("FK ")).count();
        assert_eq!((kept, keys.len()), (2, 0), "{list:?}");
        assert!(list.contains(&"EXTENSION - hstore ".to_owned()) && !list.iter().any(|line| line.contains("otros")));
    }

    #[test]
    fn partitions_and_children_come_with_their_parents_and_parents_without_their_rows() {
        let (list, _) = narrowed(&["part"], &[]).unwrap();
        for line in [
            "TABLE DATA ventas part1 postgres",
            "TABLE ATTACH ventas part2 postgres",
            "INDEX ATTACH ventas part1_pkey postgres",
        ] {
            assert!(list.contains(&line.to_owned()), "{line}: {list:?}");
        }
        let (list, _) = narrowed(&["padre"], &[]).unwrap();
        assert!(list.contains(&"TABLE DATA ventas hija postgres".to_owned()), "{list:?}");
        let (list, _) = narrowed(&["hija"], &[]).unwrap();
        assert!(list.contains(&"TABLE ventas padre postgres".to_owned()), "{list:?}");
        assert!(!list.contains(&"TABLE DATA ventas padre postgres".to_owned()), "{list:?}");
        let (list, _) = narrowed(&["mv"], &[]).unwrap();
        assert!(list.contains(&"MATERIALIZED VIEW DATA ventas mv postgres".to_owned()), "{list:?}");
        assert!(
            list.contains(&"TABLE ventas pedidos ana".to_owned())
                && !list.iter().any(|line| line.starts_with("TABLE DATA"))
        );
    }

    #[test]
    fn a_schema_brings_all_that_is_in_it() {
        let (list, keys) = narrowed(&[], &["ventas"]).unwrap();
        let count = LISTING.lines().filter(|line| line.contains(" ventas ") && !line.starts_with(";\t")).count();
        assert_eq!(list.iter().filter(|line| line.contains(" ventas ")).count(), count);
        assert_eq!(keys, [""; 0]);
        assert!(
            list.contains(&"SCHEMA - ventas ana".to_owned()) && !list.iter().any(|line| line.contains("Raro")),
            "{list:?}"
        );
    }

    #[test]
    fn names_are_those_of_sql_and_unknown_ones_are_told() {
        let (list, _) = narrowed(&["\"Raro t\""], &[]).unwrap();
        assert_eq!(list, ["TABLE public Raro t postgres", "TABLE DATA public Raro t postgres"]);
        assert!(narrowed(&["VENTAS.Pedidos"], &[]).is_ok());
        for unknown in ["Raro t", "nada", "", "a.b.c", "\"Pedidos\"", "\"", "public.pedidos"] {
            let error = narrowed(&[unknown], &[]).unwrap_err();
            assert!(matches!(&error, DatabaseError::DatabaseUnknownObject { .. }), "{unknown}: {error}");
            assert!(narrowed(&[], &[unknown]).is_err(), "{unknown}");
        }
        assert_eq!(parse_name("\"a\"\"b\".C"), Some(vec!["a\"b".to_owned(), "c".to_owned()]));
    }
}
