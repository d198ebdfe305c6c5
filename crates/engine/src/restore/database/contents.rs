//! What is in a dump, and what of it is to be loaded? By `pg_restore --list`, whose lines name every object by its numbers.

use crate::cluster::{Narrowed, ObjectId};
use std::collections::BTreeSet;

/// The lines of a listing, in the dump's order.
pub(super) struct Contents {
    entries: Vec<Entry>,
}

/// `215; 1259 16385 TABLE public t owner`: the entry's number, the catalog's, the object's, and what it is.
struct Entry {
    line: String,
    object: ObjectId,
    what: String,
}

impl Contents {
    pub fn parse(listing: &str) -> Self {
        Contents { entries: listing.lines().filter_map(entry).collect() }
    }

    /// Leaves out foreign keys that lead elsewhere.
    pub fn without_foreign_keys(&self, narrowed: &Narrowed) -> String {
        let left_out: BTreeSet<ObjectId> = narrowed.foreign_keys.iter().map(|(object, _)| *object).collect();
        self.list(|entry| !left_out.contains(&entry.object))
    }

    /// Keeps what `wanted` needs and does not have, and who may use the schemas.
    pub fn needed_before(&self, wanted: &Contents, narrowed: &Narrowed) -> String {
        let there: BTreeSet<ObjectId> = wanted.entries.iter().map(|entry| entry.object).filter(is_known).collect();
        let missing = |object: &ObjectId| narrowed.objects.contains(object) && !there.contains(object);
        let there = |what: &str| wanted.entries.iter().any(|entry| entry.what == what);
        let of_schema = |what: &str| {
            let name = what.strip_prefix("ACL - SCHEMA ");
            // The owner's name follows the schema's.
            let fits = |name: &str| {
                let begins =
                    |schema: &String| name.strip_prefix(schema.as_str()).is_some_and(|rest| rest.starts_with(' '));
                narrowed.schema_names.iter().any(begins)
            };
            name.is_some_and(fits)
        };
        self.list(|entry| missing(&entry.object) || (of_schema(&entry.what) && !there(&entry.what)))
    }

    fn list(&self, keep: impl Fn(&Entry) -> bool) -> String {
        let mut text = String::new();
        for entry in self.entries.iter().filter(|entry| keep(entry)) {
            text.push_str(&entry.line);
            text.push('\n');
        }
        text
    }
}

/// Entries that are no objects of their own, such as rights and comments, have no numbers.
fn is_known(object: &ObjectId) -> bool {
    object.1 != 0
}

fn entry(line: &str) -> Option<Entry> {
    let (number, rest) = line.split_once("; ")?;
    number.parse::<u64>().ok()?;
    let mut words = rest.splitn(3, ' ');
    let object = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(Entry { line: line.to_owned(), object, what: words.next()?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFINITIONS: &str = ";\n; Archive created at 2026\n;     dbname: shop\n;\n\
        6; 2615 16400 SCHEMA - ventas gerente\n\
        3400; 0 0 ACL - SCHEMA ventas gerente\n\
        3401; 0 0 ACL - SCHEMA ventas_viejas gerente\n\
        2; 3079 16390 EXTENSION - hstore \n\
        700; 1247 16410 TYPE ventas estado gerente\n\
        701; 1247 16420 TYPE ventas otro gerente\n\
        215; 1259 16430 TABLE ventas pedidos gerente\n";
    const WANTED: &str = "215; 1259 16430 TABLE ventas pedidos gerente\n\
        3350; 0 16430 TABLE DATA ventas pedidos gerente\n\
        3200; 2606 16440 FK CONSTRAINT ventas pedidos pedidos_cliente_fkey gerente\n\
        3201; 2606 16441 CONSTRAINT ventas pedidos pedidos_pkey gerente\n";

    #[test]
    fn what_is_needed_comes_first_and_keys_that_lead_elsewhere_stay_out() {
        let narrowed = Narrowed {
            objects: [(2615, 16400), (3079, 16390), (1247, 16410), (1259, 16430)].into(),
            foreign_keys: vec![((2606, 16440), "pedidos_cliente_fkey".to_owned())],
            schema_names: vec!["ventas".to_owned()],
            ..Narrowed::default()
        };
        let (definitions, wanted) = (Contents::parse(DEFINITIONS), Contents::parse(WANTED));
        let numbers =
            |list: String| list.lines().map(|line| line.split(';').next().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(numbers(definitions.needed_before(&wanted, &narrowed)), ["6", "3400", "2", "700"]);
        assert_eq!(numbers(wanted.without_foreign_keys(&narrowed)), ["215", "3350", "3201"]);
    }
}
