//! What must be known of a cluster's shared catalogs without a server: which file holds `pg_database`, and which databases it names
//! (upstream `relmapper.c`, `itemid.h`, `htup_details.h`, `pg_database.h`).

use crate::FormatError;
use crate::page::PAGE_HEADER_SIZE;

/// The file that maps shared catalogs to their files.
pub const SHARED_MAP_PATH: &str = "global/pg_filenode.map";
/// The OID of `pg_database` (upstream `DatabaseRelationId`).
pub const PG_DATABASE_OID: u32 = 1262;
/// OIDs below this are given out by initdb: the templates and `postgres` (upstream `FirstNormalObjectId`).
pub const FIRST_NORMAL_OID: u32 = 16384;
/// No map is longer.
pub const MAP_LIMIT_BYTES: u64 = 4096;

const MAP_MAGIC: u32 = 0x0059_2717;
/// Sizes of a map and offsets of its checksum: up to 15 with room for 62 mappings and padding, since then for 64.
const MAP_FORMS: [(usize, usize); 2] = [(512, 504), (524, 520)];
const NAME_BYTES: usize = 64;
/// Line pointers: offset and length in 15 bits each, two bits of flags between (upstream `ItemIdData`); 1 is a row.
const LINE_POINTER_BYTES: usize = 4;
const LINE_POINTER_NORMAL: u32 = 1;
/// Where a row's header says how long it is (upstream `t_hoff`).
const HEADER_LENGTH_OFFSET: usize = 22;

/// A row of `pg_database`, or what is left of one that was changed or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseRow {
    /// The database's OID.
    pub oid: u32,
    /// Its name, in the encoding that it was made with.
    pub name: Vec<u8>,
}

/// Returns the number of the file that holds a mapped catalog.
///
/// # Errors
/// `FormatDamaged` for what is no map, or one without the catalog.
pub fn mapped_file_number(map: &[u8], catalog_oid: u32) -> Result<u32, FormatError> {
    let damaged = |detail: String| FormatError::FormatDamaged { what: "pg_filenode.map", detail };
    let word = |at: usize| {
        let bytes = map.get(at..at + 4)?;
        Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    };
    let form = MAP_FORMS.into_iter().find(|(size, _)| *size == map.len());
    let (_, crc_at) = form.ok_or_else(|| damaged(format!("it has {} bytes", map.len())))?;
    if word(0) != Some(MAP_MAGIC) {
        return Err(damaged("wrong magic number".to_owned()));
    }
    if word(crc_at) != Some(crc32c::crc32c(&map[..crc_at])) {
        return Err(damaged("wrong checksum".to_owned()));
    }
    let count = word(4).unwrap_or_default() as usize;
    if count > (crc_at - 8) / 8 {
        return Err(damaged(format!("{count} mappings")));
    }
    let mapping = (0..count).find(|number| word(8 + 8 * number) == Some(catalog_oid));
    let file = mapping.and_then(|number| word(12 + 8 * number));
    file.ok_or_else(|| damaged(format!("catalog {catalog_oid} is not in it")))
}

/// Returns the rows on one page of `pg_database`, also those that nobody sees any more: whoever looks for a name must not miss one. OID and
/// name have been its first columns since 12. A page that is no page has none.
pub fn database_rows(page: &[u8]) -> Vec<DatabaseRow> {
    let lower = page.get(12..14).map_or(0, |bytes| usize::from(u16::from_le_bytes([bytes[0], bytes[1]])));
    let pointers = page.get(PAGE_HEADER_SIZE..lower.min(page.len())).unwrap_or_default();
    let row = |pointer: &[u8]| {
        let pointer = u32::from_le_bytes([pointer[0], pointer[1], pointer[2], pointer[3]]);
        if pointer >> 15 & 3 != LINE_POINTER_NORMAL {
            return None;
        }
        let (offset, length) = ((pointer & 0x7fff) as usize, (pointer >> 17) as usize);
        let tuple = page.get(offset..offset + length)?;
        let data = tuple.get(usize::from(*tuple.get(HEADER_LENGTH_OFFSET)?)..)?;
        let (oid, name) = (data.get(..4)?, data.get(4..4 + NAME_BYTES)?);
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(NAME_BYTES);
        let oid = u32::from_le_bytes([oid[0], oid[1], oid[2], oid[3]]);
        Some(DatabaseRow { oid, name: name[..end].to_vec() })
    };
    pointers.chunks_exact(LINE_POINTER_BYTES).filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn map(size: usize, crc_at: usize, mappings: &[(u32, u32)]) -> Vec<u8> {
        let mut map = vec![0; size];
        let mut put = |at: usize, word: u32| map[at..at + 4].copy_from_slice(&word.to_le_bytes());
        put(0, MAP_MAGIC);
        put(4, mappings.len() as u32);
        for (number, (oid, file)) in mappings.iter().enumerate() {
            put(8 + 8 * number, *oid);
            put(12 + 8 * number, *file);
        }
        let crc = crc32c::crc32c(&map[..crc_at]);
        map[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
        map
    }

    #[test]
    fn both_forms_of_a_map_are_read_and_damage_is_told() {
        for (size, crc_at) in MAP_FORMS {
            let good = map(size, crc_at, &[(1260, 1260), (1262, 90210)]);
            assert_eq!(mapped_file_number(&good, PG_DATABASE_OID), Ok(90210));
            assert!(mapped_file_number(&good, 1259).is_err());
            for at in 0..crc_at + 4 {
                let mut bad = good.clone();
                bad[at] ^= 1;
                assert!(mapped_file_number(&bad, PG_DATABASE_OID).is_err(), "byte {at}");
            }
        }
        assert!(mapped_file_number(&[], 1262).is_err());
    }

    #[test]
    fn rows_are_found_by_their_line_pointers() {
        let mut page = vec![0; 8192];
        let mut tuple = vec![0; 24 + 4 + 64];
        tuple[22] = 24;
        tuple[24..28].copy_from_slice(&16390_u32.to_le_bytes());
        tuple[28..32].copy_from_slice(b"shop");
        let offset = 8192 - tuple.len();
        page[offset..].copy_from_slice(&tuple);
        let pointer = offset as u32 | 1 << 15 | (tuple.len() as u32) << 17;
        page[24..28].copy_from_slice(&pointer.to_le_bytes());
        // A dead one, and one that leads out of the page.
        page[28..32].copy_from_slice(&(pointer & !(3 << 15) | 3 << 15).to_le_bytes());
        page[32..36].copy_from_slice(&(8190_u32 | 1 << 15 | 92 << 17).to_le_bytes());
        page[12..14].copy_from_slice(&36_u16.to_le_bytes());
        assert_eq!(database_rows(&page), [DatabaseRow { oid: 16390, name: b"shop".to_vec() }]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..9000)) {
            let _ = database_rows(&bytes);
            let _ = mapped_file_number(&bytes, PG_DATABASE_OID);
        }
    }
}
